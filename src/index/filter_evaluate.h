// Evaluating filters on the columns of several segments at once, so that a column whose type
// differs from segment to segment is judged as a whole.
//
// Owns: nothing. Threads: pure. Errors: invalid_argument for a comparison of types that no segment
// can make sense of.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "index/filter.h"

namespace headrace::index {

Result<std::vector<RowBitmap>> evaluate_filter(const Filter::Node& root,
                                               std::span<const Columns* const> segments);

}  // namespace headrace::index
