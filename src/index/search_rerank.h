// Reordering candidates after they are ranked: by age (decay), by being unlike one another (MMR),
// to one for each value of a column (groups).
//
// Owns: nothing. Threads: pure. Errors: invalid_argument for settings that make no sense, columns
// that no row has, diversity without vectors.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/search.h"
#include "index/search_ranking.h"

namespace headrace::index {

// How many of the best candidates are looked at when they are put into another order.
inline constexpr size_t kRerankDepth = 1000;
inline constexpr size_t kDiversityDepth = 200;

// A candidate's place is kept beside it, so that explanations find it again.
struct RerankedRow {
  Candidate candidate;
  std::optional<float> decay;
};

// Scores are brought to 0 … 1 among the candidates, then halve with each half-life of age. A row
// without a time counts as it is.
Status apply_decay(std::span<const SegmentView> segments, const Decay& decay,
                   std::vector<RerankedRow>& rows);

// Takes one row after the other: the one with the most of
// λ · score (0 … 1) − (1 − λ) · greatest likeness to those taken (cosine of their vectors).
Status apply_diversity(const VectorSpace& space, double lambda, size_t count,
                       std::vector<RerankedRow>& rows);

// Keeps the first row of each value; rows without a value are each a group of their own.
Status keep_groups(std::span<const SegmentView> segments, std::string_view column,
                   std::vector<RerankedRow>& rows);

}  // namespace headrace::index
