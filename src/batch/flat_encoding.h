// FlatWriter and FlatReader: the flat little-endian encoding of records that pass between our own
// processes (not on disk). Integers have fixed width; a string is its length (uint32) and its
// bytes. Every read is checked, because the writer may be a process that hostile bytes took over.
//
// Owns: the writer its buffer; the reader only looks at the bytes it is given and must not outlive
// them. Threads: values. Errors: after a bad read the reader's ok() is false and every further read
// gives zero or empty, so callers may check once at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace headrace {

static_assert(std::endian::native == std::endian::little, "the encoding is the machine's own");

class FlatWriter {
 public:
  template <typename T>
  void number(T value) {
    static_assert(std::is_arithmetic_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void string(std::string_view value) {
    number(static_cast<uint32_t>(value.size()));
    bytes_.append(value);
  }
  void reserve(size_t bytes) { bytes_.reserve(bytes); }
  std::string take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class FlatReader {
 public:
  explicit FlatReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  T number() {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    T value{};
    if (bytes_.size() < sizeof value) {
      ok_ = false;
      bytes_ = {};
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  // A view into the bytes read from.
  std::string_view string() {
    const auto size = number<uint32_t>();
    if (size > bytes_.size()) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const std::string_view value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return value;
  }
  // A count of records that take at least `bytes_each` further bytes each, so that a lying count
  // cannot make the caller reserve more than the input could hold.
  uint32_t count(size_t bytes_each) {
    const auto n = number<uint32_t>();
    if (n > bytes_.size() / bytes_each) {
      ok_ = false;
      bytes_ = {};
      return 0;
    }
    return n;
  }
  bool ok() const { return ok_; }
  // All bytes not yet read.
  std::string_view rest() const { return bytes_; }
  // Everything was read and nothing is left.
  bool finished() const { return ok_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace headrace
