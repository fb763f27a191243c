// Which line of the file a place of its decoded text stands on. A decoder notes lines as it writes;
// where a text has the line breaks of its file, one note at its begin is all there is.
//
// Owns: the notes of a text. Threads: one. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "batch/document.h"

namespace headrace {

size_t count_line_breaks(std::string_view text);

// Lines of ascending places of a file, from 1.
class LineCounter {
 public:
  explicit LineCounter(std::string_view source) : source_(source) {}
  int32_t line_at(size_t offset) {
    if (offset <= at_) return line_;
    line_ += static_cast<int32_t>(count_line_breaks(source_.substr(at_, offset - at_)));
    at_ = offset;
    return line_;
  }

 private:
  std::string_view source_;
  size_t at_ = 0;
  int32_t line_ = 1;
};

// Keeps only what the line breaks of the text do not say.
class LineNotes {
 public:
  // What follows byte `at` of `text` stands on this line of the file; places ascend.
  void note(std::string_view text, size_t at, int32_t line);
  bool is_empty() const { return notes_.empty(); }
  std::vector<LineBegin> take() { return std::move(notes_); }

 private:
  std::vector<LineBegin> notes_;
  size_t at_ = 0;
  int32_t line_ = 0;  // of at_, by the notes so far
};

// Reads notes back, for ascending places of the text.
class NotedLines {
 public:
  NotedLines(std::string_view text, std::span<const LineBegin> notes)
      : text_(text), notes_(notes) {}
  // 0 where no line is known.
  int32_t line_at(size_t offset);

 private:
  std::string_view text_;
  std::span<const LineBegin> notes_;
  size_t at_ = 0;
  int32_t line_ = 0;
};

}  // namespace headrace
