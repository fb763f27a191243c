#include "pptx.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>
#include <vector>

#include "office_blocks.h"
#include "office_package.h"
#include "xml_reader.h"

namespace headrace::formats {
namespace {

using Token = XmlReader::Token;

// What a shape is on its slide, by its placeholder.
enum class ShapeRole : uint8_t { free_text, title, subtitle, body, ignored };

ShapeRole role_of(const std::string& placeholder) {
  if (placeholder == "title" || placeholder == "ctrTitle") return ShapeRole::title;
  if (placeholder == "subTitle") return ShapeRole::subtitle;
  if (placeholder == "dt" || placeholder == "ftr" || placeholder == "sldNum" ||
      placeholder == "hdr" || placeholder == "sldImg") {
    return ShapeRole::ignored;
  }
  return ShapeRole::body;
}

// Reads one slide (or its notes, or a diagram) into blocks; titles come first.
class SlideReader {
 public:
  // `body_only`: take only the body placeholder, as a slide's notes page has it.
  // `addresses`: of the part's links, by their ids.
  SlideReader(bool body_only, std::map<std::string, std::string> addresses, BlockWriter& writer)
      : body_only_(body_only), addresses_(std::move(addresses)), writer_(writer) {}

  Status read(XmlReader& reader);
  std::vector<PendingBlock>& titles() { return titles_; }
  std::vector<PendingBlock>& blocks() { return blocks_; }

 private:
  void on_start(XmlReader& reader);
  void on_end(std::string_view name);
  void close_paragraph();
  void add_text(std::string_view text);

