// Hashes used for identity and checksums: XXH3, 64 and 128 bits. The values are written to disk,
// so the functions here never change (docs/formats/ refers to them by name).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace headrace {

// XXH3-64 with seed 0.
uint64_t hash64(std::string_view bytes);
uint64_t hash64(std::span<const std::byte> bytes);

// XXH3-128: content hashes, record keys, model fingerprints.
struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const Hash128&) const = default;
  std::string hex() const;  // 32 lower-case digits, high first
};
Hash128 hash128(std::string_view bytes);

// A 128-bit hash over a stream of pieces; equal to hash128 of their concatenation.
class Hasher128 {
 public:
  Hasher128();
  ~Hasher128();
  Hasher128(const Hasher128&) = delete;
  Hasher128& operator=(const Hasher128&) = delete;
  void update(std::string_view bytes);
  Hash128 digest() const;

 private:
  alignas(64) std::array<std::byte, 576> state_;  // XXH3_state_t, checked in the .cpp
};

}  // namespace headrace
