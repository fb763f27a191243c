// Markdown (CommonMark with tables, front matter and the extensions people use): one line of text
// for each line of the file.
#include <algorithm>
#include <cctype>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/unicode.h"
#include "decode/front_matter.h"
#include "decode/html_entities.h"
#include "decode/markdown_inline.h"
#include "decode/reference.h"
#include "decode/text_builder.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr size_t kFrontMatterLinesMax = 200;
constexpr size_t kTableColumnsMax = 4096;

struct Fence {
  char character = 0;
  size_t length = 0;
};

// "```cpp" or "~~~": the fence; length 0 when the line is none.
Fence fence_of(std::string_view line) {
  line = trimmed(line);
  if (line.size() < 3 || (line[0] != '`' && line[0] != '~')) return {};
  size_t length = line.find_first_not_of(line[0]);
  if (length == std::string_view::npos) length = line.size();
  if (length < 3) return {};
  if (line[0] == '`' && line.find('`', length) != std::string_view::npos) return {};
  return {line[0], length};
}

// "***", "- - -", "___".
bool is_rule(std::string_view line) {
  line = trimmed(line);
  if (line.size() < 3 || (line[0] != '-' && line[0] != '*' && line[0] != '_')) return false;
  size_t marks = 0;
  for (const char c : line) {
    if (c == line[0]) {
      ++marks;
    } else if (c != ' ') {
      return false;
    }
  }
  return marks >= 3;
}

// "===" or "---" under a paragraph: the level, else 0.
uint8_t setext_level(std::string_view line) {
  if (indentation(line) > 3) return 0;
  line = trimmed(line);
  if (line.empty() || (line[0] != '=' && line[0] != '-')) return 0;
  if (line.find_first_not_of(line[0]) != std::string_view::npos) return 0;
  return line[0] == '=' ? 1 : 2;
}

// "| --- | :-: |"
bool is_table_rule(std::string_view line) {
  line = trimmed(line);
  if (line.find('-') == std::string_view::npos || line.find('|') == std::string_view::npos)
    return false;
  return line.find_first_not_of("|-: \t") == std::string_view::npos;
}

// The length of "- ", "* ", "+ " or "12. " in front of a list item (after its indentation), or 0.
size_t list_marker(std::string_view text) {
  if (text.size() >= 2 && (text[0] == '-' || text[0] == '*' || text[0] == '+') &&
      (text[1] == ' ' || text[1] == '\t')) {
    return 2;
  }
  size_t digits = 0;
  while (digits < text.size() && digits < 9 && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0 || digits + 1 >= text.size()) return 0;
  return (text[digits] == '.' || text[digits] == ')') && text[digits + 1] == ' ' ? digits + 2 : 0;
}

bool is_link_definition(std::string_view line) {
  line = trimmed(line);
  if (line.size() < 4 || line[0] != '[' || line[1] == '^') return false;
  const size_t close = line.find(']');
  return close != std::string_view::npos && close + 1 < line.size() && line[close + 1] == ':';
}

// A line of indented code without the four columns that make it one.
std::string_view without_indentation(std::string_view line) {
  size_t i = 0;
  while (i < 4 && i < line.size() && line[i] == ' ') ++i;
  if (i < 4 && i < line.size() && line[i] == '\t') ++i;
  return line.substr(i);
}

// Labels do not tell capitals from small letters, nor white space from white space.
std::string folded_label(std::string_view label) {
  std::string folded;
  for (const char c : trimmed(label)) {
    const bool white = c == ' ' || c == '\t' || c == '\n';
    if (!white) {
      folded.push_back(c);
    } else if (folded.back() != ' ') {
      folded.push_back(' ');
    }
  }
  return unicode::to_lower(folded);
}

std::string without_escapes(std::string_view address) {
  std::string out;
  for (size_t i = 0; i < address.size(); ++i) {
    const bool escape = address[i] == '\\' && i + 1 < address.size() && address[i + 1] > ' ' &&
                        address[i + 1] < 0x7F &&
                        !std::isalnum(static_cast<unsigned char>(address[i + 1]));
    if (!escape) out.push_back(address[i]);
    if (escape) out.push_back(address[++i]);
  }
  return out;
}

class MarkdownReader {
 public:
  explicit MarkdownReader(std::string_view text) : lines_(text), out_(text.size()) {}

  Document read() {
    read_front_matter();
    std::string_view line;
    while (lines_.next(line)) read_line(line);
    flush();
    Document document = out_.take();
    document.links = resolve_links(document.text.size());
    return document;
  }

