// Reading and writing the little-endian numbers of the section formats, without ever reading past
// the end of bytes that may be damaged.
//
// Owns: ByteReader is a view, for use on the stack. Threads: values. Errors: ByteReader keeps a
// failed flag; after a failure all reads give 0.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace headrace::index {

static_assert(std::endian::native == std::endian::little, "formats are read in place");

template <typename T>
T load(const char* bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

template <typename T>
void put(std::string& out, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

inline void put_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  bool failed() const { return failed_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  template <typename T>
  T number() {
    if (left() < sizeof(T)) return fail_with<T>();
    const T value = load<T>(at_);
    at_ += sizeof(T);
    return value;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return fail_with<uint64_t>();
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return fail_with<uint64_t>();
  }

  std::string_view bytes(uint64_t size) {
    if (size > left()) {
      fail_with<int>();
      return {};
    }
    const std::string_view view(at_, static_cast<size_t>(size));
    at_ += size;
    return view;
  }

 private:
  template <typename T>
  T fail_with() {
    failed_ = true;
    at_ = end_;
    return T{};
  }

  const char* at_;
  const char* end_;
  bool failed_ = false;
};

}  // namespace headrace::index
