// AVX2 version. Plain functions over pointers only: nothing inline from a header may be
// instantiated here, or the linker might pick this file's copy for all CPUs.
#include "transform/tokenizer_blocks.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace headrace {
namespace {

inline __m256i within(__m256i x, int low, int count) {
  const __m256i moved = _mm256_add_epi8(x, _mm256_set1_epi8(static_cast<char>(-128 - low)));
  return _mm256_cmpgt_epi8(_mm256_set1_epi8(static_cast<char>(-128 + count)), moved);
}
inline __m256i equal(__m256i x, char c) {
  return _mm256_cmpeq_epi8(x, _mm256_set1_epi8(c));
}
inline uint64_t bits(__m256i low, __m256i high) {
  return static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(low))) |
         static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32;
}

}  // namespace

void sorts_of_block_avx2(const char* p, ByteSorts* out) {
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p) + 1);
  const __m256i case_bit = _mm256_set1_epi8(0x20);
  const uint64_t blanks = bits(equal(a, ' '), equal(b, ' '));
  const uint64_t tabs = bits(within(a, '\t', 5), within(b, '\t', 5));
  const uint64_t low = bits(within(a, 0, ' '), within(b, 0, ' '));
  out->letters = bits(within(_mm256_or_si256(a, case_bit), 'a', 26),
                      within(_mm256_or_si256(b, case_bit), 'a', 26));
  out->capitals = bits(within(a, 'A', 26), within(b, 'A', 26));
  out->digits = bits(within(a, '0', 10), within(b, '0', 10));
  out->white = blanks | tabs;
  out->blanks = blanks;
  out->line_ends = bits(equal(a, '\n'), equal(b, '\n')) | bits(equal(a, '\r'), equal(b, '\r'));
  out->slashes = bits(equal(a, '/'), equal(b, '/'));
  out->quotes = bits(equal(a, '\''), equal(b, '\''));
  out->controls = (low & ~tabs) | bits(equal(a, 0x7F), equal(b, 0x7F));
  out->beyond = bits(a, b);
}

}  // namespace headrace

#endif
