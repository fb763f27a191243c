#include "batch/arrow_values.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace headrace {

namespace {

template <typename T>
T at(const ArrowArray& array, int buffer, int64_t row) {
  T value;
  std::memcpy(
      &value,
      static_cast<const char*>(array.buffers[buffer]) + row * static_cast<int64_t>(sizeof(T)),
      sizeof(T));
  return value;
}

template <typename Offset>
std::string_view bytes_at(const ArrowArray& array, int64_t row) {
  const auto begin = at<Offset>(array, 1, row);
  const auto end = at<Offset>(array, 1, row + 1);
  if (end <= begin) return {};
  return {static_cast<const char*>(array.buffers[2]) + begin, static_cast<size_t>(end - begin)};
}

// Arrow's string view: 4 bytes length, then 12 bytes inline, or prefix, buffer number and offset.
std::string_view view_at(const ArrowArray& array, int64_t row) {
  struct View {
    int32_t length;
    char prefix[4];
    int32_t buffer;
    int32_t offset;
  };
  constexpr int32_t kInline = 12;
  const View view = at<View>(array, 1, row);
  if (view.length <= kInline) {
    const char* inlined =
        static_cast<const char*>(array.buffers[1]) + row * static_cast<int64_t>(sizeof(View)) + 4;
    return {inlined, static_cast<size_t>(std::max(view.length, 0))};
  }
  if (view.buffer < 0 || view.buffer + 2 >= array.n_buffers - 1) return {};
  return {static_cast<const char*>(array.buffers[2 + view.buffer]) + view.offset,
          static_cast<size_t>(view.length)};
}

Result<Value> text_of_bytes(std::string_view bytes) {
  if (!is_valid_utf8(bytes))
    return fail(ErrorCode::invalid_argument, "bytes that are no text in UTF-8");
  return Value(std::string(bytes));
}

double half_at(const ArrowArray& array, int64_t row) {
  const auto bits = at<uint16_t>(array, 1, row);
  const int exponent = bits >> 10 & 0x1F;
  const int fraction = bits & 0x3FF;
  double value = 0;
  if (exponent == 0x1F) {
    value = fraction == 0 ? HUGE_VAL : NAN;
  } else if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else {
    value = std::ldexp(fraction + 0x400, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

struct DecimalType {
  int scale = 0;
  int bits = 128;
};

// "d:PRECISION,SCALE" or "d:PRECISION,SCALE,BITS".
std::optional<DecimalType> decimal_type(std::string_view format) {
  DecimalType type;
  int precision = 0;
  std::array<int*, 3> parts{&precision, &type.scale, &type.bits};
  const char* begin = format.data() + 2;
  const char* const end = format.data() + format.size();
  size_t read = 0;
  for (; read < parts.size() && begin < end; ++read) {
    const auto [next, wrong] = std::from_chars(begin, end, *parts[read]);
    if (wrong != std::errc() || (next != end && *next != ',')) return std::nullopt;
    begin = next == end ? end : next + 1;
  }
  const bool known = type.bits == 32 || type.bits == 64 || type.bits == 128 || type.bits == 256;
  return read >= 2 && known ? std::optional(type) : std::nullopt;
}

// By its digits, so that 0.1 is 0.1.
Value decimal_at(const DecimalType& type, const ArrowArray& array, int64_t row) {
  std::array<uint32_t, 8> words{};
  const size_t count = static_cast<size_t>(type.bits) / 32;
  std::memcpy(words.data(),
              static_cast<const char*>(array.buffers[1]) + row * static_cast<int64_t>(count) * 4,
              count * 4);
  const bool negative = (words[count - 1] >> 31) != 0;
  if (negative) {  // two's complement
    uint64_t carry = 1;
    for (size_t i = 0; i < count; ++i) {
      carry += static_cast<uint32_t>(~words[i]);
      words[i] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  std::string digits;
  while (std::ranges::any_of(words, [](uint32_t word) { return word != 0; })) {
    uint64_t rest = 0;
    for (size_t i = count; i-- > 0;) {
      rest = rest << 32 | words[i];
      words[i] = static_cast<uint32_t>(rest / 10);
      rest %= 10;
    }
    digits += static_cast<char>('0' + rest);
  }
  if (digits.empty()) digits = "0";
  if (negative) digits += '-';
  std::ranges::reverse(digits);
  if (type.scale == 0) {
    int64_t whole = 0;
    const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), whole);
    return wrong == std::errc() ? Value(whole) : Value(digits);
  }
  digits += fmt::format("e{}", -type.scale);
  double real = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), real);
  return real;
}

int64_t units_per_second(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 1'000;
    case 'u':
      return 1'000'000;
    default:
      return 1'000'000'000;
  }
}

bool is_unit(std::string_view format, size_t at) {
  return format.size() > at && std::string_view("smun").contains(format[at]);
}

// "" or ".5", as many digits as it has.
std::string fraction_text(int64_t rest, int64_t units) {
  if (rest == 0) return {};
  std::string text = fmt::format(".{:09}", rest * (1'000'000'000 / units));
  while (text.ends_with('0')) text.pop_back();
  return text;
}

// Seconds, rounded down, and what is beyond them.
std::pair<int64_t, int64_t> split(int64_t value, int64_t units) {
  int64_t seconds = value / units;
  int64_t rest = value % units;
  if (rest < 0) {
    rest += units;
    --seconds;
  }
  return {seconds, rest};
}

Result<std::string> time_text(int64_t seconds, int64_t rest, int64_t units) {
  constexpr int64_t kYear1 = -62135596800;
  constexpr int64_t kYear10000 = 253402300800;
  if (seconds < kYear1 || seconds >= kYear10000)
    return fail(ErrorCode::invalid_argument, "a time outside of the years 1 to 9999");
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}{}", fmt::gmtime(static_cast<std::time_t>(seconds)),
                     fraction_text(rest, units));
}

Result<Value> timestamp_at(std::string_view format, const ArrowArray& array, int64_t row) {
  const int64_t units = units_per_second(format[2]);
  const auto [seconds, rest] = split(at<int64_t>(array, 1, row), units);
  HR_ASSIGN(std::string text, time_text(seconds, rest, units));
  // "tsn:Europe/Berlin": the zone it is shown in; what is kept is UTC.
  if (format.size() > 4) text += 'Z';
  return Value(std::move(text));
}

Result<Value> date_at(std::string_view format, const ArrowArray& array, int64_t row) {
  constexpr int64_t kDay = 86400;
  const int64_t seconds = format == "tdD" ? at<int32_t>(array, 1, row) * kDay
                                          : split(at<int64_t>(array, 1, row), 1000).first;
  HR_ASSIGN(const std::string text, time_text(seconds, 0, 1));
  return Value(text.substr(0, text.find('T')));
}

Value time_of_day_at(std::string_view format, const ArrowArray& array, int64_t row) {
  const int64_t units = units_per_second(format[2]);
  const bool is_short = format[2] == 's' || format[2] == 'm';
  const auto [seconds, rest] =
      split(is_short ? at<int32_t>(array, 1, row) : at<int64_t>(array, 1, row), units);
  return fmt::format("{:02}:{:02}:{:02}{}", seconds / 3600, seconds / 60 % 60, seconds % 60,
                     fraction_text(rest, units));
}

Value duration_at(std::string_view format, const ArrowArray& array, int64_t row) {
  const auto value = at<int64_t>(array, 1, row);
  return static_cast<double>(value) / static_cast<double>(units_per_second(format[2]));
}

int64_t dictionary_index(std::string_view format, const ArrowArray& array, int64_t row) {
  switch (format[0]) {
    case 'c':
      return at<int8_t>(array, 1, row);
    case 'C':
      return at<uint8_t>(array, 1, row);
    case 's':
      return at<int16_t>(array, 1, row);
    case 'S':
      return at<uint16_t>(array, 1, row);
    case 'i':
      return at<int32_t>(array, 1, row);
    case 'I':
      return at<uint32_t>(array, 1, row);
    default:
      return at<int64_t>(array, 1, row);
  }
}

bool is_list(std::string_view format) {
  return format == "+l" || format == "+L" || format == "+vl" || format == "+vL" ||
         format.starts_with("+w:");
}

bool is_scalar(const ArrowSchema& schema) {
  if (schema.dictionary != nullptr) return is_scalar(*schema.dictionary);
  const std::string_view format = schema.format;
  static constexpr std::string_view kPlain[] = {"n", "b", "c", "C",  "s",  "S",   "i",
                                                "I", "l", "L", "e",  "f",  "g",   "u",
                                                "U", "z", "Z", "vu", "vz", "tdD", "tdm"};
  if (std::ranges::find(kPlain, format) != std::end(kPlain)) return true;
  if (format.starts_with("d:")) return decimal_type(format).has_value();
  if (format.starts_with("ts")) return is_unit(format, 2);
  return (format.starts_with("tt") || format.starts_with("tD")) && is_unit(format, 2);
}

Result<Value> scalar_at(std::string_view format, const ArrowArray& array, int64_t row) {
  if (format == "b") {
    const auto* bits = static_cast<const uint8_t*>(array.buffers[1]);
    return Value((bits[row / 8] >> (row % 8) & 1) != 0);
  }
  if (format == "c") return Value(int64_t{at<int8_t>(array, 1, row)});
  if (format == "C") return Value(int64_t{at<uint8_t>(array, 1, row)});
  if (format == "s") return Value(int64_t{at<int16_t>(array, 1, row)});
  if (format == "S") return Value(int64_t{at<uint16_t>(array, 1, row)});
  if (format == "i") return Value(int64_t{at<int32_t>(array, 1, row)});
  if (format == "I") return Value(int64_t{at<uint32_t>(array, 1, row)});
  if (format == "l") return Value(at<int64_t>(array, 1, row));
  if (format == "L") {
    const auto value = at<uint64_t>(array, 1, row);
    if (value <= static_cast<uint64_t>(INT64_MAX)) return Value(static_cast<int64_t>(value));
    return Value(std::to_string(value));
  }
  if (format == "e") return number_value(half_at(array, row));
  if (format == "f") return number_value(static_cast<double>(at<float>(array, 1, row)));
  if (format == "g") return number_value(at<double>(array, 1, row));
  if (format == "u") return Value(to_valid_utf8(bytes_at<int32_t>(array, row)));
  if (format == "U") return Value(to_valid_utf8(bytes_at<int64_t>(array, row)));
  if (format == "vu") return Value(to_valid_utf8(view_at(array, row)));
  if (format == "z") return text_of_bytes(bytes_at<int32_t>(array, row));
  if (format == "Z") return text_of_bytes(bytes_at<int64_t>(array, row));
  if (format == "vz") return text_of_bytes(view_at(array, row));
  if (format.starts_with("td")) return date_at(format, array, row);
  if (format.starts_with("ts")) return timestamp_at(format, array, row);
  if (format.starts_with("tt")) return time_of_day_at(format, array, row);
  if (format.starts_with("tD")) return duration_at(format, array, row);
  if (format.starts_with("d:")) {
    if (const auto type = decimal_type(format)) return decimal_at(*type, array, row);
  }
  return Value();
}

}  // namespace

