// FieldWriter and FieldReader: little-endian numbers, varints and strings, as the formats of the
// index (docs/formats/) write them.
//
// Owns: FieldWriter its buffer; FieldReader only looks at the caller's bytes and must not outlive
// them. Threads: values. Errors: a FieldReader never reads past its end: it turns bad (ok() is
// false) and gives zeros and empty strings from then on, so that a parser checks once at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace headrace::index {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

class FieldWriter {
 public:
  template <typename Number>
  void number(Number value) {
    char raw[sizeof(Number)];
    std::memcpy(raw, &value, sizeof(Number));
    bytes_.append(raw, sizeof(Number));
  }
  void u8(uint8_t value) { number(value); }
  void u32(uint32_t value) { number(value); }
  void u64(uint64_t value) { number(value); }
  void varint(uint64_t value) {
    while (value >= 0x80) {
      bytes_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    bytes_.push_back(static_cast<char>(value));
  }
  void raw(std::string_view bytes) { bytes_.append(bytes); }
  void text(std::string_view value) {
    varint(value.size());
    bytes_.append(value);
  }
  void hash(const Hash128& value) {
    u64(value.high);
    u64(value.low);
  }
  // Overwrites a number written before.
  template <typename Number>
  void patch(size_t at, Number value) {
    std::memcpy(bytes_.data() + at, &value, sizeof(Number));
  }
  size_t size() const { return bytes_.size(); }
  std::string_view view() const { return bytes_; }
  std::string& bytes() { return bytes_; }
  std::string take() { return std::move(bytes_); }
  void clear() { bytes_.clear(); }

 private:
  std::string bytes_;
};

class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename Number>
  Number number() {
    Number value{};
    if (left() < sizeof(Number)) {
      ok_ = false;
      return value;
    }
    std::memcpy(&value, bytes_.data() + at_, sizeof(Number));
    at_ += sizeof(Number);
    return value;
  }
  uint8_t u8() { return number<uint8_t>(); }
  uint32_t u32() { return number<uint32_t>(); }
  uint64_t u64() { return number<uint64_t>(); }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (left() == 0) break;
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  // A varint that counts things of at least `bytes_each` bytes: never more than could follow.
  uint64_t count(uint64_t bytes_each = 1) {
    const uint64_t value = varint();
    if (ok_ && value > left() / bytes_each) ok_ = false;
    return ok_ ? value : 0;
  }
  std::string_view raw(uint64_t length) {
    if (!ok_ || length > left()) {
      ok_ = false;
      return {};
    }
    const std::string_view piece = bytes_.substr(at_, length);
    at_ += length;
    return piece;
  }
  std::string_view text() { return raw(varint()); }
  Hash128 hash() {
    Hash128 value;
    value.high = u64();
    value.low = u64();
    return value;
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && at_ == bytes_.size(); }
  size_t position() const { return at_; }
  size_t left() const { return ok_ ? bytes_.size() - at_ : 0; }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

// Reads a number at any place; the caller has checked the bounds.
template <typename Number>
Number load_number(const char* at) {
  Number value;
  std::memcpy(&value, at, sizeof(Number));
  return value;
}

}  // namespace headrace::index
