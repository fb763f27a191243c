// Plain text: paragraphs, lists and the headings that are beyond doubt. The text stays as it is.
#include <algorithm>
#include <vector>

#include "base/unicode.h"
#include "base/utf8.h"
#include "decode/text_builder.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr size_t kHeadingBytesMax = 100;
// A line this long is a paragraph of its own: its writer breaks lines only between paragraphs.
constexpr size_t kParagraphLineBytes = 240;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "====", "----", …: the character, or 0.
char underline_of(std::string_view line) {
  line = trimmed(line);
  if (line.size() < 3) return 0;
  const char c = line[0];
  if (c != '=' && c != '-' && c != '~' && c != '*' && c != '#') return 0;
  return line.find_first_not_of(c) == std::string_view::npos ? c : 0;
}

// Where the text of a list item begins behind "- ", "* ", "• ", "1. ", "a) "; 0 if it is none.
size_t list_marker(std::string_view line) {
  size_t i = line.find_first_not_of(" \t");
  if (i == std::string_view::npos) return 0;
  const std::string_view rest = line.substr(i);
  if (rest.size() > 2 && (rest[0] == '-' || rest[0] == '*' || rest[0] == '+') && rest[1] == ' ') {
    return i + 2;
  }
  if (rest.starts_with("\xE2\x80\xA2 ")) return i + 4;  // •
  size_t digits = 0;
  while (digits < rest.size() && digits < 4 && is_digit(rest[digits])) ++digits;
  if (digits > 0 && digits < 4 && rest.size() > digits + 2 &&
      (rest[digits] == '.' || rest[digits] == ')') && rest[digits + 1] == ' ') {
    return i + digits + 2;
  }
  return 0;
}

// "2", "2.1", "A.3": the depth of a section number that a capital follows, else 0.
uint8_t section_number_depth(std::string_view line) {
  size_t i = 0;
  uint8_t depth = 0;
  if (line.size() > 2 && line[0] >= 'A' && line[0] <= 'H' && line[1] == '.') {
    i = 2;
    depth = 1;
  }
  while (i < line.size() && is_digit(line[i])) {
    size_t digits = 0;
    while (i < line.size() && is_digit(line[i])) ++i, ++digits;
    if (digits > 2) return 0;
    ++depth;
    if (i < line.size() && line[i] == '.') ++i;
  }
  if (depth == 0 || i >= line.size() || line[i] != ' ') return 0;
  i = line.find_first_not_of(' ', i);
  if (i == std::string_view::npos) return 0;
  return unicode::is_upper(decode_code_point(line, i).value) ? std::min<uint8_t>(depth, 6) : 0;
}

bool is_all_capitals(std::string_view line) {
  size_t letters = 0;
  for (size_t i = 0; i < line.size();) {
    const CodePoint c = decode_code_point(line, i);
    i += c.length;
    if (!unicode::is_letter(c.value)) continue;
    if (!unicode::is_upper(c.value)) return false;
    ++letters;
  }
  return letters >= 4;
}

// The level of a line that stands alone between empty lines; 0 when it is no heading.
uint8_t heading_level(std::string_view line) {
  line = trimmed(line);
  if (line.empty() || line.size() > kHeadingBytesMax) return 0;
  const char last = line.back();
  if (last == '.' || last == ',' || last == ';' || last == ':' || last == '!' || last == '?')
    return 0;
  for (const std::string_view word : {"Chapter ", "CHAPTER ", "Part ", "PART ", "Appendix "}) {
    if (line.starts_with(word) && line.size() < 80) return 1;
  }
  if (const uint8_t depth = section_number_depth(line); depth > 0) return depth;
  return is_all_capitals(line) && line.size() <= 72 ? 2 : 0;
}

// Splits the paragraph lines [first, last) of `text` into blocks.
class ParagraphSplitter {
 public:
  ParagraphSplitter(std::string_view text, std::vector<Block>& blocks)
      : text_(text), blocks_(blocks) {}

  void add(size_t begin, size_t end, bool text_follows) {
    LineReader lines(text_.substr(0, end));
    lines.seek(begin);
    begin = take_heading(lines, begin, end, text_follows);
    size_t block = begin;
    BlockKind kind = BlockKind::paragraph;
    uint8_t level = 0;
    bool long_line = false;
    std::string_view line;
    for (size_t at = begin; lines.next(line); at = lines.position()) {
      const bool item = list_marker(line) > 0;
      const bool is_long = line.size() > kParagraphLineBytes;
      if (item || is_long || long_line) {
        push(block, at, kind, level);
        block = at;
        kind = item ? BlockKind::list_item : BlockKind::paragraph;
        level = item ? static_cast<uint8_t>(std::min<size_t>(1 + indentation(line) / 2, 6)) : 0;
      }
      long_line = is_long;
    }
    push(block, end, kind, level);
  }

 private:
  // A heading at the front of the paragraph: underlined, alone, or in capitals over indented text.
  size_t take_heading(LineReader& lines, size_t begin, size_t end, bool text_follows) {
    std::string_view first;
    if (!lines.next(first)) return begin;
    const bool alone = lines.at_end();
    if (!alone) {
      const std::string_view second = lines.peek();
      const char mark = underline_of(second);
      if (mark != 0 && first.size() <= kHeadingBytesMax && underline_of(first) == 0) {
        const size_t stop = std::min(end, lines.position() + second.size());
        push(begin, stop, BlockKind::heading, mark == '=' || mark == '#' || mark == '*' ? 1 : 2);
        std::string_view skipped;
        lines.next(skipped);
        return lines.position();
      }
      const bool over_indented = first[0] != ' ' && first[0] != '\t' && indentation(second) >= 2;
      if (over_indented && first.size() < 60 && is_all_capitals(first) &&
          heading_level(first) > 0) {
        push(begin, begin + first.size(), BlockKind::heading, 2);
        return lines.position();
      }
    } else if (text_follows) {
      if (const uint8_t level = heading_level(first); level > 0) {
        push(begin, end, BlockKind::heading, level);
        return lines.position();
      }
    }
    lines.seek(begin);
    return begin;
  }

  void push(size_t begin, size_t end, BlockKind kind, uint8_t level) {
    while (end > begin && (text_[end - 1] == '\n' || text_[end - 1] == ' ')) --end;
    while (begin < end && text_[begin] == '\n') ++begin;
    if (begin >= end) return;
    blocks_.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end), kind, level, 0});
  }

  std::string_view text_;
  std::vector<Block>& blocks_;
};

}  // namespace

Document decode_plain_text(std::string utf8) {
  Document document;
  document.text = std::move(utf8);
  document.lines = {{0, 1}};
  ParagraphSplitter splitter(document.text, document.blocks);
  LineReader lines(document.text);
  size_t begin = 0;
  size_t end = 0;  // of the last line of the paragraph; begin when none is open
  std::string_view line;
  for (size_t at = 0; lines.next(line); at = lines.position()) {
    if (!is_blank(line)) {
      if (end == begin) begin = at;
      end = at + line.size();
      continue;
    }
    if (end > begin) splitter.add(begin, end, true);
    begin = end = at;
  }
  if (end > begin) splitter.add(begin, end, false);
  return document;
}

}  // namespace headrace
