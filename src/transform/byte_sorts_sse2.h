// Sixteen bytes at a time, by SSE2, which every x86-64 has: which lie in a range, and that as bits.
//
// Threads: pure functions. Errors: none.
#pragma once

#if defined(__SSE2__)

#include <emmintrin.h>

#include <cstdint>

namespace headrace::sse2 {

// Unsigned "x - low < count" by a shift into the signed range.
inline __m128i within(__m128i x, int low, int count) {
  const __m128i moved = _mm_add_epi8(x, _mm_set1_epi8(static_cast<char>(-128 - low)));
  return _mm_cmplt_epi8(moved, _mm_set1_epi8(static_cast<char>(-128 + count)));
}

inline __m128i equal(__m128i x, char c) {
  return _mm_cmpeq_epi8(x, _mm_set1_epi8(c));
}

inline uint64_t bits(__m128i x) {
  return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(x)));
}

}  // namespace headrace::sse2

#endif
