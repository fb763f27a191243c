// Vector search over the sets of several segments: sets in lists by search_lists.h, others exactly,
// one query at a time or many that share each pass over the vectors.
//
// Owns: nothing. Threads: pure; a batch uses the pool given. Errors: invalid_argument, not_found.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/search.h"
#include "index/search_lists.h"
#include "index/search_top_rows.h"
#include "runtime/thread_pool.h"

namespace headrace::index {

using VectorTop = TopRows<float>;

// The sets of one space, segment by segment.
struct VectorSpace {
  uint32_t dimension = 0;
  Metric metric = Metric::cosine;
  std::vector<std::vector<const VectorSet*>> sets;
  std::vector<std::vector<ListFilter>> filters;  // of sets in lists, by resolve_filters
};

// nullopt: no row has a vector in the space. invalid_argument when sets differ in kind.
Result<std::optional<VectorSpace>> open_space(std::span<const SegmentView> segments,
                                              std::string_view space);

// Once for a batch, before best_vectors. allowed[segment] is empty where all rows are.
void resolve_filters(VectorSpace& space, std::span<const std::vector<uint64_t>> allowed);

// The query as it is compared: of length 1 under cosine. invalid_argument for a wrong dimension,
// values that are not finite, and the zero vector under cosine.
Result<std::vector<float>> prepare_vector(const VectorSpace& space, std::span<const float> query);

// The best rows for each query (each prepared). allowed[segment] is empty where all rows are. With
// a pool, sets in lists are searched side by side: the same answers.
std::vector<VectorTop> best_vectors(const VectorSpace& space,
                                    std::span<const std::vector<uint64_t>> allowed,
                                    std::span<const std::span<const float>> queries, size_t k,
                                    double recall, ThreadPool* pool = nullptr);

// One row's score against a prepared query; nullopt when it has no vector.
std::optional<float> vector_score(const VectorSpace& space, uint32_t segment, uint32_t row,
                                  std::span<const float> query);

}  // namespace headrace::index
