#include "index/bm25_kernels.h"

#if defined(__AVX2__)
#include <immintrin.h>

namespace headrace::index {

size_t collect_above_avx2(uint32_t* sums, size_t count, uint32_t bar, ScoredPlace* out) {
  const __m256i bars = _mm256_set1_epi32(static_cast<int>(bar));
  const __m256i zero = _mm256_setzero_si256();
  size_t found = 0;
  for (size_t i = 0; i < count; i += 8) {
    auto* const at = reinterpret_cast<__m256i*>(sums + i);
    const __m256i values = _mm256_loadu_si256(at);
    auto above = static_cast<uint32_t>(
        _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(values, bars))));
    for (; above != 0; above &= above - 1) {
      const auto place = static_cast<uint32_t>(i) + static_cast<uint32_t>(__builtin_ctz(above));
      out[found++] = {place, sums[place]};
    }
    _mm256_storeu_si256(at, zero);
  }
  return found;
}

}  // namespace headrace::index
#endif
