// Reading one column by name over the segments of a snapshot, whatever types it has where: to sort
// by it, to group by it, to count its values.
//
// Owns: nothing; views the columns. Threads: const and safe. Errors: invalid_argument for a column
// that no row has, or that holds what cannot be sorted.
#pragma once

#include <compare>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "index/columns_state.h"
#include "index/search.h"

namespace headrace::index {

// A value without a copy of its text. Values of different kinds are ordered by kind: booleans,
// numbers, texts.
using CellValue = std::variant<bool, int64_t, double, std::string_view>;
std::strong_ordering compare_cells(const CellValue& a, const CellValue& b);
Value to_value(const CellValue& cell);

class ColumnReader {
 public:
  // An unknown column is an error that names those that are known.
  static Result<ColumnReader> open(std::span<const SegmentView> segments, std::string_view name);

  // nullopt: null, or a list.
  std::optional<CellValue> value(uint32_t segment, uint32_t row) const;
  bool has_lists() const { return has_lists_; }
  std::span<const ColumnView> views(uint32_t segment) const { return views_[segment]; }

 private:
  std::vector<std::span<const ColumnView>> views_;  // all types of the column, for each segment
  bool has_lists_ = false;
};

// Of a list: an item, by its place.
CellValue cell_of(const ColumnView& view, uint64_t i);

// Seconds since 1970 of an ISO 8601 time: a date, or a date and a time of day, UTC where it names
// no zone. nullopt: it is none.
std::optional<double> parse_time(std::string_view text);

}  // namespace headrace::index
