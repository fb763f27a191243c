#include "transform/chunk_cutter.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "transform/sentence.h"

namespace headrace {
namespace {

// A heading of level 1 or 2 begins a new row when the row before it holds at least 1/8 of the
// budget, a deeper one from a half on: sections stay apart without leaving crumbs.
constexpr uint8_t kMajorHeadingLevel = 2;
constexpr size_t kMajorFraction = 8;
// How often a row that came out too long is cut again at a good border before force is used.
constexpr int kRetriesMax = 4;

}  // namespace

ChunkCutter::ChunkCutter(const Tokenizer& tokenizer, std::string_view text,
                         const ChunkStructure& structure, CutLimits limits, Excess excess)
    : text_(text.substr(0, trim_white_space(text, 0, text.size()))),
      structure_(structure),
      limits_(limits),
      excess_(std::move(excess)),
      window_(tokenizer, text_) {
  limits_.overlap = std::min(limits_.overlap, limits_.tokens / 2);
  position_ = skip_white_space(text_, 0, text_.size());
  done_ = position_;
}

// Where a cut before `block` ends the row: behind the last text that is no heading directly above.
size_t ChunkCutter::border_before_block(size_t block) const {
  while (block > 0 && structure_.is_heading(block - 1)) --block;
  return block == 0 ? 0 : structure_.blocks()[block - 1].end;
}

// The end of a row that begins at `begin` and may hold `tokens`. Not after done_ if there is no
// such place (the caller then gives up the overlap).
size_t ChunkCutter::choose_end(size_t begin, size_t tokens) {
  const auto& blocks = structure_.blocks();
  const size_t limit = window_.limit(begin, tokens, limits_.bytes);
  const size_t half = window_.limit(begin, tokens / 2, limits_.bytes / 2);
  const size_t major = window_.limit(begin, tokens / kMajorFraction, limits_.bytes);
  size_t i = structure_.block_at(begin, block_);
  block_ = i;
  bool content = false;
  size_t best = 0;
  BorderStrength best_strength = 0;
  for (; i < blocks.size() && blocks[i].end <= limit; ++i) {
    content = content || !structure_.is_heading(i);
    const size_t end = blocks[i].end;
    if (i + 1 == blocks.size()) return end;
    if (end <= done_) continue;
    if (content && structure_.opens_section(i + 1)) {
      const bool is_major = blocks[i + 1].level <= kMajorHeadingLevel;
      if (end >= (is_major ? major : half)) return end;
    }
    const BorderStrength strength = structure_.border_before(i + 1);
    if (strength > 0 && end >= half && strength >= best_strength) {
      best = end;
      best_strength = strength;
    }
  }
  if (best_strength > 0) return best;
  if (i >= blocks.size()) return limit;
  return choose_inside(i, begin, half, limit, tokens);
}

// `block` begins before the limit and ends after it: the best place inside, or before it.
size_t ChunkCutter::choose_inside(size_t block, size_t begin, size_t half, size_t limit,
                                  size_t tokens) {
  const Block& b = structure_.blocks()[block];
  const size_t least = std::max(begin, done_);
  const size_t before = b.begin > least ? border_before_block(block) : 0;
  const bool may_stand_before = before > least;
  if (b.begin >= limit) return may_stand_before ? before : limit;
  const size_t low = std::max({half, least, size_t{b.begin}});
  const size_t line_low = std::max(least, size_t{b.begin});
  if (b.kind == BlockKind::code) {
    if (const size_t end = last_blank_line(text_, low, limit)) return end;
    if (const size_t end = last_line_end(text_, line_low, limit)) return end;
  }
  if ((b.kind == BlockKind::table_row || b.kind == BlockKind::heading) && may_stand_before &&
      window_.limit(b.begin, tokens, limits_.bytes) >= b.end) {
    return before;
  }
  if (b.kind != BlockKind::code && b.kind != BlockKind::table_row) {
    if (const size_t end = last_sentence_end(text_, low, limit)) return end;
  }
  if (const size_t end = last_clause_end(text_, low, limit)) return end;
  if (const size_t end = last_word_end(text_, low, limit)) return end;
  if (const size_t end = last_word_end(text_, line_low, low)) return end;
  if (may_stand_before) return before;
  return code_point_floor(text_, limit);
}

// A row from `begin` that fits when it is encoded alone; empty when `begin` (an overlap) leaves no
// room for anything new.
CutRange ChunkCutter::fit(size_t begin) {
  size_t tokens = limits_.tokens;
  CutRange range;
  for (int tries = 0; tries < kRetriesMax; ++tries) {
    range = {begin, trim_white_space(text_, begin, choose_end(begin, tokens))};
    if (range.end <= std::max(done_, begin)) break;
    const size_t excess = excess_(range);
    if (excess == 0) return range;
    if (excess >= tokens) break;
    tokens -= excess;
  }
  if (begin < done_) return {};
  // By force: a word longer than the budget, or a tokenizer that counts pieces quite differently.
  size_t end = range.end > begin ? range.end : window_.limit(begin, limits_.tokens, limits_.bytes);
  const uint32_t first = decode_code_point(text_, begin).length;
  end = std::max(code_point_floor(text_, end), begin + first);
  while (end > begin + first) {
    const size_t excess = excess_({begin, end});
    if (excess == 0) return {begin, end};
    const size_t length = (end - begin) * limits_.tokens / (limits_.tokens + excess);
    end =
        std::max(code_point_floor(text_, begin + std::min(length, end - begin - 1)), begin + first);
  }
  return {begin, end};
}

CutRange ChunkCutter::next() {
  while (position_ < text_.size()) {
    window_.forget_before(position_);
    CutRange range = fit(position_);
    if (range.empty()) {  // no room behind the overlap
      position_ = skip_white_space(text_, done_, text_.size());
      done_ = position_;
      continue;
    }
    const size_t begin = position_;
    done_ = range.end;
    const size_t follows = skip_white_space(text_, range.end, text_.size());
    position_ = follows < text_.size() ? overlap_begin(begin, range.end) : follows;
    if (position_ >= range.end) done_ = position_ = follows;
    // One character alone may be more than the budget: it is left out rather than let over it.
    const bool one_character =
        range.end - begin <= 4 && range.end - begin == decode_code_point(text_, begin).length;
    if (one_character && excess_(range) > 0) continue;
    return range;
  }
  return {};
}

// Where the row after [begin, end) begins: up to overlap tokens before `end`, at a sentence, line
// or word; `end` or more where nothing may be repeated.
size_t ChunkCutter::overlap_begin(size_t begin, size_t end) {
  if (limits_.overlap == 0) return end;
  const auto& blocks = structure_.blocks();
  const size_t next = structure_.block_at(end, block_);
  const auto begins_section = [this](size_t i) {
    return structure_.is_heading(i) || structure_.ends_sections(i);
  };
  if (next < blocks.size() && begins_section(next) && blocks[next].begin >= end) return end;
  size_t from = window_.back(begin, end, limits_.overlap);
  from = std::max(from, end - std::min(end, limits_.bytes / 4));
  from = std::max(from, begin + decode_code_point(text_, begin).length);
  from = skip_white_space(text_, code_point_floor(text_, from), end);
  if (from >= end) return end;
  // Not across a heading: from behind it on, or from its own begin.
  size_t first = structure_.block_at(from, block_);
  for (size_t i = std::min(next, blocks.size() - 1) + 1; i-- > first;) {
    if (!begins_section(i) || blocks[i].begin >= end) continue;
    if (blocks[i].begin < from && structure_.ends_sections(i)) break;
    if (blocks[i].begin < from) return end;
    while (i > first && structure_.is_heading(i - 1) && blocks[i - 1].begin >= from) --i;
    return blocks[i].begin;
  }
  const size_t found = overlap_in_text(from, end, first);
  return found > begin ? found : end;
}

size_t ChunkCutter::overlap_in_text(size_t from, size_t end, size_t first_block) const {
  const auto& blocks = structure_.blocks();
  size_t block_begin = end;  // the first block that begins in [from, end)
  for (size_t i = first_block; i < blocks.size() && blocks[i].begin < end; ++i) {
    if (blocks[i].begin < from) continue;
    block_begin = blocks[i].begin;
    break;
  }
  if (first_block >= blocks.size() || block_begin == from) return block_begin;
  const BlockKind kind = blocks[first_block].kind;
  if (kind == BlockKind::table_row) return block_begin;
  const size_t inside_end = std::min(block_begin, end);
  if (kind == BlockKind::code) {
    const size_t line = text_.substr(0, inside_end).find('\n', from - 1);
    return line == std::string_view::npos ? block_begin
                                          : skip_white_space(text_, line + 1, inside_end);
  }
  size_t low = from - std::min<size_t>(from - 1, 8);
  for (int tries = 0; tries < 8; ++tries) {
    const size_t sentence = first_sentence_end(text_, low, inside_end - 1);
    if (sentence == 0) break;
    const size_t begin = skip_white_space(text_, sentence, inside_end);
    if (begin >= from && begin < inside_end) return begin;
    low = sentence;
  }
  if (block_begin < end) return block_begin;
  const bool word_begins = trim_white_space(text_, from - 1, from) < from ||
                           last_word_end(text_, from - 1, from) == from;
  if (word_begins) return from;
  const size_t word = first_word_end(text_, from - 1, inside_end - 1);
  if (word == 0) return end;
  return skip_white_space(text_, word, inside_end);
}

}  // namespace headrace
