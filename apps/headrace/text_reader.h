// TextReader: texts one by one from a file or standard input: a line each, or the "text" of each
// line of a .jsonl file. Knows whether another text is there without waiting, so that whoever pipes
// lines in gets answers as they come.
//
// Owns: the descriptor (not standard input's) and the bytes read ahead. Threads: one. Errors:
// not_found, damaged and too_large, naming file and line; cancelled by Ctrl-C while it waits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "runtime/unique_fd.h"

namespace headrace::cli {

class TextReader {
 public:
  static constexpr uint64_t kLineBytesMax = 256ULL << 20;

  static Result<std::unique_ptr<TextReader>> open(const std::string& path);
  // Waits for it. Empty at the end.
  Result<std::optional<std::string>> next();
  // Whether next() would not wait (there may be a text or the end).
  bool ready() const;

 private:
  Result<std::optional<std::string>> next_line();
  int descriptor() const;

  std::string name_;
  UniqueFd file_;  // not open: standard input
  bool records_ = false;
  bool at_end_ = false;
  uint64_t number_ = 0;
  std::string buffer_;
  size_t begin_ = 0;    // of the next line
  size_t scanned_ = 0;  // up to here there is no end of line
};

}  // namespace headrace::cli
