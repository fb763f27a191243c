#include "index/filter_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "index/column_reader.h"

namespace headrace::index {
namespace {

bool is_number(ColumnType type) {
  return type == ColumnType::integer || type == ColumnType::number;
}

// A time that is written as a text.
std::optional<double> time_of(const Literal& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text == nullptr ? std::nullopt : parse_time(*text);
}

}  // namespace

namespace {

std::string literal_text(const Literal& value) {
  return std::visit([](const auto& held) { return item_text(Value(held)); }, value);
}

// The literal as the items of a list are: lists hold what they were given, so that '5' is 5 there
// and 5 is '5'. Nothing where it cannot be one.
std::optional<Literal> as_item(const Literal& value, ColumnType item) {
  if (item == ColumnType::text) return literal_text(value);
  const auto* text = std::get_if<std::string>(&value);
  if (item == ColumnType::boolean) {
    if (std::holds_alternative<bool>(value)) return value;
    if (text == nullptr || (*text != "true" && *text != "false")) return std::nullopt;
    return *text == "true";
  }
  if (std::holds_alternative<bool>(value)) return std::nullopt;
  if (text == nullptr) return value;
  const char* const end = text->data() + text->size();
  int64_t whole = 0;
  if (const auto read = std::from_chars(text->data(), end, whole);
      read.ec == std::errc() && read.ptr == end)
    return whole;
  double real = 0;
  if (const auto read = std::from_chars(text->data(), end, real);
      read.ec == std::errc() && read.ptr == end)
    return real;
  if (const auto time = parse_time(*text)) return *time;
  return std::nullopt;
}

}  // namespace

bool literal_fits(const Literal& value, ColumnType type) {
  if (is_list(type)) return as_item(value, item_type(type)).has_value();
  if (std::holds_alternative<std::string>(value)) {
    return type == ColumnType::text || (is_number(type) && time_of(value));
  }
  if (std::holds_alternative<bool>(value)) return type == ColumnType::boolean;
  return is_number(type);
}

std::string literal_name(const Literal& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    std::string shown = text->substr(0, 40);
    return fmt::format("the text '{}{}'", shown, shown.size() < text->size() ? "…" : "");
  }
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return fmt::format("the number {}", *integer);
  }
  return fmt::format("the number {}", std::get<double>(value));
}

namespace {

// A range of dictionary codes or a set of them: what a condition on texts comes down to.
struct CodeSet {
  uint64_t begin = 0;
  uint64_t end = 0;
  std::vector<bool> listed;  // used instead of the range when not empty

  bool contains(uint64_t code) const {
    return listed.empty() ? code >= begin && code < end : code < listed.size() && listed[code];
  }
};

// For a column of numbers: times are seconds since 1970.
Condition with_numbers(const Condition& condition) {
  Condition changed = condition;
  for (Literal& value : changed.values) {
    if (const auto time = time_of(value)) value = *time;
  }
  return changed;
}

// For the items of a list; values of `in` that cannot be one are left out.
Condition with_items(const Condition& condition, ColumnType item) {
  Condition changed = condition;
  changed.values.clear();
  for (const Literal& value : condition.values) {
    if (auto converted = as_item(value, item)) changed.values.push_back(std::move(*converted));
  }
  return changed;
}

const std::string& text_of(const Literal& value) {
  return std::get<std::string>(value);
}

// Wide enough for every whole number of 64 bits: none equals its neighbour.
long double number_of(const Literal& value) {
  const auto* integer = std::get_if<int64_t>(&value);
  return integer != nullptr ? static_cast<long double>(*integer) : std::get<double>(value);
}

// The codes of texts that begin with `prefix`.
std::pair<uint64_t, uint64_t> prefix_range(const ColumnView& column, std::string prefix) {
  const uint64_t begin = column.lower_bound(prefix);
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xFF) prefix.pop_back();
  if (prefix.empty()) return {begin, column.dictionary_count};
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return {begin, column.lower_bound(prefix)};
}

uint64_t after(const ColumnView& column, std::string_view text) {
  const uint32_t code = column.lower_bound(text);
  return code < column.dictionary_count && column.text(code) == text ? code + 1 : code;
}

