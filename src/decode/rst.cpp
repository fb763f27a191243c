// reStructuredText: sections by their underlines, directives, literal blocks, lists, tables. One
// line of text for each line of the file.
#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/unicode.h"
#include "base/utf8.h"
#include "decode/reference.h"
#include "decode/rst_inline.h"
#include "decode/rst_table.h"
#include "decode/text_builder.h"
#include "decode/text_columns.h"
#include "decode/text_formats.h"

namespace headrace {
namespace {

constexpr std::string_view kAdornments = "=-`:.'\"~^_*+#<>!$%&(),/;?@[\\]{|}";

constexpr auto kCodeDirectives = std::to_array<std::string_view>(
    {"code-block", "sourcecode", "code", "literalinclude", "parsed-literal", "math",
     "productionlist", "testcode", "ipython", "doctest", "prompt", "graphviz"});
constexpr auto kDroppedDirectives = std::to_array<std::string_view>(
    {"toctree",      "image",        "raw",          "include",       "index",          "contents",
     "meta",         "highlight",    "module",       "currentmodule", "tabularcolumns", "only",
     "role",         "default-role", "sectnum",      "py:module",     "automodule",     "autoclass",
     "autofunction", "autosummary",  "moduleauthor", "sectionauthor", "unicode"});
constexpr auto kObjectDirectives = std::to_array<std::string_view>(
    {"function",  "class",        "method",      "data",     "attribute", "exception",
     "decorator", "staticmethod", "classmethod", "property", "option",    "cmdoption",
     "envvar",    "opcode",       "macro",       "type",     "var",       "member",
     "describe",  "object",       "confval",     "command",  "struct",    "enum"});

template <typename List>
bool holds(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// "=====": the character, or 0.
char adornment_of(std::string_view line) {
  const size_t end = line.find_last_not_of(" \t");
  if (end == std::string_view::npos || end < 1) return 0;
  line = line.substr(0, end + 1);
  if (kAdornments.find(line[0]) == std::string_view::npos) return 0;
  return line.find_first_not_of(line[0]) == std::string_view::npos ? line[0] : 0;
}

size_t list_marker(std::string_view text) {
  if (text.size() > 2 && (text[0] == '-' || text[0] == '*' || text[0] == '+') && text[1] == ' ')
    return 2;
  if (text.starts_with("\xE2\x80\xA2 ")) return 4;  // •
  if (text.starts_with("#. ")) return 3;
  size_t digits = 0;
  while (digits < text.size() && digits < 4 && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0 || digits + 1 >= text.size()) return 0;
  return (text[digits] == '.' || text[digits] == ')') && text[digits + 1] == ' ' ? digits + 2 : 0;
}

constexpr size_t kReplacementBytesMax = 500;

class RstReader {
 public:
  explicit RstReader(std::string_view text) : lines_(text), out_(text.size()) {}

  Document read() {
    find_replacements();
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
      if (literal_next_) read_literal();
      return;
    }
    const std::string_view text = trimmed(line);
    if (text.starts_with("..") && (text.size() == 2 || text[2] == ' ')) return read_explicit(line);
    if (is_rst_grid_border(text)) return read_grid_table(line);
    if (is_rst_simple_border(text) && paragraph_.empty() && read_simple_table(line)) return;
    if (read_section(line)) return;
    if (adornment_of(line) != 0 && text.size() >= 4) {
      flush();
      return out_.line_break();
    }
    if (const size_t marker = list_marker(text);
        marker > 0 && (paragraph_.empty() || kind_ == BlockKind::list_item)) {
      flush();
      kind_ = BlockKind::list_item;
      level_ = static_cast<uint8_t>(std::min<size_t>(1 + indentation(line) / 2, 6));
      return add(text[0] >= '0' && text[0] <= '9' ? text : trimmed(text.substr(marker)));
    }
    if (text.starts_with(">>> ") && paragraph_.empty()) kind_ = BlockKind::code;
    if (text.starts_with(":") && text.find(": ") != std::string_view::npos) {  // a field
      flush();
      return add(text.substr(1));
    }
    add(text.starts_with("| ") ? text.substr(2) : text);
  }

  void add(std::string_view text) {
    if (!paragraph_.empty()) paragraph_.push_back('\n');
    if (kind_ == BlockKind::code || replacements_.empty()) {
      paragraph_ += text;
    } else {
      add_replaced(text);
    }
  }

  // ".. |name| replace:: text": they may stand behind what names them.
  void find_replacements() {
    constexpr size_t kReplacementsMax = 1000;
    LineReader ahead = lines_;
    std::string_view line;
    while (ahead.next(line) && replacements_.size() < kReplacementsMax) {
      line = trimmed(line);
      if (!line.starts_with(".. |")) continue;
      constexpr std::string_view kReplace = "| replace::";
      const size_t end = line.find(kReplace, 4);
      if (end == std::string_view::npos) continue;
      const std::string_view text = trimmed(line.substr(end + kReplace.size()));
      if (text.size() <= kReplacementBytesMax)
        replacements_.try_emplace(rst_target_name(line.substr(4, end - 4)), text);
    }
  }

  void add_replaced(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
      const size_t bar = std::min(text.find('|', i), text.size());
      paragraph_ += text.substr(i, bar - i);
      i = bar;
      if (i == text.size()) return;
      const size_t end = text.substr(0, i + kReplacementBytesMax).find('|', i + 1);
      const auto found = end == std::string_view::npos
                             ? replacements_.end()
                             : replacements_.find(rst_target_name(text.substr(i + 1, end - i - 1)));
      if (found == replacements_.end()) {
        paragraph_ += '|';
        ++i;
      } else {
        paragraph_ += found->second;
        i = end + 1;
      }
    }
  }

