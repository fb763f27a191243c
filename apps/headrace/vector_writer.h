// VectorWriter: vectors to standard output as JSON lines, .npy or an Arrow file, as they come and
// in bounded memory.
//
// Threads: one. Errors: those of writing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace headrace::cli {

class VectorWriter {
 public:
  // `format`: "jsonl", "npy" or "arrow".
  static Result<std::unique_ptr<VectorWriter>> create(const std::string& format,
                                                      uint32_t dimension);
  virtual ~VectorWriter() = default;
  // [rows, dimension]
  virtual Status write(std::span<const float> vectors) = 0;
  virtual Status finish() = 0;
  // Whether a reader can use what is written before the end.
  virtual bool streams() const = 0;
};

}  // namespace headrace::cli