CodeSet like_codes(const ColumnView& column, const Condition& condition) {
  std::string_view rest;
  const std::string& pattern = text_of(condition.values[0]);
  std::string prefix = like_prefix(pattern, condition.escape, rest);
  CodeSet codes;
  if (rest.empty()) {
    codes.begin = column.lower_bound(prefix);
    codes.end = after(column, prefix);
    return codes;
  }
  const size_t prefix_bytes = prefix.size();
  std::tie(codes.begin, codes.end) = prefix_range(column, std::move(prefix));
  if (rest == "%") return codes;
  codes.listed.resize(column.dictionary_count);
  if (codes.listed.empty()) return {};
  for (uint64_t code = codes.begin; code < codes.end; ++code) {
    const std::string_view text = column.text(code);
    codes.listed[code] = text.size() >= prefix_bytes &&
                         like_matches(text.substr(prefix_bytes), rest, condition.escape);
  }
  return codes;
}

bool number_matches(double x, const Condition& condition) {
  const long double bound = number_of(condition.values[0]);
  switch (condition.op) {
    case FilterOp::equal:
    case FilterOp::contains:
      return x == bound;
    case FilterOp::less:
      return x < bound;
    case FilterOp::less_equal:
      return x <= bound;
    case FilterOp::greater:
      return x > bound;
    case FilterOp::greater_equal:
      return x >= bound;
    case FilterOp::between:
      return x >= bound && x <= number_of(condition.values[1]);
    case FilterOp::in:
      return std::ranges::any_of(condition.values, [&](const Literal& value) {
        return literal_fits(value, ColumnType::number) && x == number_of(value);
      });
    default:
      return false;
  }
}

bool text_matches(std::string_view x, const Condition& condition) {
  const auto bound = [&](size_t i) -> const std::string& { return text_of(condition.values[i]); };
  switch (condition.op) {
    case FilterOp::equal:
      return x == bound(0);
    case FilterOp::less:
      return x < bound(0);
    case FilterOp::less_equal:
      return x <= bound(0);
    case FilterOp::greater:
      return x > bound(0);
    case FilterOp::greater_equal:
      return x >= bound(0);
    case FilterOp::between:
      return x >= bound(0) && x <= bound(1);
    case FilterOp::like:
      return like_matches(x, bound(0), condition.escape);
    case FilterOp::contains:
      return x.contains(bound(0));
    case FilterOp::in:
      return std::ranges::any_of(condition.values, [&](const Literal& value) {
        const auto* text = std::get_if<std::string>(&value);
        return text != nullptr && *text == x;
      });
    case FilterOp::is_null:
      return false;
  }
  return false;
}

bool compares(FilterOp op) {
  switch (op) {
    case FilterOp::equal:
    case FilterOp::less:
    case FilterOp::less_equal:
    case FilterOp::greater:
    case FilterOp::greater_equal:
    case FilterOp::between:
    case FilterOp::in:
      return true;
    case FilterOp::like:
    case FilterOp::contains:
    case FilterOp::is_null:
      return false;
  }
  return false;
}

// Texts that are times are compared as times with bounds that are times; others as texts.
std::optional<CodeSet> matching_times(const ColumnView& column, const Condition& condition) {
  if (!compares(condition.op)) return std::nullopt;
  Condition times = condition;
  for (Literal& value : times.values) {
    const auto time = time_of(value);
    if (!time) {
      if (condition.op == FilterOp::in) continue;
      return std::nullopt;
    }
    value = *time;
  }
  std::erase_if(times.values,
                [](const Literal& value) { return !std::holds_alternative<double>(value); });
  if (times.values.empty()) return std::nullopt;
  CodeSet codes;
  codes.listed.resize(column.dictionary_count);
  if (codes.listed.empty()) return CodeSet();
  for (uint64_t code = 0; code < column.dictionary_count; ++code) {
    const std::string_view text = column.text(code);
    const auto time = parse_time(text);
    codes.listed[code] = (time && number_matches(*time, times)) ||
                         ((!time || condition.op == FilterOp::in) && text_matches(text, condition));
  }
  return codes;
}

