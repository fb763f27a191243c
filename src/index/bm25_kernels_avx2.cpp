#include "index/bm25_kernels.h"

#if defined(__AVX2__)
#include <immintrin.h>

namespace headrace::index {

size_t collect_above_avx2(uint32_t* sums, size_t count, uint32_t bar, ScoredPlace* out) {
  const __m256i bars = _mm256_set1_epi32(static_cast<int>(bar));
  const __m256i zero = _mm256_setzero_si256();
  size_t found = 0;
  const auto above_bars = [&](const uint32_t* at) {
    return _mm256_cmpgt_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(at)), bars);
  };
  // One bit for each of 32 sums, so that most steps of the walk find some or none of all of them.
  for (size_t i = 0; i < count; i += 32) {
    uint32_t* const at = sums + i;
    const __m256i low = _mm256_packs_epi32(above_bars(at), above_bars(at + 8));
    const __m256i high = _mm256_packs_epi32(above_bars(at + 16), above_bars(at + 24));
    // Packing works on halves: put the groups of four back in order.
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high),
                                                      _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    auto above = static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
    for (; above != 0; above &= above - 1) {
      const auto place = static_cast<uint32_t>(i) + static_cast<uint32_t>(__builtin_ctz(above));
      out[found++] = {place, sums[place]};
    }
    for (size_t j = 0; j < 32; j += 8) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(at + j), zero);
    }
  }
  return found;
}

}  // namespace headrace::index
#endif
