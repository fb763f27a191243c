// RtfReader: one pass over an RTF file: groups, control words and characters (rtf.cpp), and what
// they mean for the Document (rtf_blocks.cpp).
//
// Owns: the Document being built; the bytes must outlive it. Threads: one reader, one thread.
// Errors: damaged, too_large.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "office_blocks.h"
#include "rtf_words.h"

namespace headrace::formats {

// What a group inherits and restores at its end.
struct RtfGroup {
  RtfDestination destination = RtfDestination::body;
  int code_page = 0;  // 0: the document's own
  int fallback = 1;   // \uc: how many bytes after \u repeat it for old readers
  bool hidden = false;
  bool deleted = false;
};

// What a paragraph is, until \pard.
struct RtfParagraph {
  int style = -1;
  int outline_level = -1;
  int list_level = 0;
  bool listed = false;
  bool in_table = false;
};

struct RtfStyle {
  int outline_level = -1;
  bool is_title = false;
};

class RtfReader {
 public:
  explicit RtfReader(std::string_view bytes) : bytes_(bytes) {}
  Status read();
  BlockWriter& writer() { return writer_; }

 private:
  Status open_group();
  Status close_group();
  Status control();
  Status control_word(std::string_view word, bool has_number, int number);
  bool font_or_style_word(std::string_view word, int number);
  bool paragraph_word(std::string_view word, int number);
  bool date_word(std::string_view word, int number);
  Status break_word(std::string_view word, bool& handled);
  void unicode(int number);
  void byte(char c);
  void character(char32_t value);
  void flush_bytes();
  std::string* target();
  void finish_destination(RtfDestination destination);
  Status close_paragraph();
  Status close_cell();
  Status close_row();
  PendingBlock take_paragraph();

  std::string_view bytes_;
  size_t at_ = 0;
  BlockWriter writer_;
  std::vector<RtfGroup> groups_;
  bool ignorable_ = false;  // after \*
  int skip_ = 0;            // bytes that repeat a \u
  char32_t high_ = 0;       // the first half of a surrogate pair

  std::string raw_;       // bytes of the code page, not yet converted
  std::string text_;      // of the paragraph
  std::string note_;      // of the footnote
  std::string property_;  // of a destination such as \title
  std::vector<PendingBlock> after_;
  std::vector<std::string> cells_;
  RtfParagraph paragraph_;

  int document_code_page_ = 1252;
  int font_ = -1;
  std::map<int, int> font_code_pages_;
  int style_ = 0;  // being defined
  int style_outline_ = -1;
  std::map<int, RtfStyle> styles_;
  int year_ = 0, month_ = 0, day_ = 0;
};

}  // namespace headrace::formats