CodeSet matching_codes(const ColumnView& column, const Condition& condition) {
  if (auto times = matching_times(column, condition)) return std::move(*times);
  const uint64_t all = column.dictionary_count;
  CodeSet codes;
  switch (condition.op) {
    case FilterOp::equal:
      codes.begin = column.lower_bound(text_of(condition.values[0]));
      codes.end = after(column, text_of(condition.values[0]));
      break;
    case FilterOp::less:
      codes.end = column.lower_bound(text_of(condition.values[0]));
      break;
    case FilterOp::less_equal:
      codes.end = after(column, text_of(condition.values[0]));
      break;
    case FilterOp::greater:
      codes.begin = after(column, text_of(condition.values[0]));
      codes.end = all;
      break;
    case FilterOp::greater_equal:
      codes.begin = column.lower_bound(text_of(condition.values[0]));
      codes.end = all;
      break;
    case FilterOp::between:
      codes.begin = column.lower_bound(text_of(condition.values[0]));
      codes.end = after(column, text_of(condition.values[1]));
      break;
    case FilterOp::like:
      return like_codes(column, condition);
    case FilterOp::contains:
      if (column.type == ColumnType::text) {
        codes.listed.resize(all);
        for (uint64_t code = 0; code < all; ++code) {
          codes.listed[code] = column.text(code).contains(text_of(condition.values[0]));
        }
        break;
      }
      codes.begin = column.lower_bound(text_of(condition.values[0]));
      codes.end = after(column, text_of(condition.values[0]));
      break;
    case FilterOp::in:
      codes.listed.resize(all);
      for (const Literal& value : condition.values) {
        const auto* text = std::get_if<std::string>(&value);
        if (text == nullptr) continue;
        const uint32_t code = column.lower_bound(*text);
        if (code < all && column.text(code) == *text) codes.listed[code] = true;
      }
      break;
    case FilterOp::is_null:
      break;
  }
  return codes;
}

// Sets the rows whose value is at a place for which `matches` says so; of a list any item.
template <typename Matches>
void match_places(const ColumnView& column, bool negated, RowBitmap& rows, const Matches& matches) {
  if (!is_list(column.type)) {
    column.for_each([&](uint32_t row, uint32_t i) {
      if (matches(i) != negated) rows.set(row);
    });
    return;
  }
  column.for_each([&](uint32_t row, uint32_t i) {
    const auto [first, last] = column.list_range(i);
    bool any = false;
    for (uint64_t at = first; at < last && !any; ++at) any = matches(at);
    if (any != negated) rows.set(row);
  });
}

void match_texts(const ColumnView& column, const Condition& condition, RowBitmap& rows) {
  const CodeSet codes = matching_codes(column, condition);
  match_places(column, condition.negated, rows,
               [&](uint64_t at) { return codes.contains(column.packed(at)); });
}

void match_booleans(const ColumnView& column, const Condition& condition, RowBitmap& rows) {
  bool wanted[2] = {false, false};
  for (const Literal& value : condition.values) {
    if (const auto* boolean = std::get_if<bool>(&value)) wanted[*boolean ? 1 : 0] = true;
  }
  match_places(column, condition.negated, rows,
               [&](uint64_t at) { return wanted[column.boolean(at) ? 1 : 0]; });
}

// Whole numbers between two bounds; empty when low > high.
struct IntegerRange {
  int64_t low = std::numeric_limits<int64_t>::min();
  int64_t high = std::numeric_limits<int64_t>::max();
};

// The least whole number not below `value` (or above it, when `strictly`), if there is one.
std::optional<int64_t> integer_above(const Literal& value, bool strictly) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    if (!strictly) return *integer;
    if (*integer == std::numeric_limits<int64_t>::max()) return std::nullopt;
    return *integer + 1;
  }
  double bound = std::ceil(std::get<double>(value));
  if (strictly && bound == std::get<double>(value)) bound += 1;
  if (bound >= 0x1p63) return std::nullopt;
  return bound < -0x1p63 ? std::numeric_limits<int64_t>::min() : static_cast<int64_t>(bound);
}

std::optional<int64_t> integer_below(const Literal& value, bool strictly) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    if (!strictly) return *integer;
    if (*integer == std::numeric_limits<int64_t>::min()) return std::nullopt;
    return *integer - 1;
  }
  double bound = std::floor(std::get<double>(value));
  if (strictly && bound == std::get<double>(value)) bound -= 1;
  if (bound < -0x1p63) return std::nullopt;
  return bound >= 0x1p63 ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>(bound);
}

IntegerRange integer_range(const Condition& condition) {
  constexpr IntegerRange kNone = {1, 0};
  const auto& values = condition.values;
  const FilterOp op = condition.op;
  const bool has_low = op != FilterOp::less && op != FilterOp::less_equal;
  const bool has_high = op != FilterOp::greater && op != FilterOp::greater_equal;
  IntegerRange range;
  if (has_low) {
    const auto low = integer_above(values.front(), op == FilterOp::greater);
    if (!low) return kNone;
    range.low = *low;
  }
  if (has_high) {
    const auto high = integer_below(values.back(), op == FilterOp::less);
    if (!high) return kNone;
    range.high = *high;
  }
  return range;
}

