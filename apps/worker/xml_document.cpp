#include "xml_document.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "office_blocks.h"
#include "office_package.h"
#include "xml_reader.h"

namespace headrace::formats {
namespace {

using Token = XmlReader::Token;

template <size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 6> kTitles = {"title",    "head",       "heading",
                                                     "subtitle", "bridgehead", "titel"};
constexpr std::array<std::string_view, 23> kSections = {
    "section",  "sect1",    "sect2",    "sect3",   "sect4", "sect5",    "chapter",     "part",
    "article",  "book",     "appendix", "preface", "sec",   "div",      "refsect1",    "refsect2",
    "refsect3", "refentry", "div1",     "div2",    "div3",  "glossary", "bibliography"};
constexpr std::array<std::string_view, 4> kListItems = {"listitem", "li", "item", "dd"};
constexpr std::array<std::string_view, 8> kCode = {"programlisting", "screen",  "pre", "codeblock",
                                                   "literallayout",  "listing", "eg",  "synopsis"};
constexpr std::array<std::string_view, 2> kRows = {"row", "tr"};
constexpr std::array<std::string_view, 6> kCells = {"entry", "td", "th", "cell", "c", "field"};
constexpr std::array<std::string_view, 3> kLeftOut = {"script", "style", "stylesheet"};

// How a paragraph that is being collected will be written.
struct Role {
  BlockKind kind = BlockKind::paragraph;
  int level = 0;
};

class XmlTextReader {
 public:
  XmlTextReader(std::string_view xml, BlockWriter& writer)
      : xml_(xml), lines_(xml), writer_(writer) {}
  Status read(XmlReader& reader);
  const std::string& title() const { return title_; }

 private:
  Status on_start(XmlReader& reader);
  Status on_text(XmlReader& reader);
  Status on_end(const XmlReader& reader);
  Status flush();
  Role role() const;

