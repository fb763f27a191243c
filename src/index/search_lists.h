// Search of a large set of vectors through its lists (vector_lists.h). A query scans the codes of
// the lists that may hold a better row than its k-th so far, and reranks what the codes' noise
// cannot rule out; how far "may" goes is the measured effort for the recall asked for.
//
// Owns: nothing beyond a call. Threads: pure functions. Errors: none; callers check the queries.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/search_top_rows.h"
#include "index/vector_lists.h"

namespace headrace::index {

// Which places of a set a filter lets through; made once for a batch.
struct ListFilter {
  bool all = true;
  uint32_t count = 0;
  std::vector<uint32_t> blocks;  // a bit for each vector of each code block
  std::vector<uint32_t> places;  // ascending; only when there are few
};
ListFilter resolve_list_filter(const VectorLists& lists, std::span<const uint64_t> allowed);

// Adds the best rows for each query (unit vectors under cosine) to its `tops`.
void search_lists(const VectorLists& lists, uint32_t segment, const ListFilter& filter,
                  std::span<const std::span<const float>> queries, size_t k, double recall,
                  std::span<TopRows<float>> tops);

// One row's score, as search_lists gives it.
float list_score(const VectorLists& lists, uint32_t place, const float* query, float square);

}  // namespace headrace::index
