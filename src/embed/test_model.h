// TestModel: small seeded random models on disk, and a plain double-precision forward pass to
// compare the engine with. Only tests include this.
//
// Owns: a temporary folder, removed at the end. Threads: one. Errors: aborts the test.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "embed/model_config.h"
#include "embed/model_store.h"

namespace headrace::embed {

// A folder that vanishes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  void write(std::string_view name, std::string_view text) const;

 private:
  std::string path_;
};

struct TestTensor {
  std::string type = "F32";  // F32, F16 or BF16
  std::vector<uint64_t> shape;
  std::vector<float> values;
};
using TestTensors = std::map<std::string, TestTensor>;

// The bytes of a safetensors file.
std::string safetensors_bytes(const TestTensors& tensors);

struct TestShape {
  Family family = Family::bert;
  uint32_t hidden = 48;
  uint32_t layers = 2;
  uint32_t heads = 4;
  uint32_t intermediate = 80;
  uint32_t vocabulary = 50;
  uint32_t positions = 70;
  std::string prefix;  // before every tensor's name
  std::string type = "F32";
  uint64_t seed = 1;
};

// Weights of that shape; every value is a half, so that packing loses nothing.
TestTensors random_tensors(const TestShape& shape);
std::string config_json(const TestShape& shape);
// Writes config.json, tokenizer.json (a stub) and model.safetensors.
void write_model(const TemporaryFolder& folder, const TestShape& shape, const TestTensors& tensors);
ModelFiles files_of(const TemporaryFolder& folder);

// The last layer's rows (ids.size() x hidden) by the textbook, in double precision. Tokens from
// `second` on are of the second kind.
std::vector<double> reference_rows(const ModelConfig& config, const TestTensors& tensors,
                                   const std::string& prefix, std::span<const int32_t> ids,
                                   size_t second = SIZE_MAX);

}  // namespace headrace::embed