  std::string_view xml_;
  LineCounter lines_;
  BlockWriter& writer_;
  std::string text_;
  size_t text_begin_ = 0;  // where in the XML it begins
  size_t row_begin_ = 0;   // the same of the outermost open row
  // Depth of the outermost element whose own text is in text_; it is mixed content when an element
  // begins or ends there, and goes on.
  size_t text_depth_ = 0;
  Role text_role_;
  std::string title_;
  // Depths at which elements with a meaning are open, innermost last.
  std::vector<size_t> sections_, titles_, items_, code_, rows_;
  int heading_level_ = 0;  // h1–h6 while one is open
  std::vector<std::string> cells_;
};

Role XmlTextReader::role() const {
  if (heading_level_ > 0) return {BlockKind::heading, heading_level_};
  if (!titles_.empty()) {
    return {BlockKind::heading, static_cast<int>(std::clamp<size_t>(sections_.size(), 1, 6))};
  }
  if (!code_.empty()) return {BlockKind::code, 0};
  if (!items_.empty()) {
    return {BlockKind::list_item, static_cast<int>(std::min<size_t>(items_.size(), 100))};
  }
  return {};
}

Status XmlTextReader::flush() {
  if (is_blank(text_)) {
    text_.clear();
    return {};
  }
  std::string text = std::move(text_);
  text_.clear();
  if (text_role_.kind != BlockKind::code) text = collapse_space(text);
  if (!rows_.empty()) {
    if (cells_.empty()) cells_.emplace_back();
    cells_.back() += (cells_.back().empty() ? "" : " ") + text;
    return {};
  }
  if (text_role_.kind == BlockKind::heading && title_.empty()) title_ = text;
  writer_.at_line(lines_.line_at(text_begin_));
  return writer_.add(text_role_.kind, text_role_.level, 0, text);
}

Status XmlTextReader::on_start(XmlReader& reader) {
  const std::string name = ascii_lower(reader.name());
  const size_t depth = reader.depth();
  // Inside of an element that has text of its own: mixed content, no break.
  const bool mixed = (!is_blank(text_) && text_depth_ < depth) || !code_.empty();
  if (is_one_of(name, kLeftOut)) {
    reader.skip();
    return {};
  }
  const bool block = is_one_of(name, kTitles) || is_one_of(name, kSections) ||
                     is_one_of(name, kListItems) || is_one_of(name, kCode) ||
                     is_one_of(name, kRows) || is_one_of(name, kCells) || name == "p" ||
                     name == "para";
  if (!mixed || block) HR_TRY(flush());
  if (is_one_of(name, kTitles)) titles_.push_back(depth);
  if (is_one_of(name, kSections)) sections_.push_back(depth);
  if (is_one_of(name, kListItems)) items_.push_back(depth);
  if (is_one_of(name, kCode)) code_.push_back(depth);
  if (is_one_of(name, kRows)) {
    if (rows_.empty()) row_begin_ = reader.position();
    rows_.push_back(depth);
  }
  if (is_one_of(name, kCells) && !rows_.empty()) cells_.emplace_back();
  if (name.size() == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6') {
    heading_level_ = name[1] - '0';
  }
  if (name == "br" || name == "lb") text_ += text_.empty() ? "" : "\n";
  return {};
}

Status XmlTextReader::on_text(XmlReader& reader) {
  const std::string& text = reader.text();
  if (is_blank(text)) {
    if (!text_.empty()) text_ += text;
    return {};
  }
  const size_t depth = reader.depth();
  if (text_.size() + text.size() > kTextBytesMax) {
    return fail(ErrorCode::too_large, "a paragraph of the XML is larger than 256 MiB");
  }
  if (is_blank(text_)) {
    if (code_.empty()) text_.clear();
    text_depth_ = depth;
    text_role_ = role();
    text_begin_ = std::min(xml_.find_first_not_of(" \t\r\n", reader.position()), xml_.size());
  }
  text_depth_ = std::min(text_depth_, depth);
  text_ += text;
  return {};
}

Status XmlTextReader::on_end(const XmlReader& reader) {
  const size_t depth = reader.depth() + 1;  // of the element that ended
  const auto closes = [depth](std::vector<size_t>& open) {
    if (open.empty() || open.back() != depth) return false;
    open.pop_back();
    return true;
  };
  const std::string_view name = reader.name();
  const bool heading = name.size() == 2 && (name[0] | 0x20) == 'h' && heading_level_ > 0;
  const bool row = !rows_.empty() && rows_.back() == depth;
  const bool ends_block = (!titles_.empty() && titles_.back() == depth) ||
                          (!items_.empty() && items_.back() == depth) ||
                          (!code_.empty() && code_.back() == depth) ||
                          (!sections_.empty() && sections_.back() == depth) || row || heading ||
                          name == "p" || name == "para";
  if (ends_block) HR_TRY(flush());
  closes(titles_);
  closes(items_);
  closes(code_);
  closes(sections_);
  if (heading) heading_level_ = 0;
  if (row) {
    rows_.pop_back();
    if (rows_.empty()) {
      const std::vector<std::string> cells = std::move(cells_);
      cells_.clear();
      writer_.at_line(lines_.line_at(row_begin_));
      return writer_.add_row(cells, 0);
    }
  }
  return {};
}

Status XmlTextReader::read(XmlReader& reader) {
  while (true) {
    const Token token = reader.next();
    if (token == Token::failed) return reader.status();
    if (token == Token::done) return flush();
    if (token == Token::start) HR_TRY(on_start(reader));
    if (token == Token::text) HR_TRY(on_text(reader));
    if (token == Token::end) HR_TRY(on_end(reader));
  }
}

// Data that stands in attributes alone: a row for each element that has some.
Status write_attributes(std::string_view xml, BlockWriter& writer) {
  XmlReader reader(xml);
  LineCounter lines(xml);
  while (true) {
    const Token token = reader.next();
    if (token == Token::failed) return reader.status();
    if (token == Token::done) return {};
    if (token != Token::start) continue;
    if (is_one_of(ascii_lower(reader.name()), kLeftOut)) {
      reader.skip();
      continue;
    }
    std::vector<std::string> cells;
    for (const auto& [name, value] : reader.attributes()) {
      const bool about_names = name == "xmlns" || name.starts_with("xmlns:") ||
                               name.starts_with("xsi:") || name.starts_with("xml:");
      if (!about_names && !is_blank(value)) cells.push_back(name + ": " + collapse_space(value));
    }
    if (cells.empty()) continue;
    writer.at_line(lines.line_at(reader.position()));
    HR_TRY(writer.add_row(cells, 0));
  }
}

}  // namespace

Result<Document> decode_xml(std::string_view bytes) {
  if (is_blank(bytes)) return fail(ErrorCode::damaged, "the XML file is empty");
  if (bytes.size() > kTextBytesMax) {
    return fail(ErrorCode::too_large, "the XML file is larger than 256 MiB", "split it");
  }
  HR_ASSIGN(const std::string xml, xml_to_utf8(std::string(bytes)));
  XmlReader reader(xml);
  BlockWriter writer;
  XmlTextReader text(xml, writer);
  HR_TRY(text.read(reader));
  if (writer.empty()) HR_TRY(write_attributes(xml, writer));
  writer.document().title = text.title();
  writer.document().media_type = "application/xml";
  writer.document().lines = writer.take_lines();
  return std::move(writer.document());
}

}  // namespace headrace::formats
