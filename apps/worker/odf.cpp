#include "odf.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "office_blocks.h"
#include "office_package.h"
#include "xml_reader.h"
#include "zip_package.h"

namespace headrace::formats {
namespace {

using Token = XmlReader::Token;

// A cell or row that says it is repeated: sheets pad themselves with a million empty ones, so only
// those with text count, and even they only this often.
constexpr int kRepeatedCellsMax = 64;
constexpr int kRepeatedRowsMax = 64;
constexpr int kSpacesMax = 64;

struct OpenParagraph {
  PendingBlock block;
  std::vector<PendingBlock> after;
  size_t tables = 0;
};

struct OpenCell {
  std::vector<PendingBlock> blocks;
  std::string value;  // what the cell stores, when it shows no text
  int repeated = 1;
};

struct OpenTable {
  std::vector<OpenCell> cells;
  int row_repeated = 1;
};

int repeat_count(const XmlReader& reader, const char* name, int most) {
  return std::clamp(std::atoi(reader.attribute_or(name, "1").c_str()), 1, most);
}

// Names of paragraph styles; spaces and the like are written as _20_.
std::string plain_style_name(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i).starts_with("_20_")) {
      out += ' ';
      i += 3;
    } else {
      out += name[i];
    }
  }
  return ascii_lower(out);
}

class ContentReader {
 public:
  explicit ContentReader(BlockWriter& writer) : writer_(writer) {}
  Status read(XmlReader& reader);
  bool found_body() const { return found_body_; }
  const std::string& title() const { return title_; }

 private:
  Status on_start(XmlReader& reader);
  Status on_end(std::string_view name);
  void open_paragraph(XmlReader& reader, bool heading);
  Status close_paragraph();
  Status close_row();
  Status emit(PendingBlock block);
  void add_text(const std::string& text);
  void begin_link(std::string address);
  std::string style_of(std::string name) const;
  bool start_table_part(XmlReader& reader, std::string_view name);

  BlockWriter& writer_;
  std::map<std::string, std::string> parents_;  // of automatic styles
  std::vector<OpenParagraph> paragraphs_;
  std::vector<OpenTable> tables_;
  int lists_ = 0;
  int page_ = 0;
  bool found_body_ = false;
  bool is_sheets_ = false;
  std::string frame_class_;  // of the presentation frame that is open
  std::string title_;
  std::string address_;  // of the link whose text comes next
};

Status ContentReader::read(XmlReader& reader) {
  while (true) {
    const Token token = reader.next();
    if (token == Token::done) return {};
    if (token == Token::failed) return reader.status();
    if (token == Token::text) {
      if (!paragraphs_.empty()) add_text(reader.text());
    } else if (token == Token::start) {
      HR_TRY(on_start(reader));
    } else {
      HR_TRY(on_end(reader.name()));
    }
  }
}

// White space counts as one space; real spaces have elements of their own.
void ContentReader::add_text(const std::string& text) {
  std::string& out = paragraphs_.back().block.text;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (space && (out.empty() || out.back() == ' ' || out.back() == '\n')) continue;
    // A link begins with the first of its text that is seen.
    if (!space && !address_.empty()) out += writer_.link_mark(std::exchange(address_, {}));
    out += space ? ' ' : c;
  }
}

// Relative ones start inside the container: "../" is the folder that the file lies in.
void ContentReader::begin_link(std::string address) {
  constexpr std::string_view kOut = "../";
  if (address.starts_with(kOut)) {
    address_ = address.substr(kOut.size());
  } else {
    address_ = address.find(':') != std::string::npos ? std::move(address) : std::string();
  }
}

std::string ContentReader::style_of(std::string name) const {
  for (int i = 0; i < 8; ++i) {
    const auto found = parents_.find(name);
    if (found == parents_.end()) break;
    name = found->second;
  }
  return plain_style_name(name);
}

void ContentReader::open_paragraph(XmlReader& reader, bool heading) {
  OpenParagraph paragraph;
  paragraph.tables = tables_.size();
  PendingBlock& block = paragraph.block;
  const std::string style = style_of(reader.attribute_or("style-name", ""));
  if (heading) {
    block.kind = BlockKind::heading;
    block.level = std::max(1, std::atoi(reader.attribute_or("outline-level", "1").c_str()));
  } else if (frame_class_ == "title" || style == "title") {
    block.kind = BlockKind::heading;
    block.level = 1;
  } else if (lists_ > 0) {
    block.kind = BlockKind::list_item;
    block.level = lists_;
  } else if (style == "quotations" || style == "quote") {
    block.kind = BlockKind::quote;
  } else if (style == "preformatted text") {
    block.kind = BlockKind::code;
  } else if (style == "caption" || style == "illustration" || style == "figure" ||
             style == "drawing") {
    block.kind = BlockKind::caption;
  }
  paragraphs_.push_back(std::move(paragraph));
}

