// The syntax tree of a filter. "not" never appears in it: the parser pushes it down to the
// conditions, which is exact under three-valued logic (a condition on a null is neither true nor
// false, negated or not).
//
// Owns: its strings. Threads: immutable once parsed. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "index/filter.h"

namespace headrace::index {

enum class FilterOp : uint8_t {
  equal,
  less,
  less_equal,
  greater,
  greater_equal,
  between,
  in,
  like,
  contains,
  is_null,
};

using Literal = std::variant<bool, int64_t, double, std::string>;

// One comparison of a column.
struct Condition {
  std::string column;
  FilterOp op = FilterOp::equal;
  bool negated = false;
  std::vector<Literal> values;  // between: low and high; in: all
  char escape = '\\';           // like
  uint32_t position = 0;        // of the column in the expression, in characters from 1
};

struct Filter::Node {
  enum class Kind : uint8_t { all_of, any_of, condition };
  Kind kind = Kind::condition;
  std::vector<Node> children;
  Condition condition;
  std::string text;  // of the whole expression; the root only
};

// Negates a tree in place (De Morgan). Depth is bounded by the parser.
void negate(Filter::Node& node);
Result<Filter::Node> parse_filter(std::string_view expression);

// Whether `text` matches a LIKE pattern: % is any run of characters, _ is one character.
bool like_matches(std::string_view text, std::string_view pattern, char escape);
// The characters before the first wildcard, unescaped; `rest` is what follows them in the pattern.
std::string like_prefix(std::string_view pattern, char escape, std::string_view& rest);

}  // namespace headrace::index
