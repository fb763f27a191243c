#include "index/postings_pack.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace headrace::index {
namespace {

using Lanes = uint32_t __attribute__((vector_size(16)));

Lanes load_lanes(const void* from) {
  Lanes value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

void store_lanes(void* to, Lanes value) {
  std::memcpy(to, &value, sizeof(value));
}

// One instance for each width, so that all shifts are constants.
template <uint32_t bits>
void unpack_width(const char* in, uint32_t* out) {
  if constexpr (bits == 0) {
    std::memset(out, 0, 128 * sizeof(uint32_t));
  } else if constexpr (bits == 32) {
    std::memcpy(out, in, 128 * sizeof(uint32_t));
  } else {
    constexpr uint32_t mask = (uint32_t{1} << bits) - 1;
    [&]<uint32_t... group>(std::integer_sequence<uint32_t, group...>) {
      (
          [&] {
            constexpr uint32_t bit = group * bits;
            constexpr uint32_t word = bit / 32;
            constexpr uint32_t shift = bit % 32;
            Lanes value = load_lanes(in + 16 * word) >> shift;
            if constexpr (shift + bits > 32) {
              value |= load_lanes(in + 16 * (word + 1)) << (32 - shift);
            }
            if constexpr (shift + bits != 32) value &= mask;
            store_lanes(out + 4 * group, value);
          }(),
          ...);
    }(std::make_integer_sequence<uint32_t, 32>{});
  }
}

using Unpack = void (*)(const char*, uint32_t*);
constexpr auto kUnpack = []<uint32_t... bits>(std::integer_sequence<uint32_t, bits...>) {
  return std::array<Unpack, sizeof...(bits)>{unpack_width<bits>...};
}(std::make_integer_sequence<uint32_t, 33>{});

}  // namespace

uint32_t bits_needed(const uint32_t* values) {
  uint32_t all = 0;
  for (uint32_t i = 0; i < 128; ++i) all |= values[i];
  return static_cast<uint32_t>(std::bit_width(all));
}

void pack_block(const uint32_t* values, uint32_t bits, char* out) {
  std::array<Lanes, 32> words{};
  for (uint32_t group = 0; group < 32 && bits > 0; ++group) {
    const Lanes value = load_lanes(values + 4 * group);
    const uint32_t bit = group * bits;
    const uint32_t word = bit / 32;
    const uint32_t shift = bit % 32;
    words[word] |= value << shift;
    if (shift + bits > 32) words[word + 1] |= value >> (32 - shift);
  }
  std::memcpy(out, words.data(), packed_bytes(bits));
}

void unpack_block(const char* in, uint32_t bits, uint32_t* values) {
  kUnpack[bits](in, values);
}

void unpack_gaps(const char* in, uint32_t bits, uint32_t base, uint32_t* values) {
  kUnpack[bits](in, values);
  Lanes sum = {base, base, base, base};
  const Lanes zero = {0, 0, 0, 0};
  for (uint32_t group = 0; group < 32; ++group) {
    Lanes value = load_lanes(values + 4 * group);
    value += __builtin_shufflevector(zero, value, 0, 4, 5, 6);
    value += __builtin_shufflevector(zero, value, 0, 0, 4, 5);
    value += sum;
    store_lanes(values + 4 * group, value);
    sum = __builtin_shufflevector(value, value, 3, 3, 3, 3);
  }
}

}  // namespace headrace::index