bool is_left_out(std::string_view name) {
  return name == "tracked-changes" || name == "annotation" || name == "note-citation" ||
         name == "table-of-content" || name == "alphabetical-index" || name == "ruby-text" ||
         name == "illustration-index" || name == "table-index" || name == "bibliography" ||
         name == "covered-table-cell" || name == "forms" || name == "page-number" ||
         name == "hidden-paragraph" || name == "hidden-text" || name == "content-validations" ||
         name == "sequence-decls" || name == "variable-decls" || name == "database-ranges" ||
         name == "named-expressions" || name == "footer-decl" || name == "date-time-decl" ||
         name == "event-listeners" || name == "animations" || name == "binary-data" ||
         name == "shapes";
}

bool ContentReader::start_table_part(XmlReader& reader, std::string_view name) {
  if (name == "table") {
    tables_.emplace_back();
    return true;
  }
  if (tables_.empty()) return false;
  if (name == "table-row") {
    tables_.back().cells.clear();
    tables_.back().row_repeated = repeat_count(reader, "number-rows-repeated", kRepeatedRowsMax);
    return true;
  }
  if (name != "table-cell") return false;
  OpenCell cell;
  cell.repeated = repeat_count(reader, "number-columns-repeated", kRepeatedCellsMax);
  for (const char* key : {"string-value", "date-value", "time-value", "boolean-value", "value"}) {
    if (cell.value.empty()) cell.value = reader.attribute_or(key, "");
  }
  tables_.back().cells.push_back(std::move(cell));
  return true;
}

Status ContentReader::on_start(XmlReader& reader) {
  const std::string_view name = reader.name();
  const std::string_view full = reader.qualified_name();
  if (name == "style") {
    parents_[reader.attribute_or("style:name", "")] = reader.attribute_or("parent-style-name", "");
  } else if (is_left_out(name)) {
    reader.skip();
  } else if (full == "office:text" || full == "office:spreadsheet" ||
             full == "office:presentation" || full == "office:drawing") {
    found_body_ = true;
    is_sheets_ = full == "office:spreadsheet";
  } else if (!found_body_) {
    return {};
  } else if (name == "p" || name == "h") {
    if (full.starts_with("text:")) open_paragraph(reader, name == "h");
  } else if (name == "s" && !paragraphs_.empty()) {
    const int count = repeat_count(reader, "text:c", kSpacesMax);
    paragraphs_.back().block.text.append(static_cast<size_t>(count), ' ');
  } else if (name == "tab" && !paragraphs_.empty()) {
    paragraphs_.back().block.text += '\t';
  } else if (name == "line-break" && !paragraphs_.empty()) {
    paragraphs_.back().block.text += '\n';
  } else if (full == "text:a") {
    begin_link(reader.attribute_or("xlink:href", ""));
  } else if (full == "text:list") {
    ++lists_;
  } else if (full == "draw:page") {
    ++page_;
    writer_.end_table();
  } else if (full == "draw:frame") {
    frame_class_ = reader.attribute_or("presentation:class", "");
  } else if (start_table_part(reader, name)) {
    if (name == "table" && is_sheets_ && tables_.size() == 1) {
      writer_.end_table();
      return writer_.add(BlockKind::heading, 1, page_, reader.attribute_or("table:name", ""));
    }
  }
  return {};
}

Status ContentReader::on_end(std::string_view name) {
  if ((name == "p" || name == "h") && !paragraphs_.empty()) return close_paragraph();
  if (name == "a") address_.clear();
  if (name == "list" && lists_ > 0) --lists_;
  if (name == "frame") frame_class_.clear();
  if (name == "table-row" && !tables_.empty()) return close_row();
  if (name == "table" && !tables_.empty()) {
    tables_.pop_back();
    if (tables_.empty()) writer_.end_table();
  }
  return {};
}

// To the place where a finished block belongs: the paragraph around it, the cell, the document.
Status ContentReader::emit(PendingBlock block) {
  if (!paragraphs_.empty() && paragraphs_.back().tables == tables_.size()) {
    paragraphs_.back().after.push_back(std::move(block));
  } else if (!tables_.empty() && !tables_.back().cells.empty()) {
    tables_.back().cells.back().blocks.push_back(std::move(block));
  } else {
    return writer_.add(block, page_);
  }
  return {};
}

Status ContentReader::close_paragraph() {
  OpenParagraph done = std::move(paragraphs_.back());
  paragraphs_.pop_back();
  if (title_.empty() && done.block.kind == BlockKind::heading) {
    title_ = collapse_space(without_link_marks(done.block.text));
  }
  HR_TRY(emit(std::move(done.block)));
  for (PendingBlock& block : done.after) HR_TRY(emit(std::move(block)));
  return {};
}