bool is_arrow_null(const ArrowArray& array, int64_t row) {
  if (array.null_count == 0 || array.n_buffers == 0 || array.buffers[0] == nullptr) return false;
  row += array.offset;
  const auto* bits = static_cast<const uint8_t*>(array.buffers[0]);
  return (bits[row / 8] >> (row % 8) & 1) == 0;
}

bool is_arrow_value(const ArrowSchema& schema) {
  if (is_list(schema.format) && schema.dictionary == nullptr)
    return schema.n_children == 1 && is_scalar(*schema.children[0]);
  return is_scalar(schema);
}

std::string arrow_type_name(const ArrowSchema& schema) {
  const std::string_view format = schema.format;
  const auto child = [&] {
    return schema.n_children > 0 ? arrow_type_name(*schema.children[0]) : std::string("nothing");
  };
  if (schema.dictionary != nullptr) return "dictionary of " + arrow_type_name(*schema.dictionary);
  if (is_list(format)) return "list of " + child();
  if (format == "+m") return "map";
  if (format == "+s") return "struct";
  if (format == "+r") return "run-end encoded";
  if (format.starts_with("+u")) return "union";
  if (format.starts_with("w:")) return "binary of a fixed size";
  if (format.starts_with("ti")) return "interval of months and days";
  if (is_scalar(schema)) return "plain values";
  return fmt::format("\"{}\"", format);
}

