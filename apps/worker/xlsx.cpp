#include "xlsx.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <vector>

#include "office_blocks.h"
#include "office_package.h"
#include "xml_reader.h"

namespace headrace::formats {
namespace {

using Token = XmlReader::Token;

// Empty cells in a row that are kept as such; a wider gap is drawn together to this.
constexpr size_t kGapCellsMax = 16;

struct Sheet {
  std::string name, relationship;
};

struct Workbook {
  std::vector<Sheet> sheets;
  bool from_1904 = false;
};

// All shared strings in one buffer, each found by its place.
class SharedStrings {
 public:
  Status read(std::string_view xml);
  // Nothing where there is none: the place is whatever a cell claims.
  std::string_view find(std::string_view place) const {
    size_t index = 0;
    const auto [end, error] = std::from_chars(place.data(), place.data() + place.size(), index);
    if (error != std::errc() || end != place.data() + place.size()) return {};
    if (index >= begins_.size() - 1) return {};
    return std::string_view(text_).substr(begins_[index], begins_[index + 1] - begins_[index]);
  }

 private:
  std::string text_;
  std::vector<uint64_t> begins_ = {0};
};

// Appends the text of a <si> or <is> element that just started, without its phonetic hints.
void append_rich_text(XmlReader& reader, std::string& out) {
  const size_t depth = reader.depth();
  bool in_text = false;
  while (reader.next_inside(depth)) {
    if (reader.token() == Token::text) {
      if (in_text) out += reader.text();
    } else if (reader.token() == Token::end) {
      in_text = false;
    } else if (reader.name() == "rPh" || reader.name() == "phoneticPr") {
      reader.skip();
    } else {
      in_text = reader.name() == "t";
    }
  }
}

Status SharedStrings::read(std::string_view xml) {
  XmlReader reader(xml);
  while (true) {
    const Token token = reader.next();
    if (token == Token::done) return {};
    if (token == Token::failed) return reader.status();
    if (token != Token::start || reader.name() != "si") continue;
    append_rich_text(reader, text_);
    begins_.push_back(text_.size());
  }
}

Result<Workbook> read_workbook(std::string_view xml) {
  Workbook workbook;
  XmlReader reader(xml);
  bool found = false;
  while (true) {
    const Token token = reader.next();
    if (token == Token::done) break;
    if (token == Token::failed) return std::unexpected<Error>(reader.status().error());
    if (token != Token::start) continue;
    if (reader.name() == "workbook") found = true;
    if (reader.name() == "workbookPr") {
      const std::string value = reader.attribute_or("date1904", "0");
      workbook.from_1904 = value == "1" || value == "true";
    } else if (reader.name() == "sheet") {
      if (reader.attribute_or("state", "") == "veryHidden") continue;
      workbook.sheets.push_back({reader.attribute_or("name", ""), reader.attribute_or("r:id", "")});
    }
  }
  if (!found) return fail(ErrorCode::damaged, "there is no workbook in it");
  return workbook;
}

// The kind of number for each cell style.
Result<std::vector<NumberKind>> read_styles(std::string_view xml) {
  std::map<int, NumberKind> custom;
  std::vector<NumberKind> kinds;
  XmlReader reader(xml);
  bool in_cell_styles = false;
  while (true) {
    const Token token = reader.next();
    if (token == Token::done) return kinds;
    if (token == Token::failed) return std::unexpected<Error>(reader.status().error());
    if (token == Token::end && reader.name() == "cellXfs") in_cell_styles = false;
    if (token != Token::start) continue;
    if (reader.name() == "numFmt") {
      custom[std::atoi(reader.attribute_or("numFmtId", "0").c_str())] =
          number_kind(reader.attribute_or("formatCode", ""));
    } else if (reader.name() == "cellXfs") {
      in_cell_styles = true;
    } else if (reader.name() == "xf" && in_cell_styles) {
      const int id = std::atoi(reader.attribute_or("numFmtId", "0").c_str());
      const auto found = custom.find(id);
      kinds.push_back(found == custom.end() ? builtin_number_kind(id) : found->second);
    }
  }
}

// "BC12" → 54 (from 0); -1 when it names no column.
int column_of(std::string_view reference) {
  int column = 0;
  size_t i = 0;
  for (; i < reference.size() && i < 4 && reference[i] >= 'A' && reference[i] <= 'Z'; ++i) {
    column = column * 26 + (reference[i] - 'A' + 1);
  }
  return i == 0 ? -1 : column - 1;
}

// Reads a sheet's rows into the writer.
class SheetReader {
 public:
  SheetReader(const SharedStrings& strings, const std::vector<NumberKind>& kinds, bool from_1904,
              BlockWriter& writer)
      : strings_(strings), kinds_(kinds), from_1904_(from_1904), writer_(writer) {}

  Status read(XmlReader& reader, int page);

 private:
  void read_cell(XmlReader& reader);
  std::string cell_text(const std::string& type, const std::string& stored, size_t style) const;

