// Rounding in loops that a compiler turns into vector instructions, which the C library's functions
// are no part of.
//
// Threads: pure functions. Errors: none.
#pragma once

#include <bit>
#include <cstdint>

namespace headrace::embed {

// The nearest whole number, halves to the even one; |value| below 2^22.
inline int32_t nearest_whole(float value) {
  // Adding 1.5 · 2^23 leaves the whole number in the lowest bits.
  constexpr float kRound = 0x1.8p23f;
  return std::bit_cast<int32_t>(value + kRound) - std::bit_cast<int32_t>(kRound);
}

}  // namespace headrace::embed
