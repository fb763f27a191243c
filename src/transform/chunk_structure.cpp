#include "transform/chunk_structure.h"

#include <algorithm>

#include "base/utf8.h"
#include "transform/sentence.h"

namespace headrace {
namespace {

// Longer headings are cut in the path (never in the text).
constexpr size_t kHeadingBytesMax = 240;

std::string heading_text(std::string_view text) {
  std::string out;
  bool space = false;
  for (const char c : text.substr(0, code_point_floor(text, std::min(text.size(), kHeadingBytesMax)))) {
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      space = !out.empty();
      continue;
    }
    if (space) out.push_back(' ');
    space = false;
    out.push_back(c);
  }
  return out;
}

}  // namespace

ChunkStructure::ChunkStructure(const Document& document)
    : text_(document.text), title_(document.title) {
  const size_t begin = skip_white_space(title_, 0, title_.size());
  title_ = title_.substr(begin, trim_white_space(title_, begin, title_.size()) - begin);
  blocks_.reserve(document.blocks.size() + 1);
  size_t covered = 0;
  int32_t page = 0;
  for (const Block& given : document.blocks) {
    Block block = given;
    block.begin = static_cast<uint32_t>(
        code_point_floor(text_, std::min<size_t>(block.begin, text_.size())));
    block.end =
        static_cast<uint32_t>(code_point_floor(text_, std::min<size_t>(block.end, text_.size())));
    block.begin = static_cast<uint32_t>(std::max<size_t>(block.begin, covered));
    if (block.begin >= block.end) continue;
    block.begin = static_cast<uint32_t>(skip_white_space(text_, block.begin, block.end));
    block.end = static_cast<uint32_t>(trim_white_space(text_, block.begin, block.end));
    if (block.begin >= block.end) continue;
    add_gap(covered, block.begin, page);
    blocks_.push_back(block);
    covered = block.end;
    page = block.page;
  }
  add_gap(covered, text_.size(), page);
  for (size_t i = blocks_.size(); i-- > 0;) {
    if (!is_heading(i)) {
      last_content_ = i;
      break;
    }
  }
}

void ChunkStructure::add_gap(size_t begin, size_t end, int32_t page) {
  begin = skip_white_space(text_, begin, end);
  if (begin >= end) return;
  split_paragraphs(begin, trim_white_space(text_, begin, end), page);
}

void ChunkStructure::split_paragraphs(size_t begin, size_t end, int32_t page) {
  while (begin < end) {
    const size_t blank = text_.substr(0, end).find("\n\n", begin);
    const size_t stop = blank == std::string_view::npos ? end : blank;
    blocks_.push_back({static_cast<uint32_t>(begin),
                       static_cast<uint32_t>(trim_white_space(text_, begin, stop)),
                       BlockKind::paragraph, 0, page});
    begin = skip_white_space(text_, stop, end);
  }
}

BorderStrength ChunkStructure::border_before(size_t block) const {
  const Block& before = blocks_[block - 1];
  const Block& after = blocks_[block];
  if (before.kind == BlockKind::heading) return 0;
  if (after.kind == BlockKind::heading) {
    if (block > last_content_) return 60;  // headings at the very end stay with what is before them
    return 90 + (6 - std::min<int>(after.level, 6));
  }
  if (before.kind == after.kind) {
    if (after.kind == BlockKind::table_row) return 70;
    if (after.kind == BlockKind::list_item) return after.level <= 1 ? 70 : 65;
    return 80;
  }
  if (after.kind == BlockKind::list_item || after.kind == BlockKind::caption) return 65;
  return 80;
}

bool ChunkStructure::opens_section(size_t block) const {
  return is_heading(block) && block < last_content_ && (block == 0 || !is_heading(block - 1));
}

size_t ChunkStructure::block_at(size_t position, size_t hint) const {
  while (hint > 0 && blocks_[hint - 1].end > position) --hint;
  while (hint < blocks_.size() && blocks_[hint].end <= position) ++hint;
  return hint;
}

const std::string& ChunkStructure::heading_path(size_t block) {
  bool changed = false;
  for (; stack_blocks_ < block; ++stack_blocks_) {
    const Block& heading = blocks_[stack_blocks_];
    if (heading.kind != BlockKind::heading) continue;
    const uint8_t level = std::max<uint8_t>(heading.level, 1);
    while (!stack_.empty() && stack_.back().level >= level) stack_.pop_back();
    stack_.push_back({level, heading_text(text_.substr(heading.begin, heading.end - heading.begin))});
    changed = true;
  }
  if (!changed) return path_;
  path_.clear();
  for (const Heading& heading : stack_) {
    if (heading.text.empty() || heading.text == title_) continue;
    if (!path_.empty()) path_ += " > ";
    path_ += heading.text;
  }
  return path_;
}

}  // namespace headrace
