// What the x86 kernels share. Included like kernel_body.h, and only where AVX is on.
#pragma once

#include <immintrin.h>

#include <cstddef>

namespace headrace::embed {
namespace {

// Eight rows of eight floats become eight columns.
inline __attribute__((always_inline)) void transpose_8x8(const float* from, size_t from_stride,
                                                         float* to, size_t to_stride) {
  __m256 row[8];
  // Halves of rows i and i + 4 side by side, so that what follows stays within 128 bits.
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const float* low = from + static_cast<size_t>(i) * from_stride;
    const float* high = low + 4 * from_stride;
    row[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
    row[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low + 4)),
                                      _mm_loadu_ps(high + 4), 1);
  }
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const __m256 a = row[4 * half];
    const __m256 b = row[4 * half + 1];
    const __m256 c = row[4 * half + 2];
    const __m256 d = row[4 * half + 3];
    const __m256 ab_low = _mm256_unpacklo_ps(a, b);
    const __m256 ab_high = _mm256_unpackhi_ps(a, b);
    const __m256 cd_low = _mm256_unpacklo_ps(c, d);
    const __m256 cd_high = _mm256_unpackhi_ps(c, d);
    float* out = to + 4 * static_cast<size_t>(half) * to_stride;
    _mm256_storeu_ps(out, _mm256_shuffle_ps(ab_low, cd_low, 0x44));
    _mm256_storeu_ps(out + to_stride, _mm256_shuffle_ps(ab_low, cd_low, 0xee));
    _mm256_storeu_ps(out + 2 * to_stride, _mm256_shuffle_ps(ab_high, cd_high, 0x44));
    _mm256_storeu_ps(out + 3 * to_stride, _mm256_shuffle_ps(ab_high, cd_high, 0xee));
  }
}

}  // namespace
}  // namespace headrace::embed
