// Collects characters into blocks: collapses white space, decodes references, keeps UTF-8 valid.
//
// Owns: the text under construction. Threads: one. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "batch/document.h"
#include "decode/html_text.h"

namespace headrace {

class HtmlTextSink {
 public:
  // `source` is the page that all undecoded text is a part of.
  HtmlTextSink(std::string_view source, HtmlText& out)
      : source_(source), text_(out.text), blocks_(out.blocks), places_(out.places) {}

  // What the text that follows belongs to; takes effect with its first character.
  void set_kind(BlockKind kind, uint8_t level) {
    kind_ = kind;
    level_ = level;
  }
  // Ends the block in hand, if any.
  void end_block();
  // Inside a table row all breaks are spaces.
  void set_single_line(bool on) { single_line_ = on; }

  void add_collapsed(std::string_view raw);  // undecoded source text
  void add_verbatim(std::string_view raw);   // the same, white space kept
  void add_space() { space_ = true; }
  void add_line_break();                             // <br>
  void add_verbatim_break() { put_verbatim('\n'); }  // the same where white space is kept
  void add_cell_separator();  // " | ", also before the first character of a row
  // Remembers where the next text begins, behind what separates it from what is before it.
  void mark_text() { mark_ = kMarkNext; }
  // What was written since then; empty where nothing was.
  std::string_view marked_text() const {
    return mark_ < text_.size() ? std::string_view(text_).substr(mark_) : std::string_view();
  }
  // Neither references nor white space to collapse; not from here: a block that begins with it is
  // given the place `source_offset`.
  void add_plain(std::string_view text, size_t source_offset);

 private:
  static constexpr size_t kMarkNext = SIZE_MAX;

  void begin_text();
  void put(char32_t c);
  void put_verbatim(char32_t c);
  void open_block();
  // The text that follows is at byte `offset` of the source. What stands before it in its block
  // (the bars of empty cells) is no text of the page.
  void note_place(size_t offset);
  void note_place(const char* p) { note_place(static_cast<size_t>(p - source_.data())); }

  std::string_view source_;
  std::string& text_;
  std::vector<Block>& blocks_;
  std::vector<HtmlTextPlace>& places_;
  const char* next_ = nullptr;  // where in the source the next character is from
  bool has_moved_ = false;      // perhaps to another line, since the last place noted
  bool opened_ = false;         // a block, since then
  BlockKind kind_ = BlockKind::paragraph;
  uint8_t level_ = 0;
  bool open_ = false;
  bool space_ = false;
  bool single_line_ = false;
  uint32_t line_breaks_ = 0;
  uint32_t cell_separators_ = 0;
  size_t mark_ = 0;
};

}  // namespace headrace
