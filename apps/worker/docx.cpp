#include "docx.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "docx_styles.h"
#include "office_blocks.h"
#include "office_package.h"
#include "xml_reader.h"

namespace headrace::formats {
namespace {

using Token = XmlReader::Token;
using Sink = std::function<Status(const PendingBlock&)>;
using Notes = std::map<std::string, std::vector<PendingBlock>>;
using Addresses = std::map<std::string, std::string>;
// An address → its mark in the text.
using LinkMarker = std::function<std::string(std::string_view)>;

// What a part says about where its links lead.
struct PartLinks {
  Addresses addresses;  // by the id of the relationship
  LinkMarker mark;
};

// The address in the code of a field: HYPERLINK "https://…" \o "…".
std::string address_of_field(std::string_view code) {
  constexpr std::string_view kName = "HYPERLINK";
  const size_t name = code.find_first_not_of(" \t\n");
  if (name == std::string_view::npos || !code.substr(name).starts_with(kName)) return {};
  code.remove_prefix(name + kName.size());
  const size_t open = code.find_first_not_of(" \t\n");
  if (open == std::string_view::npos || code[open] != '"') return {};  // "\l": inside the document
  const size_t close = code.find('"', open + 1);
  return std::string(code.substr(open + 1, std::min(close, code.size()) - open - 1));
}

constexpr size_t kFieldCodeBytesMax = 8 << 10;

// A paragraph while its runs are read. They nest: a text box lies inside a run.
struct OpenParagraph {
  PendingBlock block;
  bool is_contents = false;
  bool is_title = false;
  std::vector<PendingBlock> after;  // notes and text boxes, in the order of their references
  size_t tables = 0;                // how many tables were open at its start
};

struct OpenTable {
  std::vector<std::vector<PendingBlock>> cells;  // of the current row
};

// <w:b w:val="0"/> turns a property off.
bool is_on(const XmlReader& reader) {
  const std::string value = reader.attribute_or("val", "1");
  return value != "0" && value != "false" && value != "off";
}

// Reads the body of one part (the document, or one note) into blocks.
class BodyReader {
 public:
  // `sink` takes each finished block.
  BodyReader(const DocxStyles& styles, const PartLinks& links, const Notes* footnotes,
             const Notes* endnotes, Sink sink)
      : styles_(styles),
        links_(links),
        footnotes_(footnotes),
        endnotes_(endnotes),
        sink_(std::move(sink)) {}

  // Reads what is inside the element that just started.
  Status read(XmlReader& reader);
  // The text in the paragraph style "Title", if there was one.
  const std::string& title() const { return title_; }

 private:
  Status on_start(XmlReader& reader);
  Status on_end(XmlReader& reader);
  Status close_paragraph();
  Status close_row();
  void read_paragraph_properties(XmlReader& reader);
  void add_notes(const Notes* notes, const std::string& id);
  void add_text(std::string_view text) {
    if (paragraphs_.empty() || hidden_run_) return;
    // A link begins with the first of its text that is seen.
    const size_t seen = text.find_first_not_of(" \t\n");
    if (!address_.empty() && seen != std::string_view::npos) {
      paragraphs_.back().block.text += text.substr(0, seen);
      paragraphs_.back().block.text += links_.mark(std::exchange(address_, {}));
      text.remove_prefix(seen);
    }
    paragraphs_.back().block.text += text;
  }
  void on_field(const std::string& type);

