// Filter: `lang = 'de' and year >= 2020 and source like 'docs/%' and tag in ('a','b')`.
//
// Grammar: or, and, not, parentheses; = != <> < <= > >=, like / not like (% and _), in / not in,
// between, is null / is not null, contains (an item of a list); names bare or in "double quotes";
// strings in 'single quotes' ('' is one quote); numbers, true, false. A comparison with null is not
// true (also under not); a title or heading that is not there is both null and ''. Lists are met by
// any of their items, whether these or the value are written as a number or as a text. Comparing a
// column with a value of another type explains both types.
//
// Owns: its syntax tree. Threads: immutable, safe. Errors: invalid_argument with the position and
// what was expected; nesting and length are bounded.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/columns.h"
#include "index/section.h"

namespace headrace::index {

class Filter {
 public:
  static Result<Filter> parse(std::string_view expression);
  ~Filter();
  Filter(Filter&&) noexcept;
  Filter& operator=(Filter&&) noexcept;
  Filter(const Filter&);

  // Rows of the segment that match. A column that no row has is null everywhere.
  Result<RowBitmap> evaluate(const Columns& columns) const;
  // The same for all segments of a snapshot. A type that does not fit is an error only when it fits
  // in no segment, so a column may hold texts here and numbers there.
  Result<std::vector<RowBitmap>> evaluate(std::span<const Columns* const> segments) const;
  std::string text() const;
  // What to say where nothing was found: columns that are named and that no row has ("" where there
  // are none), with those that there are.
  std::string unknown_columns(std::span<const Columns* const> segments) const;

  struct Node;

 private:
  explicit Filter(std::shared_ptr<const Node> root);
  std::shared_ptr<const Node> root_;
};

}  // namespace headrace::index
