// SafeTensors: reads model weights in the safetensors format.
//
// The whole header is validated at open: its size, its JSON, each tensor's type, and that shapes,
// offsets and file size agree without holes or overlaps. Data is then read in pieces with pread,
// never mapped: a file that is cut while we read gives an error instead of a SIGBUS, and pages of
// the original do not count as our memory once the weights are packed.
//
// Weights may lie in several files, each with a header of its own: what they hold is then one map.
//
// Owns: the file descriptors. Threads: const functions from any thread. Errors: damaged (names file
// and tensor), not_found for a tensor that is not there, io.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace headrace::embed {

enum class TensorType : uint8_t { f32, f16, bf16, other };

struct Tensor {
  TensorType type = TensorType::other;
  std::string type_name;  // as the file says: "F32", "I64", …
  std::vector<uint64_t> shape;
  uint64_t begin = 0;  // in the file
  uint64_t end = 0;
  uint32_t part = 0;       // which of the files
  uint64_t count() const;  // elements
};

using TensorMap = std::map<std::string, Tensor, std::less<>>;

// Parses and validates the JSON header of a file of `file_bytes` bytes. `file` is for messages.
Result<TensorMap> parse_safetensors_header(std::string_view json, uint64_t file_bytes,
                                           std::string_view file);
// The same for the file's beginning: 8 bytes of length, then the header, then whatever follows.
Result<TensorMap> parse_safetensors(std::string_view bytes, std::string_view file);

class SafeTensors {
 public:
  static Result<SafeTensors> open(const std::string& path);
  // Several files as one; no tensor may be in two of them. `name` is theirs together, for messages.
  static Result<SafeTensors> open_all(std::string name, std::span<const std::string> paths);
  SafeTensors(SafeTensors&& other) noexcept;
  SafeTensors& operator=(SafeTensors&& other) noexcept;
  SafeTensors(const SafeTensors&) = delete;
  SafeTensors& operator=(const SafeTensors&) = delete;
  ~SafeTensors();

  const std::string& path() const { return path_; }
  // The file of one of the tensors.
  const std::string& path_of(const Tensor& tensor) const { return parts_[tensor.part].path; }
  const TensorMap& tensors() const { return tensors_; }
  bool contains(std::string_view name) const { return tensors_.contains(name); }

  // The tensor `name`, which must have exactly this shape and a floating point type.
  Result<const Tensor*> find(std::string_view name, std::span<const uint64_t> shape) const;

  // Reads the tensor as floats, piece by piece in order: `take(first element, floats)` sees at
  // most kPieceElements at a time and always whole rows of `row` elements (row divides the count).
  // Fails on the first NaN or infinity. `raw` sees the bytes as they are in the file.
  Status read(std::string_view name, std::span<const uint64_t> shape, uint64_t row,
              const std::function<void(uint64_t, std::span<const float>)>& take,
              const std::function<void(std::string_view)>& raw = {}) const;
  static constexpr uint64_t kPieceElements = 1 << 18;

 private:
  struct Part {
    std::string path;
    int descriptor = -1;
  };
  explicit SafeTensors(std::string path) : path_(std::move(path)) {}
  Status add(const std::string& path);

  std::string path_;
  std::vector<Part> parts_;
  TensorMap tensors_;
};

}  // namespace headrace::embed