ArrowRange arrow_range(const ArrowSchema& schema, const ArrowArray& array, int64_t row) {
  row += array.offset;
  const std::string_view format = schema.format;
  if (format.starts_with("+w:")) {
    int64_t size = 0;
    std::from_chars(format.data() + 3, format.data() + format.size(), size);
    return {row * size, (row + 1) * size};
  }
  if (format == "+vl" || format == "+vL") {
    const bool is_short = format == "+vl";
    const int64_t begin = is_short ? at<int32_t>(array, 1, row) : at<int64_t>(array, 1, row);
    return {begin, begin + (is_short ? at<int32_t>(array, 2, row) : at<int64_t>(array, 2, row))};
  }
  if (format == "+L") return {at<int64_t>(array, 1, row), at<int64_t>(array, 1, row + 1)};
  return {at<int32_t>(array, 1, row), at<int32_t>(array, 1, row + 1)};
}

Result<Value> arrow_value(const ArrowSchema& schema, const ArrowArray& array, int64_t row) {
  if (is_arrow_null(array, row)) return Value();
  const std::string_view format = schema.format;
  if (schema.dictionary != nullptr) {
    const int64_t index = dictionary_index(format, array, row + array.offset);
    if (array.dictionary == nullptr || index < 0 || index >= array.dictionary->length)
      return Value();
    return arrow_value(*schema.dictionary, *array.dictionary, index);
  }
  if (!is_list(format)) return scalar_at(format, array, row + array.offset);
  const ArrowRange range = arrow_range(schema, array, row);
  std::vector<Value> items;
  for (int64_t i = range.begin; i < range.end; ++i) {
    HR_ASSIGN(items.emplace_back(), arrow_value(*schema.children[0], *array.children[0], i));
  }
  return list_value(items);
}

}  // namespace headrace
