#include "transform/chunk_structure.h"

#include <algorithm>

#include "base/utf8.h"
#include "transform/sentence.h"

namespace headrace {
namespace {

// Longer headings are cut in the path (never in the text).
constexpr size_t kHeadingBytesMax = 240;

bool has_words(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

// A comment, an attribute or the like above the signature of a definition.
bool is_preamble(std::string_view line) {
  const char last = line.empty() ? ' ' : line.back();
  return line.find_first_of("/*#@-;!") == 0 || line.starts_with("template") || last == ':';
}

// The lines of a heading that name it: without underlines, and of a definition in source code
// without what stands above its signature (the last line that is indented least begins that).
std::string_view naming_lines(std::string_view heading, size_t indentation) {
  if (!is_preamble(heading.substr(0, heading.find('\n')))) return heading;
  size_t found = 0;
  size_t least = indentation;
  for (size_t begin = 0; begin < heading.size();) {
    const size_t end = std::min(heading.find('\n', begin), heading.size());
    const std::string_view line = heading.substr(begin, end - begin);
    const size_t width = line.find_first_not_of(" \t");
    if (begin > 0 && width != std::string_view::npos && width <= least && has_words(line)) {
      found = begin;
      least = width;
    }
    begin = end + 1;
  }
  return heading.substr(found);
}

std::string heading_text(std::string_view text) {
  std::string out;
  for (size_t begin = 0; begin < text.size() && out.size() < kHeadingBytesMax;) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!has_words(line) && !out.empty()) continue;
    bool space = !out.empty();
    for (const char c : line) {
      if (c == ' ' || c == '\t' || c == '\r') {
        space = !out.empty();
        continue;
      }
      if (space) out.push_back(' ');
      space = false;
      out.push_back(c);
      if (out.size() >= kHeadingBytesMax) break;
    }
  }
  out.resize(code_point_floor(out, std::min(out.size(), kHeadingBytesMax)));
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
    block.begin =
        static_cast<uint32_t>(code_point_floor(text_, std::min<size_t>(block.begin, text_.size())));
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
  if (ends_sections(block)) return 90 + (6 - std::min<int>(after.level, 6));
  if (before.kind == after.kind) {
    if (after.kind == BlockKind::table_row) return 70;
    if (after.kind == BlockKind::list_item) return after.level <= 1 ? 70 : 65;
    return 80;
  }
  if (after.kind == BlockKind::list_item || after.kind == BlockKind::caption) return 65;
  return 80;
}

bool ChunkStructure::opens_section(size_t block) const {
  if (ends_sections(block)) return true;
  return is_heading(block) && block < last_content_ && (block == 0 || !is_heading(block - 1));
}

size_t ChunkStructure::block_at(size_t position, size_t hint) const {
  while (hint > 0 && blocks_[hint - 1].end > position) --hint;
  while (hint < blocks_.size() && blocks_[hint].end <= position) ++hint;
  return hint;
}

bool ChunkStructure::close_sections(uint8_t level) {
  const size_t before = stack_.size();
  while (!stack_.empty() && stack_.back().level >= level) stack_.pop_back();
  return stack_.size() != before;
}

const std::string& ChunkStructure::heading_path(size_t block) {
  bool changed = false;
  for (; stack_blocks_ < block; ++stack_blocks_) {
    const Block& heading = blocks_[stack_blocks_];
    if (ends_sections(stack_blocks_)) changed |= close_sections(heading.level);
    if (heading.kind != BlockKind::heading) continue;
    const uint8_t level = std::max<uint8_t>(heading.level, 1);
    close_sections(level);
    const size_t line_break =
        heading.begin == 0 ? std::string_view::npos : text_.rfind('\n', heading.begin - 1);
    const size_t line_begin = line_break == std::string_view::npos ? 0 : line_break + 1;
    const std::string_view lines = text_.substr(heading.begin, heading.end - heading.begin);
    stack_.push_back({level, heading_text(naming_lines(lines, heading.begin - line_begin))});
    changed = true;
  }
  if (block < blocks_.size() && ends_sections(block))
    changed |= close_sections(blocks_[block].level);
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
