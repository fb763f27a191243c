// What a search does with columns after it knows which rows are found: sort by one, count the
// values of one.
//
// Owns: nothing. Threads: pure. Errors: those of column_reader.h.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/search.h"

namespace headrace::index {

// The `depth` first of the rows found, by the value of a column; rows without one come last, equal
// ones in order of (segment, row).
Result<std::vector<ScoredRow>> sort_rows(std::span<const SegmentView> segments,
                                         std::span<const std::vector<uint64_t>> found,
                                         std::string_view column, bool descending, size_t depth);

Result<FacetCounts> count_values(std::span<const SegmentView> segments,
                                 std::span<const std::vector<uint64_t>> found,
                                 std::string_view column, uint32_t values_max);

}  // namespace headrace::index
