#include "office_blocks.h"

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "decode/reference.h"

namespace headrace::formats {
namespace {

// Around the number of an address; not to be found in the text of any format.
constexpr char kMarkBegin = '\x01';
constexpr char kMarkEnd = '\x02';

// The number of the mark at the front of `text`, and its length; false where none is whole.
bool read_mark(std::string_view text, size_t& number, size_t& length) {
  const size_t end = text.substr(0, 12).find(kMarkEnd);
  if (end == std::string_view::npos) return false;
  const auto [last, error] = std::from_chars(text.data() + 1, text.data() + end, number);
  length = end + 1;
  return error == std::errc() && last == text.data() + end;
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// "\r\n" and "\r" to "\n"; other control characters (NUL, vertical tab, …) out; valid UTF-8.
std::string clean(std::string_view text, bool keeps_marks = false) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\r') {
      out += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7F) ||
               (keeps_marks && (c == kMarkBegin || c == kMarkEnd))) {
      out += static_cast<char>(c);
    } else if (c == '\v' || c == '\f') {
      out += '\n';
    }
  }
  if (!is_valid_utf8(out)) out = to_valid_utf8(out);
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// One line break for several, no spaces before it.
std::string join_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '\n') {
      while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
      if (out.empty() || out.back() == '\n') continue;
    }
    out += c;
  }
  return out;
}

// Code keeps its indentation; only line breaks around it and spaces at its end go.
std::string_view trim_code(std::string_view text) {
  while (!text.empty() && text.front() == '\n') text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

bool is_blank(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_space);
}

std::string collapse_space(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool gap = false;
  for (const char c : text) {
    if (is_space(c)) {
      gap = !out.empty();
      continue;
    }
    if (gap) out += ' ';
    gap = false;
    out += c;
  }
  return out;
}

std::string without_link_marks(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    size_t number = 0, length = 1;
    if (text[i] == kMarkBegin && read_mark(text.substr(i), number, length)) {
      i += length - 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string ascii_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

void set_metadata(Document& document, const char* key, std::string_view value) {
  std::string cleaned = collapse_space(clean(value));
  if (!cleaned.empty()) document.metadata.try_emplace(key, std::move(cleaned));
}

std::string BlockWriter::link_mark(std::string_view address) {
  std::string target = clean_reference(address);
  if (target.empty() || addresses_.size() >= kDocumentLinksMax ||
      address_bytes_ + target.size() > kDocumentLinkBytesMax)
    return {};
  address_bytes_ += target.size();
  addresses_.push_back(std::move(target));
  return kMarkBegin + std::to_string(addresses_.size() - 1) + kMarkEnd;
}

void BlockWriter::take_links(std::string& text, size_t shift) {
  if (text.find_first_of({kMarkBegin, kMarkEnd}) == std::string::npos) return;
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    size_t number = 0, length = 1;
    if (text[i] == kMarkBegin && read_mark(std::string_view(text).substr(i), number, length)) {
      if (number < addresses_.size() && document_.links.size() < kDocumentLinksMax &&
          i + length < text.size()) {
        document_.links.push_back({static_cast<uint32_t>(shift + out.size()), addresses_[number]});
      }
      i += length - 1;
    } else if (text[i] != kMarkBegin && text[i] != kMarkEnd) {
      out += text[i];
    }
  }
  text = std::move(out);
}

Status BlockWriter::separate(BlockKind kind) {
  std::string& text = document_.text;
  if (text.empty()) return {};
  const BlockKind before =
      document_.blocks.empty() ? BlockKind::paragraph : document_.blocks.back().kind;
  const bool close = (kind == BlockKind::table_row && before == kind && table_open_) ||
                     (kind == BlockKind::list_item && before == kind);
  text += close ? "\n" : "\n\n";
  return {};
}

void BlockWriter::note_line() {
  if (line_ > 0) lines_.note(document_.text, document_.text.size(), line_);
}

Status BlockWriter::add(BlockKind kind, int level, int page, std::string_view raw) {
  std::string text = clean(raw, true);
  if (kind == BlockKind::code) {
    text = std::string(trim_code(text));
  } else if (kind == BlockKind::heading || kind == BlockKind::table_row) {
    text = collapse_space(text);
  } else {
    text = join_lines(trim(text));
  }
  if (is_blank(text)) return {};
  if (document_.text.size() + text.size() + 2 > kTextBytesMax) {
    return fail(ErrorCode::too_large,
                "the decoded text is larger than " + std::to_string(kTextBytesMax >> 20) + " MiB",
                "split the file into smaller ones");
  }
  if (kind == BlockKind::code && !document_.blocks.empty() &&
      document_.blocks.back().kind == kind && document_.blocks.back().page == page) {
    document_.text += '\n';
    note_line();
    take_links(text, document_.text.size());
    document_.text += text;
    document_.blocks.back().end = static_cast<uint32_t>(document_.text.size());
    return {};
  }
  HR_TRY(separate(kind));
  table_open_ = kind == BlockKind::table_row;
  Block block;
  block.kind = kind;
  const int level_max = kind == BlockKind::heading ? 6 : 255;
  const int level_min = kind == BlockKind::heading || kind == BlockKind::list_item ? 1 : 0;
  block.level = static_cast<uint8_t>(std::clamp(level, level_min, level_max));
  block.page = page;
  block.begin = static_cast<uint32_t>(document_.text.size());
  note_line();
  take_links(text, document_.text.size());
  document_.text += text;
  block.end = static_cast<uint32_t>(document_.text.size());
  document_.blocks.push_back(block);
  return {};
}

Status BlockWriter::add_row(const std::vector<std::string>& cells, int page) {
  size_t count = cells.size();
  while (count > 0 && is_blank(cells[count - 1])) --count;
  std::string row;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) row += " | ";
    row += collapse_space(cells[i]);
  }
  return add(BlockKind::table_row, 0, page, row);
}

Status BlockWriter::append(const Document& part, int page) {
  if (part.blocks.empty()) return {};
  if (document_.text.size() + part.text.size() + 2 > kTextBytesMax) {
    return fail(ErrorCode::too_large,
                "the decoded text is larger than " + std::to_string(kTextBytesMax >> 20) + " MiB",
                "split the file into smaller ones");
  }
  if (!document_.text.empty()) document_.text += "\n\n";
  const auto shift = static_cast<uint32_t>(document_.text.size());
  document_.text += part.text;
  while (!document_.text.empty() && is_space(document_.text.back()) &&
         document_.text.size() > shift + part.blocks.back().end) {
    document_.text.pop_back();
  }
  for (Block block : part.blocks) {
    block.begin += shift;
    block.end += shift;
    if (page != 0) block.page = page;
    document_.blocks.push_back(block);
  }
  // The others lead to parts of the file, which are no documents of their own.
  for (const Link& link : part.links) {
    if (has_host(link.target) && document_.links.size() < kDocumentLinksMax)
      document_.links.push_back({link.at + shift, link.target});
  }
  table_open_ = false;
  return {};
}

std::string BlockWriter::first_heading() const {
  for (const Block& block : document_.blocks) {
    if (block.kind == BlockKind::heading) {
      return document_.text.substr(block.begin, block.end - block.begin);
    }
  }
  return {};
}

}  // namespace headrace::formats
