// AVX2, FMA and F16C versions of the kernels. Plain functions over pointers only: nothing inline
// from a header may be instantiated here, or the linker might pick this file's copy for all CPUs.
#include "index/vector_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace headrace::index {
namespace {

inline __m256 load_half(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

inline float horizontal_sum(__m256 v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

inline float half_value(uint16_t half) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
}

float dot_f16(const uint16_t* row, const float* query, size_t dimension) {
  __m256 a = _mm256_setzero_ps();
  __m256 b = _mm256_setzero_ps();
  __m256 c = _mm256_setzero_ps();
  __m256 d = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= dimension; i += 32) {
    a = _mm256_fmadd_ps(load_half(row + i), _mm256_loadu_ps(query + i), a);
    b = _mm256_fmadd_ps(load_half(row + i + 8), _mm256_loadu_ps(query + i + 8), b);
    c = _mm256_fmadd_ps(load_half(row + i + 16), _mm256_loadu_ps(query + i + 16), c);
    d = _mm256_fmadd_ps(load_half(row + i + 24), _mm256_loadu_ps(query + i + 24), d);
  }
  for (; i + 8 <= dimension; i += 8) {
    a = _mm256_fmadd_ps(load_half(row + i), _mm256_loadu_ps(query + i), a);
  }
  float sum = horizontal_sum(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
  for (; i < dimension; ++i) sum += half_value(row[i]) * query[i];
  return sum;
}

float l2_f16(const uint16_t* row, const float* query, size_t dimension) {
  __m256 a = _mm256_setzero_ps();
  __m256 b = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= dimension; i += 16) {
    const __m256 x = _mm256_sub_ps(load_half(row + i), _mm256_loadu_ps(query + i));
    const __m256 y = _mm256_sub_ps(load_half(row + i + 8), _mm256_loadu_ps(query + i + 8));
    a = _mm256_fmadd_ps(x, x, a);
    b = _mm256_fmadd_ps(y, y, b);
  }
  float sum = horizontal_sum(_mm256_add_ps(a, b));
  for (; i < dimension; ++i) {
    const float difference = half_value(row[i]) - query[i];
    sum += difference * difference;
  }
  return sum;
}

float dot_f32(const float* row, const float* query, size_t dimension) {
  __m256 a = _mm256_setzero_ps();
  __m256 b = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= dimension; i += 16) {
    a = _mm256_fmadd_ps(_mm256_loadu_ps(row + i), _mm256_loadu_ps(query + i), a);
    b = _mm256_fmadd_ps(_mm256_loadu_ps(row + i + 8), _mm256_loadu_ps(query + i + 8), b);
  }
  float sum = horizontal_sum(_mm256_add_ps(a, b));
  for (; i < dimension; ++i) sum += row[i] * query[i];
  return sum;
}

float l2_f32(const float* row, const float* query, size_t dimension) {
  __m256 a = _mm256_setzero_ps();
  __m256 b = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= dimension; i += 16) {
    const __m256 x = _mm256_sub_ps(_mm256_loadu_ps(row + i), _mm256_loadu_ps(query + i));
    const __m256 y = _mm256_sub_ps(_mm256_loadu_ps(row + i + 8), _mm256_loadu_ps(query + i + 8));
    a = _mm256_fmadd_ps(x, x, a);
    b = _mm256_fmadd_ps(y, y, b);
  }
  float sum = horizontal_sum(_mm256_add_ps(a, b));
  for (; i < dimension; ++i) {
    const float difference = row[i] - query[i];
    sum += difference * difference;
  }
  return sum;
}

void f16_to_f32(const uint16_t* in, float* out, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(out + i, load_half(in + i));
  for (; i < count; ++i) out[i] = half_value(in[i]);
}

void f32_to_f16(const float* in, uint16_t* out, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < count; ++i) {
    out[i] = static_cast<uint16_t>(
        _mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(in[i]), _MM_FROUND_TO_NEAREST_INT)));
  }
}

