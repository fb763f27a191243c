#include "rtf.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/utf8.h"
#include "legacy_text.h"
#include "office_blocks.h"
#include "rtf_reader.h"
#include "rtf_words.h"

namespace headrace::formats {

Status RtfReader::read() {
  if (!bytes_.starts_with("{\\rtf")) {
    return fail(ErrorCode::damaged, "the content is not RTF: it does not begin with {\\rtf",
                "check that the file is what its name says");
  }
  while (at_ < bytes_.size()) {
    const char c = bytes_[at_];
    if (c == '{') {
      ++at_;
      HR_TRY(open_group());
    } else if (c == '}') {
      ++at_;
      HR_TRY(close_group());
      if (groups_.empty()) break;  // what follows the document does not belong to it
    } else if (c == '\\') {
      ++at_;
      HR_TRY(control());
    } else {
      ++at_;
      if (c != '\r' && c != '\n' && c != '\0') byte(c);
    }
  }
  if (!groups_.empty()) {
    return fail(
        ErrorCode::damaged,
        fmt::format("the RTF file is cut off: it ends inside {} open groups", groups_.size()),
        "restore it from a copy");
  }
  return {};
}

Status RtfReader::open_group() {
  flush_bytes();
  if (groups_.size() >= kRtfDepthMax) {
    return fail(ErrorCode::too_large, "the groups of the RTF file are nested deeper than 10,000");
  }
  RtfGroup group = groups_.empty() ? RtfGroup() : groups_.back();
  groups_.push_back(group);
  ignorable_ = false;
  skip_ = 0;
  return {};
}

Status RtfReader::close_group() {
  flush_bytes();
  skip_ = 0;
  const RtfGroup done = groups_.back();
  groups_.pop_back();
  const bool leaves = groups_.empty() || groups_.back().destination != done.destination;
  if (leaves || done.destination == RtfDestination::style_sheet) {
    finish_destination(done.destination);
  }
  if (groups_.empty()) {
    if (!cells_.empty()) HR_TRY(close_row());
    paragraph_.in_table = false;
    return close_paragraph();
  }
  return {};
}

// Where text goes now; nullptr when it is left out.
std::string* RtfReader::target() {
  if (groups_.empty()) return nullptr;
  const RtfGroup& group = groups_.back();
  if (group.hidden || group.deleted) return nullptr;
  switch (group.destination) {
    case RtfDestination::body:
      return &text_;
    case RtfDestination::footnote:
      return &note_;
    case RtfDestination::style_sheet:
    case RtfDestination::title:
    case RtfDestination::author:
    case RtfDestination::subject:
    case RtfDestination::keywords:
      return &property_;
    default:
      return nullptr;
  }
}

void RtfReader::byte(char c) {
  if (skip_ > 0) {
    --skip_;
    return;
  }
  if (target()) raw_ += c;
}

void RtfReader::character(char32_t value) {
  flush_bytes();
  if (std::string* out = target()) append_code_point(value, *out);
}

void RtfReader::flush_bytes() {
  if (raw_.empty()) return;
  if (std::string* out = target()) {
    const bool ascii = std::all_of(raw_.begin(), raw_.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii) {
      *out += raw_;
    } else {
      const int page = groups_.back().code_page ? groups_.back().code_page : document_code_page_;
      auto converted = convert_to_utf8(raw_, code_page_charset(page));
      if (!converted) converted = convert_to_utf8(raw_, "windows-1252");
      if (converted) *out += *converted;
    }
  }
  raw_.clear();
}

void RtfReader::unicode(int number) {
  flush_bytes();
  const auto unit = static_cast<char32_t>(number < 0 ? number + 65'536 : number);
  if (unit >= 0xD800 && unit < 0xDC00) {
    high_ = unit;
  } else if (high_ && unit >= 0xDC00 && unit < 0xE000) {
    character(0x10000 + ((high_ - 0xD800) << 10) + (unit - 0xDC00));
    high_ = 0;
  } else {
    high_ = 0;
    // Symbol fonts map their 8-bit characters to F000 and on: no text.
    if (unit > 0 && !(unit >= 0xF000 && unit < 0xF100)) character(unit);
  }
  skip_ = groups_.empty() ? 1 : groups_.back().fallback;
}

// After a backslash.
Status RtfReader::control() {
  if (at_ >= bytes_.size()) return {};
  const char c = bytes_[at_];
  const auto is_letter = [](char x) { return (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z'); };
  if (!is_letter(c)) {
    ++at_;
    if (c == '\'') {
      const auto hex = [](char x) {
        if (x >= '0' && x <= '9') return x - '0';
        x = static_cast<char>(x | 0x20);
        return x >= 'a' && x <= 'f' ? x - 'a' + 10 : -1;
      };
      if (at_ + 1 < bytes_.size() && hex(bytes_[at_]) >= 0 && hex(bytes_[at_ + 1]) >= 0) {
        byte(static_cast<char>(hex(bytes_[at_]) * 16 + hex(bytes_[at_ + 1])));
        at_ += 2;
      }
      return {};
    }
    if (c == '*') ignorable_ = true;
    if (c == '~') character(0xA0);
    if (c == '_') character(0x2011);
    if (c == '\n' || c == '\r') return close_paragraph();
    if (c == '\\' || c == '{' || c == '}') byte(c);
    return {};
  }
  constexpr size_t kWordBytesMax = 32;
  const size_t begin = at_;
  while (at_ < bytes_.size() && at_ - begin < kWordBytesMax && is_letter(bytes_[at_])) ++at_;
  const std::string_view word = bytes_.substr(begin, at_ - begin);
  bool negative = false;
  if (at_ + 1 < bytes_.size() && bytes_[at_] == '-' && bytes_[at_ + 1] >= '0' &&
      bytes_[at_ + 1] <= '9') {
    negative = true;
    ++at_;
  }
  int64_t number = 0;
  const size_t digits = at_;
  while (at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9') {
    number = std::min<int64_t>(number * 10 + (bytes_[at_] - '0'), 1'000'000'000);
    ++at_;
  }
  const bool has_number = at_ > digits;
  if (at_ < bytes_.size() && bytes_[at_] == ' ') ++at_;
  return control_word(word, has_number, static_cast<int>(negative ? -number : number));
}

bool RtfReader::font_or_style_word(std::string_view word, int number) {
  RtfGroup& group = groups_.back();
  if (group.destination == RtfDestination::font_table) {
    if (word == "f") font_ = number;
    if (word == "fcharset" && rtf_code_page_of_charset(number) != 0) {
      font_code_pages_[font_] = rtf_code_page_of_charset(number);
    }
    if (word == "cpg") font_code_pages_[font_] = number;
    return true;
  }
  if (group.destination == RtfDestination::style_sheet) {
    if (word == "s") style_ = number;
    if (word == "cs" || word == "ds" || word == "ts") style_ = -2;  // not of paragraphs
    if (word == "outlinelevel") style_outline_ = number;
    return true;
  }
  if (word == "f") {
    flush_bytes();
    const auto found = font_code_pages_.find(number);
    group.code_page = found == font_code_pages_.end() ? 0 : found->second;
    return true;
  }
  return false;
}

bool RtfReader::paragraph_word(std::string_view word, int number) {
  if (word == "pard") {
    paragraph_ = RtfParagraph();
  } else if (word == "s") {
    paragraph_.style = number;
  } else if (word == "outlinelevel") {
    paragraph_.outline_level = number;
  } else if (word == "intbl") {
    paragraph_.in_table = true;
  } else if (word == "ls") {
    paragraph_.listed = number > 0;
  } else if (word == "ilvl") {
    paragraph_.list_level = std::clamp(number, 0, 8);
  } else {
    return false;
  }
  return true;
}

bool RtfReader::date_word(std::string_view word, int number) {
  if (word == "yr") year_ = std::clamp(number, 0, 9999);
  if (word == "mo") month_ = std::clamp(number, 0, 12);
  if (word == "dy") day_ = std::clamp(number, 0, 31);
  return word == "yr" || word == "mo" || word == "dy" || word == "hr" || word == "min";
}

Status RtfReader::break_word(std::string_view word, bool& handled) {
  handled = true;
  flush_bytes();
  const RtfDestination destination = groups_.back().destination;
  if (word == "par" || word == "sect" || word == "page") {
    if (destination == RtfDestination::footnote) note_ += '\n';
    if (destination == RtfDestination::body) return close_paragraph();
    return {};
  }
  if (destination == RtfDestination::body && word == "cell") return close_cell();
  if (destination == RtfDestination::body && word == "row") return close_row();
  handled = false;
  return {};
}

Status RtfReader::control_word(std::string_view word, bool has_number, int number) {
  if (groups_.empty()) return {};
  if (word == "bin") {
    at_ += std::min<size_t>(static_cast<size_t>(std::max(number, 0)), bytes_.size() - at_);
    return {};
  }
  if (skip_ > 0 && word != "u") {
    --skip_;
    return {};
  }
  RtfGroup& group = groups_.back();
  const bool ignorable = ignorable_;
  ignorable_ = false;
  if (group.destination == RtfDestination::ignored) return {};
  const RtfDestination destination = rtf_destination(word);
  if (destination != RtfDestination::none) {
    flush_bytes();
    if (destination == RtfDestination::list_mark) paragraph_.listed = true;
    group.destination = destination;
    property_.clear();
    return {};
  }
  if (ignorable && word != "shpinst" && word != "shppict" && word != "cs" && word != "ts" &&
      word != "ds" && word != "nesttableprops") {
    flush_bytes();
    group.destination = RtfDestination::ignored;
    return {};
  }
  if (word == "u") {
    unicode(number);
  } else if (word == "uc") {
    group.fallback = std::clamp(number, 0, 16);
  } else if (word == "ansicpg") {
    if (number > 0) document_code_page_ = number;
  } else if (word == "mac") {
    document_code_page_ = 10000;
  } else if (word == "pc" || word == "pca") {
    document_code_page_ = word == "pc" ? 437 : 850;
  } else if (word == "v" || word == "deleted") {
    flush_bytes();
    (word == "v" ? group.hidden : group.deleted) = !has_number || number != 0;
  } else if (word == "plain") {
    flush_bytes();
    group.hidden = group.deleted = false;
    group.code_page = 0;
  } else if (const char32_t plain = rtf_character(word)) {
    character(plain);
  } else if (!font_or_style_word(word, number) && !date_word(word, number) &&
             !paragraph_word(word, number)) {
    bool handled = false;
    return break_word(word, handled);
  }
  return {};
}

Result<Document> decode_rtf(std::string_view bytes) {
  RtfReader reader(bytes);
  HR_TRY(reader.read());
  BlockWriter& writer = reader.writer();
  if (writer.document().title.empty()) writer.document().title = writer.first_heading();
  writer.document().media_type = "application/rtf";
  return std::move(writer.document());
}

}  // namespace headrace::formats
