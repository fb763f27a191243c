// TextBuilder: a Document's text and blocks, written front to back. The decoders of marked-up text
// write one line for each line of their input (an empty one where only markup stood), so that a
// line number in the decoded text is a line number in the file; those whose text has other lines
// than their file say which is which.
//
// Owns: the document under construction. Threads: one. Errors: none.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "batch/document.h"
#include "batch/source_lines.h"

namespace headrace {

class TextBuilder {
 public:
  explicit TextBuilder(size_t expected_bytes = 0) { document_.text.reserve(expected_bytes); }

  // Ends the open block, if any, and begins one here.
  void begin(BlockKind kind, uint8_t level = 0) {
    end();
    open_ = true;
    kind_ = kind;
    level_ = level;
    begin_ = document_.text.size();
  }
  // Ends the open block behind the last visible character; a block without one is dropped.
  void end() {
    if (!open_) return;
    open_ = false;
    const std::string& text = document_.text;
    size_t first = begin_;
    size_t last = text.size();
    while (last > first && is_space(text[last - 1])) --last;
    while (first < last && text[first] == '\n') ++first;
    if (first >= last) return;
    document_.blocks.push_back(
        {static_cast<uint32_t>(first), static_cast<uint32_t>(last), kind_, level_, 0});
  }
  bool is_open() const { return open_; }
  bool is_open(BlockKind kind) const { return open_ && kind_ == kind; }
  void write(std::string_view text) { document_.text += text; }
  void line_break(size_t count = 1) { document_.text.append(count, '\n'); }

  // What is written from here on stands on this line of the file.
  void at_line(int32_t line) { lines_.note(document_.text, document_.text.size(), line); }

  Document& document() { return document_; }
  const std::string& text() const { return document_.text; }
  Document take() {
    end();
    if (lines_.is_empty()) lines_.note(document_.text, 0, 1);
    document_.lines = lines_.take();
    return std::move(document_);
  }

 private:
  static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  Document document_;
  LineNotes lines_;
  bool open_ = false;
  BlockKind kind_ = BlockKind::paragraph;
  uint8_t level_ = 0;
  size_t begin_ = 0;
};

// The lines of a text, one after the other, without their line breaks.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : text_(text) {}
  bool next(std::string_view& line) {
    if (position_ >= text_.size()) return false;
    line = peek();
    position_ += line.size() + 1;
    return true;
  }
  // The line that next() gives, empty at the end.
  std::string_view peek() const {
    if (position_ >= text_.size()) return {};
    return text_.substr(position_, text_.find('\n', position_) - position_);
  }
  bool at_end() const { return position_ >= text_.size(); }
  // The byte where the next line begins.
  size_t position() const { return position_; }
  void seek(size_t position) { position_ = position; }

 private:
  std::string_view text_;
  size_t position_ = 0;
};

inline bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\f\v") == std::string_view::npos;
}
inline size_t indentation(std::string_view line) {
  size_t width = 0;
  for (const char c : line) {
    if (c == ' ') {
      ++width;
    } else if (c == '\t') {
      width = (width / 4 + 1) * 4;
    } else {
      break;
    }
  }
  return width;
}
inline std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n\f\v");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n\f\v") - first + 1);
}

}  // namespace headrace
