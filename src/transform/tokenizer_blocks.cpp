#include "transform/tokenizer_blocks.h"

#include "transform/byte_sorts_sse2.h"

namespace headrace {

#if defined(__SSE2__)

void sorts_of_block_sse2(const char* p, ByteSorts* out) {
  using sse2::bits, sse2::equal, sse2::within;
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
