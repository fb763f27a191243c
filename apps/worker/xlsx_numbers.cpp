#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "office_blocks.h"
#include "xlsx.h"

namespace headrace::formats {
namespace {

struct Date {
  int64_t year;
  int month, day;
};

// The civil date `days` after 1970-01-01 (proleptic Gregorian).
Date civil_date(int64_t days) {
  days += 719'468;  // days from 0000-03-01, so that leap days end their years
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const int64_t of_era = days - era * 146'097;
  const int64_t year_of_era = (of_era - of_era / 1'460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted = (5 * of_year + 2) / 153;
  const int day = static_cast<int>(of_year - (153 * shifted + 2) / 5 + 1);
  const int month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

std::string format_date(double serial, NumberKind kind, bool from_1904) {
  double whole = std::floor(serial);
  auto seconds = static_cast<int64_t>(std::llround((serial - whole) * 86'400));
  if (seconds >= 86'400) {
    seconds -= 86'400;
    whole += 1;
  }
  auto days = static_cast<int64_t>(whole);
  std::string date;
  if (kind != NumberKind::time) {
    // Serial 60 is 29 February 1900, a day that never was; 25,569 is 1970-01-01.
    if (from_1904) {
      days -= 24'107;
    } else {
      days -= days < 60 ? 25'568 : 25'569;
    }
    const Date civil = civil_date(days);
    date = fmt::format("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day);
    if (kind == NumberKind::date || (kind == NumberKind::date_time && seconds == 0)) return date;
    date += ' ';
  } else {
    seconds += days * 86'400;  // [h]:mm counts beyond a day
  }
  date += fmt::format("{:02}:{:02}", seconds / 3'600, seconds / 60 % 60);
  if (seconds % 60 != 0) date += fmt::format(":{:02}", seconds % 60);
  return date;
}

}  // namespace

NumberKind number_kind(std::string_view format_code) {
  const std::string code = ascii_lower(format_code);
  if (code.find("general") != std::string::npos) return NumberKind::general;
  std::string letters;  // of dates and times, each run of one letter once
  bool percent = false;
  bool counts_time = false;
  for (size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (c == ';') break;  // further sections: negative, zero, text
    if (c == '"') {
      i = code.find('"', i + 1);
      if (i == std::string::npos) break;
    } else if (c == '\\' || c == '_' || c == '*') {
      ++i;
    } else if (c == '[') {
      // [h], [m], [s] count time; others are colours and locales.
      const size_t close = code.find(']', i);
      if (close == std::string::npos) break;
      const std::string inner = code.substr(i + 1, close - i - 1);
      if (!inner.empty() && inner.find_first_not_of("hms") == std::string::npos) counts_time = true;
      i = close;
    } else if (c == '%') {
      percent = true;
    } else if (std::string_view("ymdhs").find(c) != std::string_view::npos) {
      if (letters.empty() || letters.back() != c) letters += c;
    }
  }
  if (percent) return NumberKind::percent;
  bool date = false;
  bool time = counts_time;
  for (size_t i = 0; i < letters.size(); ++i) {
    const char c = letters[i];
    const bool minute =
        c == 'm' && ((i > 0 && letters[i - 1] == 'h') ||
                     (i + 1 < letters.size() && letters[i + 1] == 's') || counts_time);
    if (c == 'h' || c == 's' || minute) {
      time = true;
    } else {
      date = true;
    }
  }
  if (date && time) return NumberKind::date_time;
  if (date) return NumberKind::date;
  return time ? NumberKind::time : NumberKind::general;
}

NumberKind builtin_number_kind(int format_id) {
  if (format_id == 9 || format_id == 10) return NumberKind::percent;
  if ((format_id >= 14 && format_id <= 17) || (format_id >= 27 && format_id <= 31) ||
      (format_id >= 50 && format_id <= 58) || format_id == 36) {
    return NumberKind::date;
  }
  if ((format_id >= 18 && format_id <= 21) || (format_id >= 32 && format_id <= 35) ||
      (format_id >= 45 && format_id <= 47)) {
    return NumberKind::time;
  }
  return format_id == 22 ? NumberKind::date_time : NumberKind::general;
}

std::string format_number(const std::string& stored, NumberKind kind, bool from_1904) {
  char* end = nullptr;
  const double value = std::strtod(stored.c_str(), &end);
  if (end == stored.c_str() || *end != '\0' || !std::isfinite(value)) return stored;
  constexpr double kSerialMax = 2'958'466;  // the last day of the year 9999
  if (kind == NumberKind::percent) return fmt::format("{:.12g}%", value * 100);
  if (kind != NumberKind::general && value >= 0 && value < kSerialMax) {
    return format_date(value, kind, from_1904);
  }
  // 17 digits are how 0.3 is stored after a sum; people see 15.
  const bool has_exponent = stored.find_first_of("eE") != std::string::npos;
  if (stored.size() > 16 || has_exponent) return fmt::format("{:.15g}", value);
  return stored;
}

}  // namespace headrace::formats