void match_integers(const ColumnView& column, const Condition& condition, RowBitmap& rows) {
  if (condition.op != FilterOp::in) {
    const IntegerRange range = integer_range(condition);
    return match_places(column, condition.negated, rows, [&](uint64_t at) {
      const int64_t value = column.integer(at);
      return value >= range.low && value <= range.high;
    });
  }
  std::vector<int64_t> wanted;
  for (const Literal& value : condition.values) {
    if (!literal_fits(value, ColumnType::integer)) continue;
    const auto low = integer_above(value, false);
    const auto high = integer_below(value, false);
    if (low && high && *low == *high) wanted.push_back(*low);
  }
  std::ranges::sort(wanted);
  match_places(column, condition.negated, rows,
               [&](uint64_t at) { return std::ranges::binary_search(wanted, column.integer(at)); });
}

// What is not a number is neither equal nor unequal to one.
void match_numbers(const ColumnView& column, const Condition& condition, RowBitmap& rows) {
  std::vector<long double> wanted;
  if (condition.op == FilterOp::in) {
    for (const Literal& value : condition.values) {
      if (literal_fits(value, ColumnType::number)) wanted.push_back(number_of(value));
    }
    std::ranges::sort(wanted);
  }
  const bool negated = condition.negated && !is_list(column.type);
  const auto matches = [&](uint64_t at) {
    const double x = column.number(at);
    if (std::isnan(x)) return false;
    const bool found = condition.op == FilterOp::in
                           ? std::ranges::binary_search(wanted, static_cast<long double>(x))
                           : number_matches(x, condition);
    return found != negated;
  };
  match_places(column, condition.negated && is_list(column.type), rows, matches);
}

}  // namespace

void match_keys(const Columns::State& columns, const Condition& condition, RowBitmap& rows) {
  for (uint32_t row = 0; row < columns.row_count; ++row) {
    const std::string key = columns.row_key_of(row);
    if (!key.empty() && text_matches(key, condition) != condition.negated) rows.set(row);
  }
}

bool condition_applies(const Condition& condition, ColumnType type) {
  const FilterOp op = condition.op;
  if (op == FilterOp::is_null) return true;
  const bool some =
      op == FilterOp::in
          ? std::ranges::any_of(condition.values,
                                [&](const Literal& v) { return literal_fits(v, type); })
          : std::ranges::all_of(condition.values,
                                [&](const Literal& v) { return literal_fits(v, type); });
  if (!some || (!compares(op) && op != FilterOp::contains && !is_text(type))) return false;
  const bool ranged = op == FilterOp::less || op == FilterOp::less_equal ||
                      op == FilterOp::greater || op == FilterOp::greater_equal ||
                      op == FilterOp::between;
  return !ranged || (type != ColumnType::boolean && !is_list(type));
}

bool matches_empty_text(const Condition& condition) {
  if (condition.op == FilterOp::is_null || !condition_applies(condition, ColumnType::text))
    return false;
  // As in matching_times(): no time is before or after no text at all.
  const bool of_times = compares(condition.op) && condition.op != FilterOp::in &&
                        std::ranges::all_of(condition.values, [](const Literal& value) {
                          return time_of(value).has_value();
                        });
  return (!of_times && text_matches("", condition)) != condition.negated;
}

void match_column(const ColumnView& column, const Condition& condition, RowBitmap& rows) {
  if (!condition_applies(condition, column.type)) return;
  const ColumnType item = item_type(column.type);
  if (is_list(column.type)) {
    const Condition of_items = with_items(condition, item);
    if (item == ColumnType::text) return match_texts(column, of_items, rows);
    if (item == ColumnType::boolean) return match_booleans(column, of_items, rows);
    if (item == ColumnType::integer) return match_integers(column, of_items, rows);
    return match_numbers(column, of_items, rows);
  }
  switch (column.type) {
    case ColumnType::boolean:
      return match_booleans(column, condition, rows);
    case ColumnType::integer:
      return match_integers(column, with_numbers(condition), rows);
    case ColumnType::number:
      return match_numbers(column, with_numbers(condition), rows);
    default:
      return match_texts(column, condition, rows);
  }
}

}  // namespace headrace::index