Status ContentReader::close_row() {
  OpenTable& table = tables_.back();
  std::vector<OpenCell> cells = std::move(table.cells);
  table.cells.clear();
  const int row_repeated = table.row_repeated;
  std::vector<PendingBlock> blocks;
  if (cells.size() == 1 && !is_sheets_) {
    blocks = std::move(cells[0].blocks);
  } else {
    std::vector<std::string> texts;
    for (const OpenCell& cell : cells) {
      std::string text;
      for (const PendingBlock& block : cell.blocks) text += block.text + ' ';
      text = collapse_space(text);
      if (text.empty()) text = cell.value;
      // Wide gaps are drawn together.
      const int count = text.empty() ? std::min(cell.repeated, 16) : cell.repeated;
      for (int i = 0; i < count; ++i) texts.push_back(text);
    }
    while (!texts.empty() && texts.back().empty()) texts.pop_back();
    PendingBlock row{BlockKind::table_row, 0, {}};
    for (size_t i = 0; i < texts.size(); ++i) row.text += (i > 0 ? " | " : "") + texts[i];
    if (!texts.empty()) blocks.push_back(std::move(row));
  }
  // The row's own table is not where it goes.
  OpenTable own = std::move(tables_.back());
  tables_.pop_back();
  Status status;
  for (int i = 0; i < (blocks.empty() ? 0 : row_repeated) && status; ++i) {
    for (const PendingBlock& block : blocks) {
      status = emit(block);
      if (!status) break;
    }
  }
  tables_.push_back(std::move(own));
  return status;
}

Status check_encryption(ZipPackage& zip, const std::string& what) {
  if (!zip.has("META-INF/manifest.xml")) return {};
  HR_ASSIGN(const std::string xml, zip.read_xml("META-INF/manifest.xml"));
  XmlReader reader(xml);
  for (Token token = reader.next(); token != Token::done && token != Token::failed;
       token = reader.next()) {
    if (token == Token::start && reader.name() == "encryption-data") {
      return fail(ErrorCode::encrypted, "the " + what + " file is protected by a password",
                  "save it without a password");
    }
  }
  return {};
}

// meta.xml → title, language, metadata. What is damaged there is left out.
void read_meta(ZipPackage& zip, Document& document) {
  if (!zip.has("meta.xml")) return;
  const auto xml = zip.read_xml("meta.xml");
  if (!xml) return;
  XmlReader reader(*xml);
  std::string name;
  std::string value;
  std::string keywords;
  for (Token token = reader.next(); token != Token::done && token != Token::failed;
       token = reader.next()) {
    if (token == Token::start) {
      name = reader.name();
      value.clear();
    } else if (token == Token::text) {
      value += reader.text();
    } else if (name == reader.name()) {
      value = collapse_space(to_valid_utf8(value));
      if (name == "title") document.title = value;
      if (name == "initial-creator") document.metadata["author"] = value;
      if (name == "creator") set_metadata(document, "author", value);
      if (name == "creation-date") set_metadata(document, "date", value);
      if (name == "date") set_metadata(document, "modified", value);
      if (name == "keyword") keywords += (keywords.empty() ? "" : ", ") + value;
      if (name == "subject") set_metadata(document, "subject", value);
      if (name == "description") set_metadata(document, "description", value);
      if (name == "language") document.language = primary_language(value);
      name.clear();
    }
  }
  set_metadata(document, "keywords", keywords);
}

}  // namespace

Result<Document> decode_odf(std::string_view bytes, std::string_view kind) {
  std::string what(kind);
  for (char& c : what) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  HR_ASSIGN(ZipPackage zip, ZipPackage::open(bytes, what));
  HR_TRY(check_encryption(zip, what));
  HR_ASSIGN(const std::string xml, zip.read_xml("content.xml"));
  BlockWriter writer;
  read_meta(zip, writer.document());
  XmlReader reader(xml);
  ContentReader content(writer);
  if (auto status = content.read(reader); !status) {
    return std::unexpected<Error>(std::move(status).error().with_context("content.xml"));
  }
  if (!content.found_body()) {
    return fail(ErrorCode::damaged, "there is no text, sheet or presentation in content.xml",
                "check that the file is what its name says");
  }
  Document& document = writer.document();
  if (document.title.empty() && kind != "ods") document.title = content.title();
  document.media_type = kind == "ods"   ? "application/vnd.oasis.opendocument.spreadsheet"
                        : kind == "odp" ? "application/vnd.oasis.opendocument.presentation"
                                        : "application/vnd.oasis.opendocument.text";
  return std::move(document);
}

}  // namespace headrace::formats
