// LatexText: a TextBuilder for LaTeX: blocks on lines of their own, and still one line of text for
// each line of the file.
//
// Owns: the document under construction. Threads: one. Errors: none.
#pragma once

#include <algorithm>
#include <string_view>

#include "decode/text_builder.h"

namespace headrace {

class LatexText {
 public:
  explicit LatexText(size_t expected_bytes) : out_(expected_bytes) {}

  // Every block stands on lines of its own, whether the source has line breaks there or not.
  void begin(BlockKind kind, uint8_t level = 0) {
    end();
    if (!at_line_begin()) break_line();
    for (; lines_ahead_ < 0; ++lines_ahead_) out_.line_break();
    out_.begin(kind, level);
  }
  void end() {
    out_.end();
    drop_spaces();
  }
  // A line break that the source does not have. It is taken back where the source has an empty
  // line.
  void break_line() {
    drop_spaces();
    out_.line_break();
    ++lines_ahead_;
  }
  void source_line_break() {
    if (lines_ahead_ > 0 && at_line_begin()) {
      --lines_ahead_;
    } else if (out_.is_open(BlockKind::table_row)) {
      --lines_ahead_;  // a row of a table is one line
      write_space();
    } else {
      out_.line_break();
    }
  }

  // Line breaks of what is left out are kept.
  void keep_lines(std::string_view skipped) {
    for (auto n = std::count(skipped.begin(), skipped.end(), '\n'); n > 0; --n) source_line_break();
  }

  bool is_open() const { return out_.is_open(); }
  void write(std::string_view piece) { out_.write(piece); }
  // White space counts as one space, at the begin of a line as none.
  void write_space() {
    if (!at_line_begin() && !ends_with_space()) out_.write(" ");
  }
  bool ends_with_space() const { return out_.text().ends_with(' '); }
  void drop_spaces() {
    std::string& text = out_.document().text;
    while (text.ends_with(' ')) text.pop_back();
  }

  Document& document() { return out_.document(); }
  Document take() { return out_.take(); }

 private:
  bool at_line_begin() const {
    const std::string& text = out_.text();
    return text.empty() || text.back() == '\n';
  }

  TextBuilder out_;
  int64_t lines_ahead_ = 0;  // line breaks of the text that the source did not have so far
};

}  // namespace headrace
