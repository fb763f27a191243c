#include "index/column_reader.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

namespace headrace::index {
namespace {

constexpr size_t kNamesShown = 20;

std::string known_columns(std::span<const SegmentView> segments) {
  std::set<std::string> names;
  for (const SegmentView& segment : segments) {
    if (segment.columns == nullptr) continue;
    for (std::string& name : segment.columns->names()) names.insert(std::move(name));
  }
  std::string shown;
  size_t count = 0;
  for (const std::string& name : names) {
    if (++count > kNamesShown) return shown + ", …";
    shown += (shown.empty() ? "" : ", ") + name;
  }
  return shown;
}

template <typename Number>
std::strong_ordering order(Number a, Number b) {
  return a < b   ? std::strong_ordering::less
         : b < a ? std::strong_ordering::greater
                 : std::strong_ordering::equal;
}

// Wide enough for every whole number of 64 bits, so that none equals another.
long double as_number(const CellValue& cell) {
  const auto* integer = std::get_if<int64_t>(&cell);
  return integer != nullptr ? static_cast<long double>(*integer) : std::get<double>(cell);
}

int kind_of(const CellValue& cell) {
  return std::holds_alternative<bool>(cell)               ? 0
         : std::holds_alternative<std::string_view>(cell) ? 2
                                                          : 1;
}

}  // namespace

std::strong_ordering compare_cells(const CellValue& a, const CellValue& b) {
  const int kind = kind_of(a);
  if (kind != kind_of(b)) return kind <=> kind_of(b);
  if (kind == 0) return std::get<bool>(a) <=> std::get<bool>(b);
  if (kind == 2) return std::get<std::string_view>(a) <=> std::get<std::string_view>(b);
  if (std::holds_alternative<int64_t>(a) && std::holds_alternative<int64_t>(b)) {
    return std::get<int64_t>(a) <=> std::get<int64_t>(b);
  }
  return order(as_number(a), as_number(b));
}

Value to_value(const CellValue& cell) {
  if (const auto* text = std::get_if<std::string_view>(&cell)) return std::string(*text);
  if (const auto* boolean = std::get_if<bool>(&cell)) return *boolean;
  if (const auto* integer = std::get_if<int64_t>(&cell)) return *integer;
  return std::get<double>(cell);
}

CellValue cell_of(const ColumnView& view, uint64_t i) {
  switch (item_type(view.type)) {
    case ColumnType::boolean:
      return view.boolean(i);
    case ColumnType::integer:
      return view.integer(i);
    case ColumnType::number:
      return view.number(i);
    default:
      break;
  }
  return view.text(view.packed(i));
}

Result<ColumnReader> ColumnReader::open(std::span<const SegmentView> segments,
                                        std::string_view name) {
  ColumnReader reader;
  bool known = false;
  bool any_rows = false;
  for (const SegmentView& segment : segments) {
    auto& views = reader.views_.emplace_back();
    any_rows = any_rows || segment.row_count > 0;
    if (segment.columns == nullptr) continue;
    views = segment.columns->state().find(name);
    known = known || !views.empty();
    for (const ColumnView& view : views) {
      reader.has_lists_ = reader.has_lists_ || is_list(view.type);
    }
  }
  if (any_rows && !known) {
    return fail(ErrorCode::invalid_argument, "no row has a column '" + std::string(name) + "'",
                "there are " + known_columns(segments));
  }
  return reader;
}

std::optional<CellValue> ColumnReader::value(uint32_t segment, uint32_t row) const {
  for (const ColumnView& view : views_[segment]) {
    if (is_list(view.type)) continue;
    const auto i = view.find(row);
    if (!i) continue;
    const CellValue cell = cell_of(view, *i);
    const auto* number = std::get_if<double>(&cell);
    if (number != nullptr && std::isnan(*number)) return std::nullopt;
    return cell;
  }
  return std::nullopt;
}

namespace {

// Digits of a fixed width.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : text_(text) {}
  std::optional<int> number(size_t width) {
    if (text_.size() - at_ < width) return std::nullopt;
    int value = 0;
    for (size_t i = 0; i < width; ++i) {
      const char c = text_[at_ + i];
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    at_ += width;
    return value;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_any(std::string_view chars) {
    if (at_ >= text_.size() || !chars.contains(text_[at_])) return false;
    ++at_;
    return true;
  }
  double fraction() {
    double value = 0;
    for (double unit = 0.1; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      value += unit * (text_[at_] - '0');
      unit /= 10;
    }
    return value;
  }
  bool at_end() const { return at_ == text_.size(); }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// Days since 1970-01-01 in the Gregorian calendar.
int64_t days_of(int year, int month, int day) {
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = (y >= 0 ? y : y - 399) / 400;
  const int64_t of_era = y - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int days_in(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

// The zone at the end: seconds east of UTC.
std::optional<int> zone_of(TimeReader& reader) {
  if (reader.at_end() || reader.take_any("Zz")) return 0;
  const bool east = reader.take('+');
  if (!east && !reader.take('-')) return std::nullopt;
  const auto hours = reader.number(2);
  if (!hours || *hours > 23) return std::nullopt;
  int seconds = *hours * 3600;
  if (!reader.at_end()) {
    reader.take(':');
    const auto minutes = reader.number(2);
    if (!minutes || *minutes > 59) return std::nullopt;
    seconds += *minutes * 60;
  }
  return east ? seconds : -seconds;
}

}  // namespace

std::optional<double> parse_time(std::string_view text) {
  if (text.size() < 10 || text.size() > 40) return std::nullopt;
  TimeReader reader(text);
  const auto year = reader.number(4);
  if (!year || !reader.take('-')) return std::nullopt;
  const auto month = reader.number(2);
  if (!month || *month < 1 || *month > 12 || !reader.take('-')) return std::nullopt;
  const auto day = reader.number(2);
  if (!day || *day < 1 || *day > days_in(*year, *month)) return std::nullopt;
  double seconds = static_cast<double>(days_of(*year, *month, *day)) * 86400;
  if (reader.at_end()) return seconds;
  if (!reader.take_any("Tt ")) return std::nullopt;
  const auto hour = reader.number(2);
  if (!hour || *hour > 24 || !reader.take(':')) return std::nullopt;
  const auto minute = reader.number(2);
  if (!minute || *minute > 59) return std::nullopt;
  seconds += *hour * 3600 + *minute * 60;
  if (reader.take(':')) {
    const auto second = reader.number(2);
    if (!second || *second > 60) return std::nullopt;
    seconds += *second;
    if (reader.take_any(".,")) seconds += reader.fraction();
  }
  const auto zone = zone_of(reader);
  if (!zone || !reader.at_end()) return std::nullopt;
  return seconds - *zone;
}

}  // namespace headrace::index
