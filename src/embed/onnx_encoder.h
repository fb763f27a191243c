// OnnxEncoder: token ids → vectors by a transformer in an ONNX file, run by ONNX Runtime.
//
// What the file does not say is read from the files beside it (or one folder up, as in onnx/
// folders): pooling and normalising from modules.json, the longest input from
// sentence_bert_config.json, tokenizer_config.json and config.json. A graph that gives one vector a
// text ("sentence_embedding") is taken at its word; one that gives a vector a token is pooled here.
//
// Owns: the session. Threads: embed() is const and safe from any thread; it runs on the caller's
// thread alone. Errors: not_found, unsupported and damaged, naming file and port.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/model_config.h"
#include "embed/model_json.h"
#include "embed/model_modules.h"
#include "embed/onnx_runtime.h"

namespace headrace::embed {

class OnnxEncoder {
 public:
  static Result<std::unique_ptr<const OnnxEncoder>> load(
      const std::string& file, std::shared_ptr<const OnnxRuntime> runtime);

  const std::string& config_folder() const { return folder_; }  // where tokenizer.json lies
  const std::string& fingerprint() const { return fingerprint_; }
  const std::string& runtime_version() const { return runtime_->version(); }
  uint32_t dimension() const { return dimension_; }
  uint32_t tokens_max() const { return tokens_max_; }
  bool normalized() const { return normalize_; }

  // Rows of `out` are the vectors of `sequences`, which are padded to the longest of them.
  Status embed(std::span<const std::span<const int32_t>> sequences, std::span<float> out) const;

 private:
  enum class Input : uint8_t { ids, mask, types, positions };
  Status choose_ports(const std::string& file);
  Status read_settings();
  Status read_fingerprint(const std::string& file);

  std::shared_ptr<const OnnxRuntime> runtime_;
  std::unique_ptr<const OnnxSession> session_;
  std::string folder_;
  std::string fingerprint_;
  std::vector<Input> inputs_;
  std::string output_;
  Pooling pooling_ = Pooling::mean;
  bool normalize_ = false;
  uint32_t dimension_ = 0;
  uint32_t tokens_max_ = 512;
  int32_t padding_ = 0;
};

}  // namespace headrace::embed
