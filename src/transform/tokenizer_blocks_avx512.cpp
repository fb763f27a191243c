// AVX-512 version: comparisons give the bits at once. Plain functions over pointers only, as in
// tokenizer_blocks_avx2.cpp.
#include "transform/tokenizer_blocks.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace headrace {
namespace {

inline uint64_t within(__m512i x, int low, int count) {
  const __m512i moved = _mm512_sub_epi8(x, _mm512_set1_epi8(static_cast<char>(low)));
  return _mm512_cmplt_epu8_mask(moved, _mm512_set1_epi8(static_cast<char>(count)));
}
inline uint64_t equal(__m512i x, char c) {
  return _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(c));
}

}  // namespace

void sorts_of_block_avx512(const char* p, ByteSorts* out) {
  const __m512i bytes = _mm512_loadu_si512(p);
  const uint64_t blanks = equal(bytes, ' ');
  const uint64_t tabs = within(bytes, '\t', 5);
  out->letters = within(_mm512_or_si512(bytes, _mm512_set1_epi8(0x20)), 'a', 26);
  out->capitals = within(bytes, 'A', 26);
  out->digits = within(bytes, '0', 10);
  out->white = blanks | tabs;
  out->blanks = blanks;
  out->line_ends = equal(bytes, '\n') | equal(bytes, '\r');
  out->slashes = equal(bytes, '/');
  out->quotes = equal(bytes, '\'');
  out->controls = (within(bytes, 0, ' ') & ~tabs) | equal(bytes, 0x7F);
  out->beyond = _mm512_movepi8_mask(bytes);
}

}  // namespace headrace

#endif
