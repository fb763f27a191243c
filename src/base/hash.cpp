#include "base/hash.h"

#include <fmt/format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <new>

namespace headrace {

uint64_t hash64(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t hash64(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string Hash128::hex() const {
  return fmt::format("{:016x}{:016x}", high, low);
}

Hash128 hash128(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

namespace {
XXH3_state_t* as_state(std::array<std::byte, 576>& bytes) {
  return std::launder(reinterpret_cast<XXH3_state_t*>(bytes.data()));
}
}  // namespace

Hasher128::Hasher128() {
  static_assert(sizeof(XXH3_state_t) <= 576);
  new (state_.data()) XXH3_state_t;
  XXH3_128bits_reset(as_state(state_));
}

Hasher128::~Hasher128() = default;

void Hasher128::update(std::string_view bytes) {
  XXH3_128bits_update(as_state(state_), bytes.data(), bytes.size());
}

Hash128 Hasher128::digest() const {
  auto& state = const_cast<std::array<std::byte, 576>&>(state_);
  const XXH128_hash_t hash = XXH3_128bits_digest(as_state(state));
  return {hash.high64, hash.low64};
}

}  // namespace headrace
