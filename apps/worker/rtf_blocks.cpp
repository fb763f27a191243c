// What the groups and paragraphs of an RTF file mean: properties, styles, blocks, table rows.
#include <fmt/format.h>

#include <algorithm>

#include "rtf_reader.h"

namespace headrace::formats {

void RtfReader::finish_destination(RtfDestination destination) {
  Document& document = writer_.document();
  const std::string value = collapse_space(property_);
  switch (destination) {
    case RtfDestination::style_sheet: {
      std::string name = ascii_lower(value);
      if (name.ends_with(';')) name.pop_back();
      RtfStyle entry{style_outline_, name == "title"};
      if (name.starts_with("heading ") && name.size() == 9 && name[8] >= '1' && name[8] <= '9') {
        entry.outline_level = name[8] - '1';
      }
      if (!name.empty()) styles_.try_emplace(style_, entry);
      style_ = 0;
      style_outline_ = -1;
      break;
    }
    case RtfDestination::title:
      document.title = value;
      break;
    case RtfDestination::author:
      set_metadata(document, "author", value);
      break;
    case RtfDestination::subject:
      set_metadata(document, "subject", value);
      break;
    case RtfDestination::keywords:
      set_metadata(document, "keywords", value);
      break;
    case RtfDestination::created:
    case RtfDestination::revised:
      if (year_ > 0) {
        const bool created = destination == RtfDestination::created;
        set_metadata(
            document, created ? "date" : "modified",
            fmt::format("{:04}-{:02}-{:02}", year_, std::max(month_, 1), std::max(day_, 1)));
      }
      year_ = month_ = day_ = 0;
      break;
    case RtfDestination::footnote:
      after_.push_back({BlockKind::paragraph, 0, std::move(note_)});
      note_.clear();
      break;
    default:
      return;
  }
  property_.clear();
}

PendingBlock RtfReader::take_paragraph() {
  flush_bytes();
  PendingBlock block{BlockKind::paragraph, 0, std::move(text_)};
  text_.clear();
  int outline = paragraph_.outline_level;
  bool is_title = false;
  const auto style = styles_.find(paragraph_.style);
  if (style != styles_.end()) {
    if (outline < 0) outline = style->second.outline_level;
    is_title = style->second.is_title;
  }
  if (is_title || (outline >= 0 && outline < 9)) {
    block.kind = BlockKind::heading;
    block.level = is_title ? 1 : outline + 1;
    if (writer_.document().title.empty()) writer_.document().title = collapse_space(block.text);
  } else if (paragraph_.listed) {
    block.kind = BlockKind::list_item;
    block.level = paragraph_.list_level + 1;
  }
  return block;
}

Status RtfReader::close_paragraph() {
  PendingBlock block = take_paragraph();
  if (paragraph_.in_table) {
    // A cell of several paragraphs.
    text_ = block.text.empty() ? "" : block.text + ' ';
    return {};
  }
  if (!cells_.empty()) HR_TRY(close_row());
  HR_TRY(writer_.add(block, 0));
  for (const PendingBlock& note : after_) HR_TRY(writer_.add(note, 0));
  after_.clear();
  return {};
}

Status RtfReader::close_cell() {
  constexpr size_t kCellsMax = 4096;
  flush_bytes();
  if (cells_.size() < kCellsMax) {
    cells_.push_back(std::move(text_));
  } else if (!cells_.empty()) {
    cells_.back() += ' ' + text_;
  }
  text_.clear();
  return {};
}

Status RtfReader::close_row() {
  HR_TRY(writer_.add_row(cells_, 0));
  cells_.clear();
  for (const PendingBlock& note : after_) HR_TRY(writer_.add(note, 0));
  after_.clear();
  return {};
}

}  // namespace headrace::formats