  void flush() {
    if (paragraph_.empty()) return;
    // "::" at the end announces a literal block.
    if (kind_ != BlockKind::code && paragraph_.ends_with("::")) {
      literal_next_ = true;
      paragraph_.resize(paragraph_.size() - (paragraph_.size() == 2 ? 2 : 1));
    }
    const auto lines = std::count(paragraph_.begin(), paragraph_.end(), '\n');
    const size_t before = out_.document().text.size();
    out_.begin(kind_, level_);
    if (kind_ == BlockKind::code) {
      out_.write(paragraph_);
    } else {
      append_rst_inline(paragraph_, out_.document().text, links_);
    }
    out_.end();
    const std::string& text = out_.document().text;
    const auto written =
        std::count(text.begin() + static_cast<ptrdiff_t>(before), text.end(), '\n');
    out_.line_break(static_cast<size_t>(std::max<ptrdiff_t>(lines - written, 0)) + 1);
    paragraph_.clear();
    kind_ = BlockKind::paragraph;
    level_ = 0;
  }

  // A title under (and over) adornment lines. Its level is the order in which its style appeared.
  bool read_section(std::string_view line) {
    if (!paragraph_.empty()) return false;
    LineReader ahead = lines_;
    std::string_view title = line, under;
    const char over = indentation(line) == 0 ? adornment_of(line) : 0;
    if (over != 0 && (!ahead.next(title) || is_blank(title))) return false;
    if (!ahead.next(under)) return false;
    const char mark = adornment_of(under);
    const std::string_view name = trimmed(title);
    if (mark == 0 || name.empty() || adornment_of(title) != 0) return false;
    if (over != 0 && over != mark) return false;
    if (over == 0 && indentation(line) > 0) return false;
    if (under.size() < 3 && trimmed(under).size() < column_count(name)) return false;
    lines_ = ahead;
    const std::string style = {mark, over};
    auto found = std::find(styles_.begin(), styles_.end(), style);
    if (found == styles_.end()) found = styles_.insert(styles_.end(), style);
    const auto level = static_cast<uint8_t>(std::min<ptrdiff_t>(found - styles_.begin() + 1, 6));
    if (over != 0) out_.line_break();
    out_.begin(BlockKind::heading, level);
    const size_t begin = out_.document().text.size();
    append_rst_inline(name, out_.document().text, links_);
    if (level == 1 && out_.document().title.empty())
      out_.document().title = out_.document().text.substr(begin);
    out_.end();
    out_.line_break(2);
    return true;
  }

  // Lines that are indented more than `indent`, written as code or left out.
  void take_indented(size_t indent, bool keep) {
    if (keep) out_.begin(BlockKind::code);
    size_t margin = SIZE_MAX;
    while (!lines_.at_end()) {
      const std::string_view next = lines_.peek();
      if (!is_blank(next) && indentation(next) <= indent) break;
      std::string_view line;
      lines_.next(line);
      if (keep && !is_blank(line)) {
        if (margin == SIZE_MAX) margin = line.find_first_not_of(" \t");
        out_.write(line.substr(std::min(margin, line.find_first_not_of(" \t"))));
      }
      out_.line_break();
    }
    if (keep) out_.end();
  }

  void read_literal() {
    literal_next_ = false;
    while (!lines_.at_end() && is_blank(lines_.peek())) {
      std::string_view line;
      lines_.next(line);
      out_.line_break();
    }
    const size_t indent = indentation(lines_.peek());
    if (indent > 0) take_indented(indent - 1, true);
  }