  const DocxStyles& styles_;
  const PartLinks& links_;
  const Notes* footnotes_;
  const Notes* endnotes_;
  Sink sink_;
  std::vector<OpenParagraph> paragraphs_;
  std::vector<OpenTable> tables_;
  // For each open mc:AlternateContent, whether one of its choices was taken.
  std::vector<bool> alternatives_;
  bool in_text_ = false;
  bool in_code_ = false;  // of a field
  bool hidden_run_ = false;
  std::string field_code_;
  std::string address_;  // of the link whose text comes next
  std::string title_;
};

// The code of a field stands between its begin and "separate", what it shows from there to its end.
void BodyReader::on_field(const std::string& type) {
  if (type == "separate") address_ = address_of_field(field_code_);
  if (type == "end") address_.clear();
  field_code_.clear();
}

Status BodyReader::read(XmlReader& reader) {
  const size_t depth = reader.depth();
  while (reader.next_inside(depth)) {
    if (reader.token() == Token::text) {
      if (in_text_) add_text(reader.text());
      if (in_code_ && field_code_.size() < kFieldCodeBytesMax) field_code_ += reader.text();
    } else if (reader.token() == Token::start) {
      HR_TRY(on_start(reader));
    } else {
      HR_TRY(on_end(reader));
    }
  }
  return reader.status();
}

bool is_left_out(std::string_view name) {
  return name == "del" || name == "moveFrom" || name == "sdtPr" || name == "tblPr" ||
         name == "tblGrid" || name == "tcPr" || name == "trPr" || name == "sectPr" ||
         name == "rt" || name == "pPrChange" || name == "annotationRef" || name == "delInstrText" ||
         name == "posOffset" || name == "pctWidth" || name == "pctHeight";
}

Status BodyReader::on_start(XmlReader& reader) {
  const std::string_view name = reader.name();
  if (is_left_out(name)) {
    reader.skip();
  } else if (name == "p") {
    paragraphs_.emplace_back().tables = tables_.size();
    hidden_run_ = false;
  } else if (name == "pPr") {
    read_paragraph_properties(reader);
  } else if (name == "r") {
    hidden_run_ = false;
  } else if (name == "vanish") {
    hidden_run_ = is_on(reader);
  } else if (name == "t") {
    in_text_ = true;
  } else if (name == "instrText") {
    in_code_ = true;
  } else if (name == "fldChar") {
    on_field(reader.attribute_or("fldCharType", ""));
  } else if (name == "fldSimple") {
    address_ = address_of_field(reader.attribute_or("instr", ""));
  } else if (name == "hyperlink") {
    const auto found = links_.addresses.find(reader.attribute_or("r:id", ""));
    address_ = found == links_.addresses.end() ? std::string() : found->second;
  } else if (name == "tab" || name == "ptab") {
    add_text("\t");
  } else if (name == "br" || name == "cr") {
    add_text("\n");
  } else if (name == "den") {  // of a fraction
    add_text("/");
  } else if (name == "noBreakHyphen") {
    add_text("\xE2\x80\x91");
  } else if (name == "footnoteReference") {
    add_notes(footnotes_, reader.attribute_or("id", ""));
  } else if (name == "endnoteReference") {
    add_notes(endnotes_, reader.attribute_or("id", ""));
  } else if (name == "AlternateContent") {
    alternatives_.push_back(false);
  } else if (name == "Choice" && !alternatives_.empty()) {
    if (alternatives_.back()) reader.skip();
    alternatives_.back() = true;
  } else if (name == "Fallback" && !alternatives_.empty()) {
    if (alternatives_.back()) reader.skip();
  } else if (name == "tbl") {
    tables_.emplace_back();
  } else if (name == "tr" && !tables_.empty()) {
    tables_.back().cells.clear();
  } else if (name == "tc" && !tables_.empty()) {
    tables_.back().cells.emplace_back();
  }
  return {};
}

Status BodyReader::on_end(XmlReader& reader) {
  const std::string_view name = reader.name();
  if (name == "t") {
    in_text_ = false;
  } else if (name == "instrText") {
    in_code_ = false;
  } else if (name == "hyperlink" || name == "fldSimple") {
    address_.clear();
  } else if (name == "p" && !paragraphs_.empty()) {
    return close_paragraph();
  } else if (name == "AlternateContent" && !alternatives_.empty()) {
    alternatives_.pop_back();
  } else if (name == "tr" && !tables_.empty()) {
    return close_row();
  } else if (name == "tbl" && !tables_.empty()) {
    tables_.pop_back();
  }
  return {};
}

Status BodyReader::close_paragraph() {
  OpenParagraph done = std::move(paragraphs_.back());
  paragraphs_.pop_back();
  if (done.is_contents) return {};
  if (done.is_title && title_.empty()) title_ = collapse_space(without_link_marks(done.block.text));
  std::vector<PendingBlock> blocks;
  blocks.push_back(std::move(done.block));
  for (PendingBlock& block : done.after) blocks.push_back(std::move(block));
  // What stands in a text box comes after the paragraph that the box is anchored in.
  if (!paragraphs_.empty() && paragraphs_.back().tables == tables_.size()) {
    for (PendingBlock& block : blocks) paragraphs_.back().after.push_back(std::move(block));
    return {};
  }
  if (!tables_.empty()) {
    if (tables_.back().cells.empty()) tables_.back().cells.emplace_back();
    for (PendingBlock& block : blocks) tables_.back().cells.back().push_back(std::move(block));
    return {};
  }
  for (const PendingBlock& block : blocks) HR_TRY(sink_(block));
  return {};
}

// A row of one cell is layout: its paragraphs stay what they are. Otherwise cells are joined.
Status BodyReader::close_row() {
  auto cells = std::move(tables_.back().cells);
  tables_.back().cells.clear();
  std::vector<PendingBlock> blocks;
  if (cells.size() == 1) {
    blocks = std::move(cells[0]);
  } else {
    size_t count = cells.size();
    std::vector<std::string> texts;
    for (const auto& cell : cells) {
      std::string& text = texts.emplace_back();
      for (const PendingBlock& block : cell) text += block.text + ' ';
      text = collapse_space(text);
    }
    while (count > 0 && texts[count - 1].empty()) --count;
    PendingBlock row{BlockKind::table_row, 0, {}};
    for (size_t i = 0; i < count; ++i) row.text += (i > 0 ? " | " : "") + texts[i];
    blocks.push_back(std::move(row));
  }
  const bool in_box = !paragraphs_.empty() && paragraphs_.back().tables + 1 == tables_.size();
  const bool in_cell = tables_.size() > 1 && !tables_[tables_.size() - 2].cells.empty();
  for (PendingBlock& block : blocks) {
    if (in_box) {
      paragraphs_.back().after.push_back(std::move(block));
    } else if (in_cell) {
      tables_[tables_.size() - 2].cells.back().push_back(std::move(block));
    } else {
      HR_TRY(sink_(block));
    }
  }
  return {};
}

void BodyReader::read_paragraph_properties(XmlReader& reader) {
  const size_t depth = reader.depth();
  DocxStyle style;
  int outline_level = -1;
  int list_level = 0;
  int numbered = -1;  // -1: only the style says
  while (reader.next_inside(depth)) {
    if (reader.token() != Token::start) continue;
    const std::string_view name = reader.name();
    if (name == "rPr" || name == "pPrChange" || name == "sectPr") {
      reader.skip();
    } else if (name == "pStyle") {
      style = styles_.find(reader.attribute_or("val", ""));
    } else if (name == "outlineLvl") {
      outline_level = std::atoi(reader.attribute_or("val", "9").c_str());
    } else if (name == "ilvl") {
      list_level = std::clamp(std::atoi(reader.attribute_or("val", "0").c_str()), 0, 8);
    } else if (name == "numId") {
      numbered = reader.attribute_or("val", "0") != "0" ? 1 : 0;
    }
  }
  if (paragraphs_.empty()) return;
  OpenParagraph& paragraph = paragraphs_.back();
  if (outline_level >= 0 && outline_level < 9) {
    style.kind = BlockKind::heading;
    style.level = outline_level + 1;
  } else if (style.kind == BlockKind::list_item && numbered == 0) {
    style.kind = BlockKind::paragraph;
    style.level = 0;
  } else if (style.kind != BlockKind::heading && numbered == 1) {
    style.kind = BlockKind::list_item;
    style.level = list_level + 1;
  }
  paragraph.block.kind = style.kind;
  paragraph.block.level = style.level;
  paragraph.is_contents = style.is_contents;
  paragraph.is_title = style.is_title;
}

void BodyReader::add_notes(const Notes* notes, const std::string& id) {
  if (!notes || paragraphs_.empty()) return;
  const auto found = notes->find(id);
  if (found == notes->end()) return;
  for (const PendingBlock& block : found->second) paragraphs_.back().after.push_back(block);
}

// The text of each footnote or endnote by its id; separators are left out.
Status read_notes(std::string_view xml, const DocxStyles& styles, const PartLinks& links,
                  Notes& notes) {
  XmlReader reader(xml);
  while (true) {
    const Token token = reader.next();
    if (token == Token::done) return {};
    if (token == Token::failed) return reader.status();
    if (token != Token::start) continue;
    if (reader.name() != "footnote" && reader.name() != "endnote") continue;
    if (reader.attribute_or("type", "normal") != "normal") {
      reader.skip();
      continue;
    }
    std::vector<PendingBlock>& blocks = notes[reader.attribute_or("id", "")];
    BodyReader body(styles, links, nullptr, nullptr, [&](const PendingBlock& block) -> Status {
      if (!is_blank(block.text)) blocks.push_back({BlockKind::paragraph, 0, block.text});
      return {};
    });
    HR_TRY(body.read(reader));
  }
}

Status read_notes_part(OfficePackage& package, const std::vector<Relationship>& relationships,
                       std::string_view type, const DocxStyles& styles, const LinkMarker& mark,
                       Notes& notes) {
  const Relationship* found = find_relationship(relationships, type);
  if (!found || !package.zip().has(found->target)) return {};
  HR_ASSIGN(const std::string xml, package.zip().read_xml(found->target));
  const PartLinks links{package.addresses(found->target), mark};
  if (auto status = read_notes(xml, styles, links, notes); !status) {
    return std::unexpected<Error>(std::move(status).error().with_context(found->target));
  }
  return {};
}

}  // namespace

Result<Document> decode_docx(std::string_view bytes) {
  HR_ASSIGN(OfficePackage package, OfficePackage::open(bytes, "DOCX", "word/document.xml"));
  HR_ASSIGN(const std::string xml, package.zip().read_xml(package.main_part()));
  HR_ASSIGN(const auto relationships, package.relationships(package.main_part()));
  DocxStyles styles;
  const Relationship* part = find_relationship(relationships, "styles");
  if (part && package.zip().has(part->target)) {
    HR_ASSIGN(const std::string styles_xml, package.zip().read_xml(part->target));
    if (auto status = styles.read(styles_xml); !status) {
      return std::unexpected<Error>(std::move(status).error().with_context(part->target));
    }
  }
  BlockWriter writer;
  const LinkMarker mark = [&](std::string_view address) { return writer.link_mark(address); };
  Notes footnotes;
  Notes endnotes;
  HR_TRY(read_notes_part(package, relationships, "footnotes", styles, mark, footnotes));
  HR_TRY(read_notes_part(package, relationships, "endnotes", styles, mark, endnotes));

  package.read_properties(writer.document());
  XmlReader reader(xml);
  const PartLinks links{package.addresses(package.main_part()), mark};
  BodyReader body(styles, links, &footnotes, &endnotes, [&](const PendingBlock& block) {
    if (block.kind != BlockKind::table_row) writer.end_table();
    return writer.add(block, 0);
  });
  bool found = false;
  while (true) {
    const Token token = reader.next();
    if (token == Token::done) break;
    if (token == Token::start && reader.name() == "body") {
      found = true;
      auto status = body.read(reader);
      if (!status && reader.token() != Token::failed) {
        return std::unexpected<Error>(std::move(status).error());
      }
    }
    if (reader.token() == Token::failed) {
      return std::unexpected<Error>(
          Error(reader.status().error()).with_context(package.main_part()));
    }
  }
  if (!found) {
    return fail(ErrorCode::damaged, "the DOCX file has no body in " + package.main_part(),
                "restore it from a copy");
  }
  Document& document = writer.document();
  if (document.title.empty()) document.title = body.title();
  if (document.title.empty()) document.title = writer.first_heading();
  document.media_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
  return std::move(document);
}

}  // namespace headrace::formats
