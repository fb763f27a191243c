// TestZip: a zip container written in a test, members stored or (for bombs) given as they are.
//
// Owns: the bytes. Threads: one test. Errors: none; tests only.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace headrace {

class TestZip {
 public:
  // A member as it stands.
  TestZip& add(std::string_view name, std::string_view bytes) {
    return add_raw(name, bytes, static_cast<uint32_t>(bytes.size()), crc32(bytes), 0, 0);
  }

  // A member whose header may lie: `packed` by `method` (0 stored, 8 deflate), `size` declared.
  TestZip& add_raw(std::string_view name, std::string_view packed, uint32_t size, uint32_t crc,
                   uint16_t method, uint16_t flags) {
    const auto offset = static_cast<uint32_t>(bytes_.size());
    bytes_ += "PK\x03\x04";
    const size_t common = bytes_.size();
    number(20, 2);
    number(flags, 2);
    number(method, 2);
    number(0, 4);
    number(crc, 4);
    number(static_cast<uint32_t>(packed.size()), 4);
    number(size, 4);
    number(static_cast<uint32_t>(name.size()), 2);
    number(0, 2);
    const std::string shared = bytes_.substr(common);
    bytes_ += name;
    bytes_ += packed;
    directory_ += "PK\x01\x02";
    append(directory_, 20, 2);
    directory_ += shared;
    append(directory_, 0, 2 + 2 + 2 + 4);
    append(directory_, offset, 4);
    directory_ += name;
    ++count_;
    return *this;
  }

  std::string bytes() const {
    std::string out = bytes_ + directory_;
    out += "PK\x05\x06";
    append(out, 0, 4);
    append(out, count_, 2);
    append(out, count_, 2);
    append(out, static_cast<uint32_t>(directory_.size()), 4);
    append(out, static_cast<uint32_t>(bytes_.size()), 4);
    append(out, 0, 2);
    return out;
  }

  static uint32_t crc32(std::string_view bytes) {
    uint32_t crc = 0xFFFFFFFF;
    for (const char c : bytes) {
      crc ^= static_cast<unsigned char>(c);
      for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
  }

 private:
  static void append(std::string& out, uint64_t value, int width) {
    for (int i = 0; i < width; ++i) {
      out += static_cast<char>(i < 8 ? (value >> (8 * i)) & 0xFF : 0);
    }
  }
  void number(uint64_t value, int width) { append(bytes_, value, width); }

  std::string bytes_;
  std::string directory_;
  uint16_t count_ = 0;
};

}  // namespace headrace