  const SharedStrings& strings_;
  const std::vector<NumberKind>& kinds_;
  const bool from_1904_;
  BlockWriter& writer_;
  std::vector<std::string> cells_;
  int column_ = -1;  // of the cell before
};

std::string SheetReader::cell_text(const std::string& type, const std::string& stored,
                                   size_t style) const {
  if (type == "s") return std::string(strings_.find(collapse_space(stored)));
  if (type == "b") return stored == "1" || stored == "true" ? "TRUE" : "FALSE";
  if (type == "str" || type == "e" || type == "d") return stored;
  return format_number(stored, style < kinds_.size() ? kinds_[style] : NumberKind::general,
                       from_1904_);
}

void SheetReader::read_cell(XmlReader& reader) {
  const std::string type = reader.attribute_or("t", "n");
  const size_t style = std::strtoull(reader.attribute_or("s", "0").c_str(), nullptr, 10);
  const int given = column_of(reader.attribute_or("r", ""));
  const int column = given < 0 ? column_ + 1 : given;
  const size_t depth = reader.depth();
  std::string stored;
  std::string text;
  bool in_value = false;
  while (reader.next_inside(depth)) {
    if (reader.token() == Token::text) {
      if (in_value) stored += reader.text();
    } else if (reader.token() == Token::end) {
      in_value = false;
    } else if (reader.name() == "is") {
      append_rich_text(reader, text);
    } else if (reader.name() == "v") {
      in_value = true;
    } else if (reader.name() == "f") {
      reader.skip();
    }
  }
  if (!stored.empty()) text += cell_text(type, stored, style);
  if (is_blank(text)) return;
  if (column > column_ + 1) {
    const auto gap = std::min<size_t>(static_cast<size_t>(column - column_ - 1), kGapCellsMax);
    cells_.resize(cells_.size() + gap);
  }
  column_ = std::max(column, column_);
  cells_.push_back(std::move(text));
}

Status SheetReader::read(XmlReader& reader, int page) {
  const size_t depth = reader.depth();
  while (reader.next_inside(depth)) {
    if (reader.token() == Token::start && reader.name() == "row") {
      cells_.clear();
      column_ = -1;
    } else if (reader.token() == Token::start && reader.name() == "c") {
      read_cell(reader);
    } else if (reader.token() == Token::end && reader.name() == "row") {
      HR_TRY(writer_.add_row(cells_, page));
    }
  }
  return reader.status();
}

Status read_sheet_part(std::string_view xml, SheetReader& rows) {
  XmlReader reader(xml);
  while (true) {
    const Token token = reader.next();
    if (token == Token::done) return {};
    if (token == Token::failed) return reader.status();
    if (token == Token::start && reader.name() == "sheetData") HR_TRY(rows.read(reader, 0));
  }
}

Result<std::string> read_optional(OfficePackage& package,
                                  const std::vector<Relationship>& relationships,
                                  std::string_view type) {
  const Relationship* part = find_relationship(relationships, type);
  if (!part || !package.zip().has(part->target)) return std::string();
  return package.zip().read_xml(part->target);
}

}  // namespace

Result<Document> decode_xlsx(std::string_view bytes) {
  HR_ASSIGN(OfficePackage package, OfficePackage::open(bytes, "XLSX", "xl/workbook.xml"));
  const std::string& main = package.main_part();
  if (main.ends_with(".bin")) {
    return fail(ErrorCode::unsupported, "the workbook is in the binary form (XLSB)",
                "save it as XLSX");
  }
  HR_ASSIGN(const std::string workbook_xml, package.zip().read_xml(main));
  HR_ASSIGN(const Workbook workbook, read_workbook(workbook_xml));
  HR_ASSIGN(const auto relationships, package.relationships(main));
  SharedStrings strings;
  {
    HR_ASSIGN(const std::string xml, read_optional(package, relationships, "sharedStrings"));
    if (!xml.empty()) HR_TRY(strings.read(xml));
  }
  std::vector<NumberKind> kinds;
  {
    HR_ASSIGN(const std::string xml, read_optional(package, relationships, "styles"));
    if (!xml.empty()) {
      HR_ASSIGN(kinds, read_styles(xml));
    }
  }
  BlockWriter writer;
  package.read_properties(writer.document());
  for (const Sheet& sheet : workbook.sheets) {
    const auto part = std::find_if(relationships.begin(), relationships.end(),
                                   [&](const auto& one) { return one.id == sheet.relationship; });
    if (part == relationships.end() || part->type != "worksheet") continue;  // chart sheets
    HR_ASSIGN(const std::string xml, package.zip().read_xml(part->target));
    HR_TRY(writer.add(BlockKind::heading, 1, 0, sheet.name));
    SheetReader rows(strings, kinds, workbook.from_1904, writer);
    if (auto status = read_sheet_part(xml, rows); !status) {
      return std::unexpected<Error>(std::move(status).error().with_context(part->target));
    }
  }
  Document& document = writer.document();
  document.media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
  return std::move(document);
}

}  // namespace headrace::formats