 private:
  void read_line(std::string_view line) {
    if (is_blank(line)) {
      flush();
      out_.line_break();
      return;
    }
    const size_t indent = indentation(line);
    const std::string_view text = trimmed(line);
    if (const Fence fence = fence_of(line); fence.length > 0)
      return read_fenced_code(fence, indent);
    // Indented code may follow anything but the lines of a paragraph.
    if (indent >= 4 && paragraph_.empty() && !in_list_) return read_indented_code(line);
    if (text.starts_with("<!--")) return read_comment(line);
    if (read_heading(text)) return;
    if (!paragraph_.empty() && kind_ == BlockKind::paragraph) {
      if (const uint8_t level = setext_level(line); level > 0) {
        kind_ = BlockKind::heading;
        level_ = level;
        flush();
        out_.line_break();
        return;
      }
    }
    if (is_rule(text) || text.starts_with(":::")) {
      if (indent < 2) in_list_ = false;
      return drop_line();
    }
    if (is_table_rule(lines_.peek()) && text.find('|') != std::string_view::npos)
      return read_table(line);
    if (text[0] == '>') return read_quote(text);
    if (const size_t marker = list_marker(text); marker > 0)
      return begin_item(text, marker, indent);
    if (paragraph_.empty() && is_link_definition(text)) {
      add_definition(text);
      return drop_line();
    }
    if (paragraph_.empty()) {
      kind_ = BlockKind::paragraph;
      if (indent < 2) in_list_ = false;
    }
    add_to_paragraph(text);
  }

  void drop_line() {
    flush();
    out_.line_break();
  }

  void add_to_paragraph(std::string_view text) {
    if (!paragraph_.empty()) paragraph_.push_back('\n');
    paragraph_ += text.empty() ? std::string_view(" ") : text;
  }

  // Writes the paragraph that has been gathered, and its last line break.
  void flush() {
    if (paragraph_.empty()) return;
    out_.begin(kind_, level_);
    append_markdown_inline(paragraph_, out_.document().text, links_);
    out_.end();
    out_.line_break();
    if (kind_ == BlockKind::heading && level_ == 1 && out_.document().title.empty() &&
        !out_.document().blocks.empty()) {
      const Block& block = out_.document().blocks.back();
      out_.document().title = out_.document().text.substr(block.begin, block.end - block.begin);
      std::replace(out_.document().title.begin(), out_.document().title.end(), '\n', ' ');
    }
    paragraph_.clear();
    kind_ = BlockKind::paragraph;
    level_ = 0;
  }

  bool read_heading(std::string_view text) {
    size_t level = 0;
    while (level < text.size() && text[level] == '#') ++level;
    if (level == 0 || level > 6) return false;
    if (level < text.size() && text[level] != ' ' && text[level] != '\t') return false;
    flush();
    in_list_ = false;
    std::string_view title = trimmed(text.substr(level));
    const size_t last = title.find_last_not_of('#');
    if (last == std::string_view::npos) {
      title = {};
    } else if (last + 1 < title.size() && title[last] == ' ') {
      title = trimmed(title.substr(0, last));
    }
    // "{#anchor}" and the like.
    if (title.ends_with('}')) {
      const size_t brace = title.rfind('{');
      if (brace != std::string_view::npos && brace + 1 < title.size() &&
          (title[brace + 1] == '#' || title[brace + 1] == '.')) {
        title = trimmed(title.substr(0, brace));
      }
    }
    kind_ = BlockKind::heading;
    level_ = static_cast<uint8_t>(level);
    add_to_paragraph(title);
    flush();
    return true;
  }

  void read_fenced_code(Fence fence, size_t indent) {
    flush();
    if (indent < 2) in_list_ = false;
    out_.line_break();
    out_.begin(BlockKind::code);
    std::string_view line;
    while (lines_.next(line)) {
      const Fence closing = fence_of(line);
      const std::string_view text = trimmed(line);
      if (closing.character == fence.character && closing.length >= fence.length &&
          closing.length == text.size()) {
        break;
      }
      out_.write(line);
      out_.line_break();
    }
    out_.end();
    out_.line_break();
  }

  void read_indented_code(std::string_view line) {
    flush();
    out_.begin(BlockKind::code);
    for (;;) {
      out_.write(without_indentation(line));
      out_.line_break();
      const std::string_view next = lines_.peek();
      if (lines_.at_end() || (!is_blank(next) && indentation(next) < 4)) break;
      lines_.next(line);
    }
    out_.end();
  }

  void read_comment(std::string_view line) {
    flush();
    for (;;) {
      out_.line_break();
      if (line.find("-->") != std::string_view::npos || !lines_.next(line)) return;
    }
  }

  void read_quote(std::string_view text) {
    size_t i = 0;
    while (i < text.size() && (text[i] == '>' || text[i] == ' ')) ++i;
    if (kind_ != BlockKind::quote || paragraph_.empty()) {
      flush();
      kind_ = BlockKind::quote;
    }
    std::string_view inner = text.substr(i);
    if (inner.starts_with("[!") && inner.ends_with("]")) {  // "> [!NOTE]"
      inner = inner.substr(2, inner.size() - 3);
    }
    if (inner.empty()) {
      flush();
      out_.line_break();
      return;
    }
    while (!inner.empty() && inner[0] == '#') inner.remove_prefix(1);
    add_to_paragraph(inner);
  }