double squares_f32(const float* in, size_t count) {
  __m256d sums[4] = {};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (size_t j = 0; j < 4; ++j) {
      const __m256d x = _mm256_cvtps_pd(_mm_loadu_ps(in + i + 4 * j));
      sums[j] = _mm256_fmadd_pd(x, x, sums[j]);
    }
  }
  const __m256d sum =
      _mm256_add_pd(_mm256_add_pd(sums[0], sums[1]), _mm256_add_pd(sums[2], sums[3]));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(sum), _mm256_extractf128_pd(sum, 1));
  double total = _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  for (; i < count; ++i) total += double{in[i]} * double{in[i]};
  return total;
}

void scale_f32(const float* in, double factor, float* out, size_t count) {
  const __m256d by = _mm256_set1_pd(factor);
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const __m256d x = _mm256_mul_pd(_mm256_cvtps_pd(_mm_loadu_ps(in + i)), by);
    _mm_storeu_ps(out + i, _mm256_cvtpd_ps(x));
  }
  for (; i < count; ++i) out[i] = static_cast<float>(in[i] * factor);
}

uint32_t greatest_bits(const float* in, size_t count) {
  const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
  __m256i greatest = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
    greatest = _mm256_max_epu32(greatest, _mm256_and_si256(bits, magnitude));
  }
  __m128i four =
      _mm_max_epu32(_mm256_castsi256_si128(greatest), _mm256_extracti128_si256(greatest, 1));
  four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4E));
  four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0xB1));
  auto most = static_cast<uint32_t>(_mm_cvtsi128_si32(four));
  for (; i < count; ++i) {
    const auto bits =
        static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_castps_si128(_mm_set_ss(in[i])))) & 0x7FFFFFFF;
    most = bits > most ? bits : most;
  }
  return most;
}

// Two rows against four queries: eight sums in registers.
void dot_2x4(const float* rows, const float* queries, size_t padded, size_t row_count, float* out) {
  __m256 sums[2][4];
  for (int r = 0; r < 2; ++r) {
    for (int q = 0; q < 4; ++q) sums[r][q] = _mm256_setzero_ps();
  }
  for (size_t i = 0; i < padded; i += 8) {
    const __m256 x = _mm256_loadu_ps(rows + i);
    const __m256 y = _mm256_loadu_ps(rows + padded + i);
    for (size_t q = 0; q < 4; ++q) {
      const __m256 query = _mm256_loadu_ps(queries + q * padded + i);
      sums[0][q] = _mm256_fmadd_ps(x, query, sums[0][q]);
      sums[1][q] = _mm256_fmadd_ps(y, query, sums[1][q]);
    }
  }
  for (size_t q = 0; q < 4; ++q) {
    out[q * row_count] = horizontal_sum(sums[0][q]);
    out[q * row_count + 1] = horizontal_sum(sums[1][q]);
  }
}

void dot_tile(const float* rows, size_t row_count, const float* queries, size_t query_count,
              size_t padded, float* out) {
  size_t q = 0;
  for (; q + 4 <= query_count; q += 4) {
    size_t r = 0;
    for (; r + 2 <= row_count; r += 2) {
      dot_2x4(rows + r * padded, queries + q * padded, padded, row_count, out + q * row_count + r);
    }
    for (; r < row_count; ++r) {
      for (size_t i = q; i < q + 4; ++i) {
        out[i * row_count + r] = dot_f32(rows + r * padded, queries + i * padded, padded);
      }
    }
  }
  for (; q < query_count; ++q) {
    for (size_t r = 0; r < row_count; ++r) {
      out[q * row_count + r] = dot_f32(rows + r * padded, queries + q * padded, padded);
    }
  }
}

}  // namespace

const VectorKernels* vector_kernels_avx2() {
  static constexpr VectorKernels kernels = {"avx2",    dot_f16,       l2_f16,     dot_f32,
                                            l2_f32,    f16_to_f32,    f32_to_f16, squares_f32,
                                            scale_f32, greatest_bits, dot_tile};
  const bool usable = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                      __builtin_cpu_supports("f16c") != 0;
  return usable ? &kernels : nullptr;
}

}  // namespace headrace::index
#endif
