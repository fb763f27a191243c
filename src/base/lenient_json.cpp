#include "base/lenient_json.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace headrace {

namespace {

constexpr size_t kEscapeBytes = 6;  // \uXXXX

// The unit of the escape at `at`, or nothing when there is none.
std::optional<uint32_t> escaped_unit(std::string_view json, size_t at) {
  const std::string_view escape = json.substr(std::min(at, json.size()), kEscapeBytes);
  if (escape.size() < kEscapeBytes || escape[0] != '\\' || escape[1] != 'u') return std::nullopt;
  uint32_t unit = 0;
  const char* const end = escape.data() + kEscapeBytes;
  const auto read = std::from_chars(escape.data() + 2, end, unit, 16);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return unit;
}

std::string quoted(std::string_view number) {
  return '"' + std::string(number) + '"';
}

bool is_high(uint32_t unit) {
  return unit >= 0xD800 && unit < 0xDC00;
}
bool is_low(uint32_t unit) {
  return unit >= 0xDC00 && unit < 0xE000;
}

class Mender {
 public:
  explicit Mender(std::string_view json) : json_(json) {}

  std::optional<std::string> run() {
    while (at_ < json_.size()) {
      const char c = json_[at_];
      if (c == '"') {
        copy_string();
      } else if (c == '-' || (c >= '0' && c <= '9') || c == 'N' || c == 'I') {
        copy_number();
      } else {
        copy(1);
      }
    }
    if (!changed_) return std::nullopt;
    return std::move(out_);
  }

 private:
  void copy(size_t bytes) {
    out_ += json_.substr(at_, bytes);
    at_ = std::min(at_ + bytes, json_.size());
  }
  void replace(size_t bytes, std::string_view with) {
    out_ += with;
    at_ += bytes;
    changed_ = true;
  }

  void copy_string() {
    copy(1);
    while (at_ < json_.size() && json_[at_] != '"') {
      if (json_[at_] != '\\') {
        copy(1);
        continue;
      }
      const auto unit = escaped_unit(json_, at_);
      if (!unit || (!is_high(*unit) && !is_low(*unit))) {
        copy(2);
        continue;
      }
      const auto next = escaped_unit(json_, at_ + kEscapeBytes);
      if (is_high(*unit) && next && is_low(*next)) {
        copy(2 * kEscapeBytes);
      } else {
        replace(kEscapeBytes, "\\ufffd");
      }
    }
    copy(1);
  }

  void copy_number() {
    if (json_.substr(at_).starts_with("NaN")) return replace(3, "null");
    for (const std::string_view word : {"Infinity", "-Infinity"}) {
      if (json_.substr(at_).starts_with(word)) return replace(word.size(), quoted(word));
    }
    const size_t end = std::min(json_.find_first_not_of("+-0123456789.eE", at_), json_.size());
    if (end == at_) return copy(1);
    const std::string_view number = json_.substr(at_, end - at_);
    const char* const last = number.data() + number.size();
    if (number.find_first_of(".eE") == std::string_view::npos) {
      int64_t whole = 0;
      uint64_t large = 0;
      const bool beyond =
          std::from_chars(number.data(), last, whole).ec == std::errc::result_out_of_range &&
          std::from_chars(number.data(), last, large).ec != std::errc{};
      if (beyond) return replace(number.size(), quoted(number));
    } else {
      double real = 0;
      const auto read = std::from_chars(number.data(), last, real);
      if (read.ec == std::errc::result_out_of_range && read.ptr == last)
        return replace(number.size(), quoted(number));
    }
    copy(number.size());
  }

  std::string_view json_;
  size_t at_ = 0;
  std::string out_;
  bool changed_ = false;
};

}  // namespace

std::optional<std::string> lenient_json(std::string_view json) {
  return Mender(json).run();
}

}  // namespace headrace