  // ".. name:: argument", ".. comment", ".. _target:", ".. [1] footnote".
  void read_explicit(std::string_view line) {
    flush();
    const size_t indent = indentation(line);
    const std::string_view text = trimmed(trimmed(line).substr(2));
    if (text.starts_with('[')) {
      return add(text);
    }
    const size_t colons = text.find("::");
    const bool directive = colons != std::string_view::npos && !text.starts_with('_') &&
                           !text.starts_with('|') &&
                           text.substr(0, colons).find(' ') == std::string_view::npos;
    if (text.starts_with('_')) define_target(text.substr(1));
    out_line_for(directive ? text : std::string_view());
    if (!directive) return take_indented(indent, false);
    const std::string_view name = text.substr(0, colons);
    if (holds(kDroppedDirectives, name)) return take_indented(indent, false);
    skip_options(indent);
    if (name == "csv-table") return read_csv_table(indent);
    if (name == "list-table") return read_list_table(indent);
    if (holds(kCodeDirectives, name)) take_indented(indent, true);
  }

  // "name: address" or "`a name`: address" or, without a name, "_: address". The address may stand
  // on the next line.
  void define_target(std::string_view text) {
    std::string_view name;
    if (text.starts_with('`')) {
      const size_t tick = text.find('`', 1);
      if (tick == std::string_view::npos) return;
      name = text.substr(1, tick - 1);
      text.remove_prefix(tick + 1);
    } else {
      name = text.substr(0, text.find(':'));
      text.remove_prefix(name.size());
    }
    if (!text.starts_with(':')) return;
    std::string_view address = trimmed(text.substr(1));
    if (address.empty() && indentation(lines_.peek()) > 0) address = trimmed(lines_.peek());
    if (address.empty() || address.ends_with('_') || address.size() > kReferenceBytesMax) return;
    if (name == "_") {
      anonymous_.emplace_back(address);
    } else {
      targets_.emplace(rst_target_name(name), address);
    }
  }

  // Targets mostly stand at the end of the file.
  std::vector<Link> resolve_links(size_t text_bytes) const {
    std::vector<Link> links;
    size_t bytes = 0, anonymous = 0;
    for (const RstLink& link : links_) {
      std::string_view address = link.target;
      if (link.kind == RstLink::Kind::anonymous) {
        address = anonymous < anonymous_.size() ? anonymous_[anonymous] : std::string_view();
        ++anonymous;
      } else if (link.kind == RstLink::Kind::name) {
        const auto found = targets_.find(link.target);
        address = found == targets_.end() ? std::string_view() : std::string_view(found->second);
      }
      std::string target = clean_reference(address);
      bytes += target.size();
      if (bytes > kDocumentLinkBytesMax) break;
      if (!target.empty() && link.at < text_bytes)
        links.push_back({static_cast<uint32_t>(link.at), std::move(target)});
    }
    return links;
  }

  // The line of a directive itself: an object's signature is a heading, an argument is text.
  void out_line_for(std::string_view text) {
    const size_t colons = text.find("::");
    if (colons == std::string_view::npos) return out_.line_break();
    std::string_view name = text.substr(0, colons);
    const std::string_view argument = trimmed(text.substr(colons + 2));
    if (name == "math" && !argument.empty()) {
      out_.begin(BlockKind::code);
      out_.write(argument);
      out_.end();
    }
    if (const size_t domain = name.rfind(':'); domain != std::string_view::npos)
      name = name.substr(domain + 1);
    const bool silent =
        holds(kDroppedDirectives, name) || holds(kCodeDirectives, name) || name == "figure";
    if (!argument.empty() && !silent) {
      const bool object = holds(kObjectDirectives, name);
      out_.begin(object ? BlockKind::heading : BlockKind::paragraph, object ? 6 : 0);
      append_rst_inline(argument, out_.document().text, links_);
      out_.end();
    }
    out_.line_break();
  }

  void skip_options(size_t indent) {
    while (!lines_.at_end()) {
      const std::string_view next = lines_.peek();
      if (is_blank(next) || indentation(next) <= indent || trimmed(next)[0] != ':') break;
      std::string_view line;
      lines_.next(line);
      constexpr std::string_view kHeader = ":header:";
      line = trimmed(line);
      if (line.starts_with(kHeader)) write_csv_row(trimmed(line.substr(kHeader.size())));
      out_.line_break();
    }
  }

  void read_csv_table(size_t indent) {
    while (!lines_.at_end()) {
      const std::string_view next = lines_.peek();
      if (!is_blank(next) && indentation(next) <= indent) break;
      std::string_view line;
      lines_.next(line);
      write_csv_row(trimmed(line));
      out_.line_break();
    }
  }

