#include "transform/tokenizer_blocks.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace headrace {

#if defined(__SSE2__)

void sorts_of_block_sse2(const char* p, ByteSorts* out) {
  // Unsigned "x - low < count" by a shift into the signed range.
  const auto within = [](__m128i x, int low, int count) {
    const __m128i moved = _mm_add_epi8(x, _mm_set1_epi8(static_cast<char>(-128 - low)));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8(static_cast<char>(-128 + count)));
  };
  const auto equal = [](__m128i x, char c) { return _mm_cmpeq_epi8(x, _mm_set1_epi8(c)); };
  const auto bits = [](__m128i x) {
    return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(x)));
  };
  ByteSorts found;
  for (int i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p) + i);
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const __m128i blanks = equal(bytes, ' ');
    const int shift = 16 * i;
    found.letters |= bits(within(folded, 'a', 26)) << shift;
    found.capitals |= bits(within(bytes, 'A', 26)) << shift;
    found.digits |= bits(within(bytes, '0', 10)) << shift;
    const __m128i tabs = within(bytes, '\t', 5);
    found.white |= bits(_mm_or_si128(blanks, tabs)) << shift;
    found.blanks |= bits(blanks) << shift;
    found.line_ends |= bits(_mm_or_si128(equal(bytes, '\n'), equal(bytes, '\r'))) << shift;
    found.slashes |= bits(equal(bytes, '/')) << shift;
    found.quotes |= bits(equal(bytes, '\'')) << shift;
    found.controls |=
        bits(_mm_or_si128(_mm_andnot_si128(tabs, within(bytes, 0, ' ')), equal(bytes, 0x7F)))
        << shift;
    found.beyond |= bits(bytes) << shift;
  }
  *out = found;
}

#endif

namespace {

using Function = void (*)(const char* p, ByteSorts* out);

Function best() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
      __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0) {
    return sorts_of_block_avx512;
  }
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0) {
    return sorts_of_block_avx2;
  }
#endif
#if defined(__SSE2__)
  return sorts_of_block_sse2;
#else
  return [](const char* p, ByteSorts* out) { *out = sorts_of_block_scalar(p); };
#endif
}

}  // namespace

void (*const sorts_of_block_best)(const char* p, ByteSorts* out) = best();

}  // namespace headrace