  const bool body_only_;
  const std::map<std::string, std::string> addresses_;
  BlockWriter& writer_;
  std::string address_;  // of the link whose text comes next
  std::vector<PendingBlock> titles_, blocks_;
  std::vector<bool> alternatives_;
  ShapeRole role_ = ShapeRole::free_text;
  bool in_text_ = false;
  bool in_paragraph_ = false;
  bool bullet_ = false;
  bool no_bullet_ = false;
  int level_ = 0;
  std::string paragraph_;
  int tables_ = 0;  // open; they do not nest in this format, hostile files aside
  std::vector<std::string> cells_;
};

void SlideReader::on_start(XmlReader& reader) {
  const std::string_view name = reader.name();
  if (name == "AlternateContent") {
    alternatives_.push_back(false);
  } else if ((name == "Choice" || name == "Fallback") && !alternatives_.empty()) {
    if (alternatives_.back()) {
      reader.skip();
    } else {
      alternatives_.back() = true;
    }
  } else if (name == "sp") {
    role_ = ShapeRole::free_text;
  } else if (name == "ph") {
    role_ = role_of(reader.attribute_or("type", "body"));
  } else if (name == "tbl") {
    ++tables_;
    role_ = ShapeRole::free_text;
  } else if (name == "tr") {
    cells_.clear();
  } else if (name == "tc") {
    cells_.emplace_back();
  } else if (name == "p") {
    in_paragraph_ = true;
    bullet_ = no_bullet_ = false;
    level_ = 0;
    paragraph_.clear();
  } else if (name == "pPr") {
    level_ = std::clamp(std::atoi(reader.attribute_or("lvl", "0").c_str()), 0, 8);
  } else if (name == "buNone") {
    no_bullet_ = true;
  } else if (name == "buChar" || name == "buAutoNum" || name == "buBlip") {
    bullet_ = true;
  } else if (name == "br" && in_paragraph_) {
    paragraph_ += '\n';
  } else if (name == "fld" && reader.attribute_or("type", "") == "slidenum") {
    reader.skip();
  } else if (name == "hlinkClick" && in_paragraph_) {
    const auto found = addresses_.find(reader.attribute_or("r:id", ""));
    if (found != addresses_.end()) address_ = found->second;
  } else if (name == "t") {
    in_text_ = true;
  }
}

void SlideReader::on_end(std::string_view name) {
  if (name == "t") {
    in_text_ = false;
  } else if (name == "r") {
    address_.clear();
  } else if (name == "p" && in_paragraph_) {
    in_paragraph_ = false;
    close_paragraph();
  } else if (name == "tr" && tables_ > 0) {
    size_t count = cells_.size();
    while (count > 0 && is_blank(cells_[count - 1])) --count;
    PendingBlock row{BlockKind::table_row, 0, {}};
    for (size_t i = 0; i < count; ++i) row.text += (i > 0 ? " | " : "") + collapse_space(cells_[i]);
    blocks_.push_back(std::move(row));
    cells_.clear();
  } else if (name == "tbl" && tables_ > 0) {
    --tables_;
  } else if (name == "sp") {
    role_ = ShapeRole::free_text;
  } else if (name == "AlternateContent" && !alternatives_.empty()) {
    alternatives_.pop_back();
  }
}

// A link begins with the first of its text that is seen.
void SlideReader::add_text(std::string_view text) {
  const size_t seen = text.find_first_not_of(" \t\n");
  if (!address_.empty() && seen != std::string_view::npos) {
    paragraph_ += text.substr(0, seen);
    paragraph_ += writer_.link_mark(std::exchange(address_, {}));
    text.remove_prefix(seen);
  }
  paragraph_ += text;
}

void SlideReader::close_paragraph() {
  if (is_blank(paragraph_) || role_ == ShapeRole::ignored) return;
  if (tables_ > 0 && !cells_.empty()) {
    cells_.back() += paragraph_ + ' ';
    return;
  }
  if (body_only_) {
    if (role_ == ShapeRole::body) blocks_.push_back({BlockKind::paragraph, 0, paragraph_});
    return;
  }
  if (role_ == ShapeRole::title) {
    // A title of several paragraphs is one heading.
    if (titles_.empty()) titles_.push_back({BlockKind::heading, 1, {}});
    titles_.back().text += paragraph_ + ' ';
    return;
  }
  const bool listed = !no_bullet_ && (bullet_ || role_ == ShapeRole::body);
  if (listed) {
    blocks_.push_back({BlockKind::list_item, level_ + 1, paragraph_});
  } else {
    blocks_.push_back({BlockKind::paragraph, 0, paragraph_});
  }
}

Status SlideReader::read(XmlReader& reader) {
  while (true) {
    const Token token = reader.next();
    if (token == Token::done) return {};
    if (token == Token::failed) return reader.status();
    if (token == Token::text) {
      if (in_text_ && in_paragraph_) add_text(reader.text());
    } else if (token == Token::start) {
      on_start(reader);
    } else {
      on_end(reader.name());
    }
  }
}

Status read_part(OfficePackage& package, const std::string& part, SlideReader& slide) {
  HR_ASSIGN(const std::string xml, package.zip().read_xml(part));
  XmlReader reader(xml);
  if (auto status = slide.read(reader); !status) {
    return std::unexpected<Error>(std::move(status).error().with_context(part));
  }
  return {};
}

Status write_slide(OfficePackage& package, const std::string& part, int number,
                   BlockWriter& writer) {
  SlideReader slide(false, package.addresses(part), writer);
  HR_TRY(read_part(package, part, slide));
  HR_ASSIGN(const auto relationships, package.relationships(part));
  for (const Relationship& one : relationships) {
    if (one.type == "diagramData" && package.zip().has(one.target)) {
      HR_TRY(read_part(package, one.target, slide));
    }
  }
  const Relationship* notes_part = find_relationship(relationships, "notesSlide");
  SlideReader notes(true, {}, writer);
  if (notes_part && package.zip().has(notes_part->target)) {
    HR_TRY(read_part(package, notes_part->target, notes));
  }
  writer.end_table();
  for (const auto* blocks : {&slide.titles(), &slide.blocks(), &notes.blocks()}) {
    for (const PendingBlock& block : *blocks) HR_TRY(writer.add(block, number));
  }
  return {};
}

}  // namespace

Result<Document> decode_pptx(std::string_view bytes) {
  HR_ASSIGN(OfficePackage package, OfficePackage::open(bytes, "PPTX", "ppt/presentation.xml"));
  HR_ASSIGN(const std::string xml, package.zip().read_xml(package.main_part()));
  HR_ASSIGN(const auto relationships, package.relationships(package.main_part()));
  BlockWriter writer;
  package.read_properties(writer.document());
  XmlReader reader(xml);
  bool found = false;
  int number = 0;
  while (true) {
    const Token token = reader.next();
    if (token == Token::done) break;
    if (token == Token::failed) {
      return std::unexpected<Error>(
          Error(reader.status().error()).with_context(package.main_part()));
    }
    if (token != Token::start) continue;
    if (reader.name() == "presentation") found = true;
    if (reader.name() != "sldId") continue;
    ++number;
    const std::string id = reader.attribute_or("r:id", "");
    const auto part = std::find_if(relationships.begin(), relationships.end(),
                                   [&](const auto& one) { return one.id == id; });
    if (part == relationships.end()) {
      return fail(ErrorCode::damaged, "slide " + std::to_string(number) + " has no part of its own",
                  "restore the file from a copy");
    }
    HR_TRY(write_slide(package, part->target, number, writer));
  }
  if (!found) {
    return fail(ErrorCode::damaged, "there is no presentation in " + package.main_part(),
                "check that the file is what its name says");
  }
  Document& document = writer.document();
  if (document.title.empty()) document.title = writer.first_heading();
  document.media_type = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
  return std::move(document);
}

}  // namespace headrace::formats
