#include "decode/html_text_sink.h"

#include <array>

#include "decode/html_entities.h"

namespace headrace {
namespace {

enum : uint8_t { kPlain = 0, kWhite = 1, kReference = 2, kHigh = 3, kControl = 4 };

constexpr std::array<uint8_t, 256> kByte = [] {
  std::array<uint8_t, 256> table{};
  for (size_t c = 0; c < 0x20; ++c) table[c] = kControl;
  table[0x7F] = kControl;
  for (char c : {' ', '\t', '\n', '\r', '\f', '\v'}) table[static_cast<uint8_t>(c)] = kWhite;
  table['&'] = kReference;
  for (size_t c = 0x80; c < 0x100; ++c) table[c] = kHigh;
  return table;
}();

uint8_t class_of(char c) {
  return kByte[static_cast<uint8_t>(c)];
}

// Not shown, or not a character at all.
bool is_dropped(char32_t c) {
  return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0) || c == 0xAD ||
         c == 0xFEFF;
}

constexpr size_t kPlacesFree = 64;
constexpr size_t kTextBytesPerPlace = 8;

bool joins_by_line(BlockKind kind) {
  return kind == BlockKind::list_item || kind == BlockKind::table_row;
}

}  // namespace

void HtmlTextSink::open_block() {
  if (!blocks_.empty()) {
    const bool same = blocks_.back().kind == kind_ && joins_by_line(kind_);
    text_ += same ? "\n" : "\n\n";
  }
  Block block;
  block.begin = static_cast<uint32_t>(text_.size());
  block.kind = kind_;
  block.level = level_;
  blocks_.push_back(block);
  open_ = true;
  opened_ = true;
  space_ = false;
  line_breaks_ = 0;
}

void HtmlTextSink::begin_text() {
  // Two line breaks in a row part paragraphs.
  if (open_ && line_breaks_ >= 2 && kind_ != BlockKind::code) {
    const uint32_t separators = cell_separators_;
    end_block();
    cell_separators_ = separators;
  }
  if (!open_) {
    open_block();
    for (bool first = true; cell_separators_ > 0; --cell_separators_, first = false) {
      text_ += first ? "| " : " | ";
    }
  } else if (cell_separators_ > 0) {
    for (; cell_separators_ > 0; --cell_separators_) text_ += " | ";
  } else if (line_breaks_ > 0) {
    text_ += '\n';
  } else if (space_) {
    text_ += ' ';
  }
  line_breaks_ = 0;
  space_ = false;
  if (mark_ == kMarkNext) mark_ = text_.size();
}

// Bounded by the text, however short its lines are: what is not noted is on a line nearby.
void HtmlTextSink::note_place(size_t offset) {
  const size_t at = opened_ ? blocks_.back().begin : text_.size();
  has_moved_ = false;
  opened_ = false;
  if (places_.size() > kPlacesFree + text_.size() / kTextBytesPerPlace) return;
  // White space at the end of a block is taken back.
  while (!places_.empty() && places_.back().at >= at) places_.pop_back();
  places_.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(offset)});
}

void HtmlTextSink::add_plain(std::string_view text, size_t source_offset) {
  begin_text();
  if (opened_) note_place(source_offset);
  text_ += text;
}

void HtmlTextSink::end_block() {
  if (open_) {
    while (text_.size() > blocks_.back().begin && (text_.back() == ' ' || text_.back() == '\n')) {
      text_.pop_back();
    }
    blocks_.back().end = static_cast<uint32_t>(text_.size());
    if (blocks_.back().end == blocks_.back().begin) {
      blocks_.pop_back();
      while (!text_.empty() && text_.back() == '\n') text_.pop_back();
    }
  }
  open_ = false;
  space_ = false;
  line_breaks_ = 0;
  cell_separators_ = 0;
}

void HtmlTextSink::add_line_break() {
  if (single_line_) {
    space_ = true;
  } else if (open_) {
    ++line_breaks_;
  }
}

void HtmlTextSink::add_cell_separator() {
  ++cell_separators_;
  space_ = false;
}

void HtmlTextSink::put(char32_t c) {
  if (c <= ' ' || c == 0xA0) {
    if (c == ' ' || c == 0xA0 || (c >= '\t' && c <= '\r')) space_ = true;
    return;
  }
  if (is_dropped(c)) return;
  if (!open_ || space_ || line_breaks_ > 0 || cell_separators_ > 0) begin_text();
  if (has_moved_) note_place(next_);
  append_utf8(c, text_);
}

void HtmlTextSink::add_collapsed(std::string_view raw) {
  const char* p = raw.data();
  const char* const end = p + raw.size();
  has_moved_ = true;
  while (p < end) {
    switch (class_of(*p)) {
      case kPlain: {
        const char* from = p;
        while (p < end && class_of(*p) == kPlain) ++p;
        if (!open_ || space_ || line_breaks_ > 0 || cell_separators_ > 0) begin_text();
        if (has_moved_) note_place(from);
        text_.append(from, static_cast<size_t>(p - from));
        break;
      }
      case kWhite:
        space_ = true;
        if (*p == '\n') has_moved_ = true;
        ++p;
        break;
      case kReference: {
        const std::string_view rest(p, static_cast<size_t>(end - p));
        const HtmlReference reference = read_html_reference(rest);
        next_ = p;
        if (reference.length == 0) {
          put('&');
          ++p;
        } else {
          put(reference.first);
          if (reference.second != 0) put(reference.second);
          p += reference.length;
        }
        break;
      }
      case kHigh: {
        const Utf8Step step = read_utf8({p, static_cast<size_t>(end - p)});
        next_ = p;
        put(step.code_point);
        p += step.length;
        break;
      }
      default:
        ++p;
    }
  }
}

void HtmlTextSink::put_verbatim(char32_t c) {
  if (c == '\n' || c == 0xA0) c = c == '\n' ? '\n' : ' ';
  if (is_dropped(c)) return;
  if (!open_) {
    if (c == '\n') return;  // empty lines at the beginning
    open_block();
  }
  for (; line_breaks_ > 0; --line_breaks_) text_ += '\n';
  space_ = false;
  if (has_moved_) note_place(next_);
  append_utf8(c, text_);
}

void HtmlTextSink::add_verbatim(std::string_view raw) {
  has_moved_ = true;
  for (size_t pos = 0; pos < raw.size();) {
    const char c = raw[pos];
    next_ = raw.data() + pos;
    if (c == '\r') {
      put_verbatim('\n');
      pos += pos + 1 < raw.size() && raw[pos + 1] == '\n' ? 2 : 1;
    } else if (c == '&') {
      const HtmlReference reference = read_html_reference(raw.substr(pos));
      put_verbatim(reference.length == 0 ? U'&' : reference.first);
      if (reference.second != 0) put_verbatim(reference.second);
      pos += reference.length == 0 ? 1 : reference.length;
    } else {
      const Utf8Step step = read_utf8(raw.substr(pos, 4));
      put_verbatim(step.code_point);
      pos += step.length;
    }
  }
}

}  // namespace headrace
