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

// Which places of a set a filter lets through; made once for a batch. Where most pass, rows are
// asked for one by one as they are found; where few do, blocks without any are not even scanned.
struct ListFilter {
  bool all = true;
  uint64_t count = 0;
  std::span<const uint64_t> rows;  // a bit for each row: most pass
  std::vector<uint32_t> blocks;    // a bit for each vector of each code block: few pass
  std::vector<uint32_t> places;    // ascending; only when there are very few
};
// `allowed` must outlive the filter.
ListFilter resolve_list_filter(const VectorLists& lists, std::span<const uint64_t> allowed);

// Adds the best rows for each query (unit vectors under cosine) to its `tops`.
void search_lists(const VectorLists& lists, uint32_t segment, const ListFilter& filter,
                  std::span<const std::span<const float>> queries, size_t k, double recall,
                  std::span<TopRows<float>> tops);

// What the rows of a list have in common for a query.
struct ListBase {
  float product = 0;   // query · centroid; Euclidean: less half the centroid's square
  float distance = 0;  // of query and centroid
  float unit = 0;      // of corrections, for a row with scale 1
};
// `square`: the query's.
ListBase list_base(const VectorLists& lists, uint32_t list, const float* query, float square);

// One row's score, as search_lists gives it.
float list_score(const VectorLists& lists, uint32_t place, const float* query, float square);
float list_score(const VectorLists& lists, uint32_t place, const float* query, float square,
                 const ListBase& base);

}  // namespace headrace::index