  void begin_item(std::string_view text, size_t marker, size_t indent) {
    flush();
    in_list_ = true;
    kind_ = BlockKind::list_item;
    level_ = static_cast<uint8_t>(std::min<size_t>(1 + indent / 2, 6));
    std::string_view item = trimmed(text.substr(marker));
    for (const std::string_view box : {"[ ] ", "[x] ", "[X] "}) {
      if (item.starts_with(box)) item.remove_prefix(box.size());
    }
    // Numbers say something, bullets do not.
    std::string whole;
    if (text[0] >= '0' && text[0] <= '9') whole = std::string(text.substr(0, marker));
    whole += item;
    add_to_paragraph(whole);
  }

  void read_table(std::string_view header) {
    flush();
    if (indentation(header) < 2) in_list_ = false;
    write_row(header);
    std::string_view line;
    lines_.next(line);  // the rule
    out_.line_break();
    while (!lines_.at_end()) {
      const std::string_view next = lines_.peek();
      const bool code = indentation(next) >= indentation(header) + 4;
      if (code || is_blank(next) || next.find('|') == std::string_view::npos) break;
      lines_.next(line);
      write_row(line);
    }
  }

  void write_row(std::string_view line) {
    line = trimmed(line);
    if (line.starts_with('|')) line.remove_prefix(1);
    if (line.ends_with('|') && !line.ends_with("\\|")) line.remove_suffix(1);
    out_.begin(BlockKind::table_row);
    std::string& text = out_.document().text;
    const size_t last_tick = line.rfind('`');
    size_t begin = 0;
    size_t columns = 0;
    bool in_code = false;
    const auto write_cell = [&](size_t end) {
      if (columns++ > 0) out_.write(" | ");
      append_markdown_inline(trimmed(line.substr(begin, end - begin)), text, links_);
      begin = end + 1;
    };
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '\\') {
        ++i;
      } else if (line[i] == '`') {
        in_code = !in_code;
      } else if (line[i] == '|' && columns < kTableColumnsMax) {
        if (in_code && last_tick > i) continue;  // a "|" inside code
        write_cell(i);
      }
    }
    write_cell(line.size());
    out_.end();
    out_.line_break();
  }

  // "---" … "---" at the top: its "key: value" lines are metadata.
  void read_front_matter() {
    const size_t start = lines_.position();
    std::string_view line;
    if (!lines_.next(line)) return;
    const std::string_view mark = trimmed(line);
    if (mark != "---" && mark != "+++") return lines_.seek(start);
    std::vector<std::string_view> found;
    bool closed = false;
    while (found.size() < kFrontMatterLinesMax && lines_.next(line)) {
      const std::string_view text = trimmed(line);
      closed = text == mark || (mark == "---" && text == "...");
      if (closed) break;
      found.push_back(line);
    }
    if (!closed || found.empty() || is_blank(found.front())) return lines_.seek(start);
    out_.line_break(found.size() + 2);
    read_properties(found, mark == "---" ? ':' : '=', out_.document());
  }

  // "[label]: url "title"": the first of a label counts.
  void add_definition(std::string_view line) {
    const size_t close = line.find(']');
    std::string_view rest = trimmed(line.substr(close + 2));
    rest = rest.starts_with('<') ? rest.substr(1, rest.find('>') - 1)
                                 : rest.substr(0, rest.find_first_of(" \t"));
    if (definitions_.size() < kDocumentLinksMax && rest.size() <= 2 * kReferenceBytesMax)
      definitions_.try_emplace(folded_label(line.substr(1, close - 1)), rest);
  }

  // Definitions may stand behind what names them. What has none is text in brackets.
  std::vector<Link> resolve_links(size_t text_bytes) const {
    std::vector<Link> links;
    size_t bytes = 0;
    for (const MarkdownLink& link : links_) {
      if (link.at >= text_bytes) break;  // an empty one at the end
      std::string_view address = link.target;
      if (link.is_reference) {
        const auto found = definitions_.find(folded_label(link.target));
        if (found == definitions_.end()) continue;
        address = found->second;
      }
      std::string target = clean_reference(html_plain_text(without_escapes(address), true));
      bytes += target.size();
      if (bytes > kDocumentLinkBytesMax) break;
      if (!target.empty()) links.push_back({static_cast<uint32_t>(link.at), std::move(target)});
    }
    return links;
  }

  LineReader lines_;
  TextBuilder out_;
  std::vector<MarkdownLink> links_;
  std::unordered_map<std::string, std::string> definitions_;  // by folded label
  std::string paragraph_;
  BlockKind kind_ = BlockKind::paragraph;
  uint8_t level_ = 0;
  bool in_list_ = false;
};

}  // namespace

Document decode_markdown(std::string_view utf8) {
  return MarkdownReader(utf8).read();
}

}  // namespace headrace
