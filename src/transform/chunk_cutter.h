// The places where one document is cut: byte ranges, in order, each within the token budget.
//
// Greedy from the front: each row is as long as the budget allows and ends at the strongest border
// in its last half. Borders are looked for backwards from the limit, so the work beside tokenising
// is a few hundred bytes a row, and linear in the document whatever it holds.
//
// Owns: the window of tokens; document, structure and tokenizer must outlive it. Threads: one
// thread at a time. Errors: none.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "transform/chunk_structure.h"
#include "transform/chunk_window.h"

namespace headrace {

struct CutLimits {
  size_t tokens = 0;   // of a row's text, without title and special tokens
  size_t overlap = 0;  // tokens
  size_t bytes = 0;    // of a row's text: keeps rows small where tokens are huge (white space, UNK)
};

struct CutRange {
  size_t begin = 0;
  size_t end = 0;
  bool empty() const { return begin >= end; }
};

class ChunkCutter {
 public:
  // `excess(slice)` says by how many tokens a slice is over the budget when it is encoded on its
  // own, 0 when it fits.
  using Excess = std::function<size_t(CutRange)>;

  ChunkCutter(const Tokenizer& tokenizer, std::string_view text, const ChunkStructure& structure,
              CutLimits limits, Excess excess);

  // The next row, empty at the end of the document.
  CutRange next();

 private:
  size_t choose_end(size_t begin, size_t tokens);
  size_t choose_inside(size_t block, size_t begin, size_t half, size_t limit, size_t tokens);
  CutRange fit(size_t begin);
  size_t overlap_begin(size_t begin, size_t end);
  size_t overlap_in_text(size_t from, size_t end, size_t first_block) const;
  size_t border_before_block(size_t block) const;

  std::string_view text_;
  const ChunkStructure& structure_;
  CutLimits limits_;
  Excess excess_;
  ChunkWindow window_;
  size_t position_ = 0;  // where the next row begins
  size_t done_ = 0;      // the text before this is in rows; a row ends after it
  size_t block_ = 0;     // a block at or before position_
};

}  // namespace headrace