  // Fields of one line: "a, b", c
  void write_csv_row(std::string_view line) {
    if (line.empty()) return;
    out_.begin(BlockKind::table_row);
    std::string& text = out_.document().text;
    const size_t begin = text.size();
    for (size_t i = 0; i < line.size(); ++i) {
      const bool quoted = line[i] == '"';
      size_t end = quoted ? i + 1 : i;
      std::string field;
      for (; end < line.size() && (quoted || line[end] != ','); ++end) {
        if (quoted && line[end] == '"') {
          if (line.substr(end, 2) != "\"\"") break;
          ++end;
        }
        field.push_back(line[end]);
      }
      if (text.size() > begin) text += " | ";
      append_rst_inline(trimmed(field), text, links_);
      end = std::min(line.find(',', std::min(end, line.size())), line.size());
      i = std::min(line.find_first_not_of(' ', std::min(end + 1, line.size())), line.size()) - 1;
    }
    out_.end();
  }

  // A row stands on the line on which it begins, the other lines of a table are empty.
  template <typename ReadTable>
  void write_table(std::span<const std::string_view> lines, const ReadTable& read_table) {
    size_t at = 0;
    read_table(lines, [&](size_t line, std::span<const std::string> cells) {
      for (; at < line; ++at) out_.line_break();
      write_row(cells);
    });
    for (; at < lines.size(); ++at) out_.line_break();
  }

  // Empty cells keep their place before others.
  void write_row(std::span<const std::string> cells) {
    out_.begin(BlockKind::table_row);
    bool written = false;
    size_t separators = 0;
    std::string text;
    for (size_t c = 0; c < cells.size(); ++c) {
      if (c > 0) ++separators;
      text.clear();
      const size_t settled = links_.size();
      if (cells[c] != "\\") append_rst_inline(cells[c], text, links_);  // "\" alone: an empty cell
      if (is_blank(text)) continue;
      for (; separators > 0; --separators) {
        out_.write(written ? " | " : "| ");
        written = true;
      }
      for (size_t i = settled; i < links_.size(); ++i) links_[i].at += out_.text().size();
      out_.write(text);
      written = true;
    }
    out_.end();
  }

  void read_grid_table(std::string_view border) {
    flush();
    std::vector<std::string_view> lines = {border};
    while (!lines_.at_end()) {
      const std::string_view next = trimmed(lines_.peek());
      if (!next.starts_with('+') && !next.starts_with('|')) break;
      lines_.next(lines.emplace_back());
    }
    write_table(lines, read_rst_grid_table);
  }

  // It ends with its third border, or with the second where an empty line follows (no header).
  // Without one nothing is a table.
  bool read_simple_table(std::string_view border) {
    if (no_border_from_ <= lines_.position()) return false;
    LineReader ahead = lines_;
    LineReader end = lines_;
    std::vector<std::string_view> lines = {border};
    size_t count = 0;
    for (int borders = 1; borders < 3 && !ahead.at_end();) {
      ahead.next(lines.emplace_back());
      const std::string_view line = lines.back();
      if (!is_rst_simple_border(line) &&
          (adornment_of(line) != '=' || trimmed(line).size() != trimmed(border).size()))
        continue;
      ++borders;
      end = ahead;
      count = lines.size();
      if (borders == 2 && is_blank(ahead.peek())) break;
    }
    if (count == 0) {
      no_border_from_ = lines_.position();
      return false;
    }
    flush();
    lines.resize(count);
    lines_ = end;
    write_table(lines, read_rst_simple_table);
    return true;
  }

  void read_list_table(size_t indent) {
    std::vector<std::string_view> lines;
    while (!lines_.at_end()) {
      const std::string_view next = lines_.peek();
      if (!is_blank(next) && indentation(next) <= indent) break;
      lines_.next(lines.emplace_back());
    }
    write_table(lines, read_rst_list_table);
  }

  LineReader lines_;
  TextBuilder out_;
  std::string paragraph_;
  std::vector<std::string> styles_;
  std::vector<RstLink> links_;
  std::map<std::string, std::string, std::less<>> targets_;
  std::vector<std::string> anonymous_;
  std::map<std::string, std::string, std::less<>> replacements_;
  BlockKind kind_ = BlockKind::paragraph;
  uint8_t level_ = 0;
  bool literal_next_ = false;
  size_t no_border_from_ = SIZE_MAX;  // behind it there is no border of a simple table
};

}  // namespace

Document decode_rst(std::string_view utf8) {
  return RstReader(utf8).read();
}

}  // namespace headrace
