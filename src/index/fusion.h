// Fusion: one score from the text score and the vector score of the same row.
//
// Owns: nothing. Threads: pure. Errors: none.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "index/search.h"

namespace headrace::index {

// A row that one of the two searches (or both) found. Where only one found it, the other score is
// computed for it, so it is missing only where the row has no vector.
struct FusionRow {
  uint32_t segment = 0;
  uint32_t row = 0;
  float text = 0;
  std::optional<float> vector;
  float fused = 0;           // set by fuse(), as are the ranks
  uint32_t text_rank = 0;    // from 1; 0 where no word of the query occurs
  uint32_t vector_rank = 0;  // 0 where there is no vector
};

// How many of the best rows of each search take part.
inline constexpr size_t kFusionDepth = 100;

void fuse(std::span<FusionRow> rows, const FusionOptions& options);

}  // namespace headrace::index
