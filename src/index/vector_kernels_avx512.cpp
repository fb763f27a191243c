// AVX-512 versions of the kernels. Plain functions over pointers only: nothing inline from a
// header may be instantiated here, or the linker might pick this file's copy for all CPUs.
#include "index/vector_kernels.h"

#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12's own header uses values that it leaves undefined on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

namespace headrace::index {
namespace {

inline __mmask16 tail_mask(size_t left) {
  return static_cast<__mmask16>((1u << left) - 1);
}

inline __m512 load_half(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

inline __m512 load_half_tail(const uint16_t* p, __mmask16 mask) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p));
}

float dot_f16(const uint16_t* row, const float* query, size_t dimension) {
  __m512 a = _mm512_setzero_ps();
  __m512 b = _mm512_setzero_ps();
  __m512 c = _mm512_setzero_ps();
  __m512 d = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 64 <= dimension; i += 64) {
    a = _mm512_fmadd_ps(load_half(row + i), _mm512_loadu_ps(query + i), a);
    b = _mm512_fmadd_ps(load_half(row + i + 16), _mm512_loadu_ps(query + i + 16), b);
    c = _mm512_fmadd_ps(load_half(row + i + 32), _mm512_loadu_ps(query + i + 32), c);
    d = _mm512_fmadd_ps(load_half(row + i + 48), _mm512_loadu_ps(query + i + 48), d);
  }
  for (; i + 16 <= dimension; i += 16) {
    a = _mm512_fmadd_ps(load_half(row + i), _mm512_loadu_ps(query + i), a);
  }
  if (i < dimension) {
    const __mmask16 mask = tail_mask(dimension - i);
    b = _mm512_fmadd_ps(load_half_tail(row + i, mask), _mm512_maskz_loadu_ps(mask, query + i), b);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
}

float l2_f16(const uint16_t* row, const float* query, size_t dimension) {
  __m512 a = _mm512_setzero_ps();
  __m512 b = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= dimension; i += 32) {
    const __m512 x = _mm512_sub_ps(load_half(row + i), _mm512_loadu_ps(query + i));
    const __m512 y = _mm512_sub_ps(load_half(row + i + 16), _mm512_loadu_ps(query + i + 16));
    a = _mm512_fmadd_ps(x, x, a);
    b = _mm512_fmadd_ps(y, y, b);
  }
  for (; i < dimension; i += 16) {
    const __mmask16 mask = dimension - i >= 16 ? tail_mask(16) : tail_mask(dimension - i);
    const __m512 x =
        _mm512_sub_ps(load_half_tail(row + i, mask), _mm512_maskz_loadu_ps(mask, query + i));
    a = _mm512_fmadd_ps(x, x, a);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(a, b));
}

float dot_f32(const float* row, const float* query, size_t dimension) {
  __m512 a = _mm512_setzero_ps();
  __m512 b = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= dimension; i += 32) {
    a = _mm512_fmadd_ps(_mm512_loadu_ps(row + i), _mm512_loadu_ps(query + i), a);
    b = _mm512_fmadd_ps(_mm512_loadu_ps(row + i + 16), _mm512_loadu_ps(query + i + 16), b);
  }
  for (; i < dimension; i += 16) {
    const __mmask16 mask = dimension - i >= 16 ? tail_mask(16) : tail_mask(dimension - i);
    a = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, row + i),
                        _mm512_maskz_loadu_ps(mask, query + i), a);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(a, b));
}

float l2_f32(const float* row, const float* query, size_t dimension) {
  __m512 a = _mm512_setzero_ps();
  for (size_t i = 0; i < dimension; i += 16) {
    const __mmask16 mask = dimension - i >= 16 ? tail_mask(16) : tail_mask(dimension - i);
    const __m512 x =
        _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, row + i), _mm512_maskz_loadu_ps(mask, query + i));
    a = _mm512_fmadd_ps(x, x, a);
  }
  return _mm512_reduce_add_ps(a);
}

void f16_to_f32(const uint16_t* in, float* out, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) _mm512_storeu_ps(out + i, load_half(in + i));
  if (i < count) {
    const __mmask16 mask = tail_mask(count - i);
    _mm512_mask_storeu_ps(out + i, mask, load_half_tail(in + i, mask));
  }
}

void f32_to_f16(const float* in, uint16_t* out, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        _mm512_cvtps_ph(_mm512_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
  }
  if (i < count) {
    const __mmask16 mask = tail_mask(count - i);
    _mm256_mask_storeu_epi16(
        out + i, mask,
        _mm512_cvtps_ph(_mm512_maskz_loadu_ps(mask, in + i), _MM_FROUND_TO_NEAREST_INT));
  }
}

inline __mmask8 tail_mask8(size_t left) {
  return static_cast<__mmask8>((1u << left) - 1);
}

double squares_f32(const float* in, size_t count) {
  __m512d a = _mm512_setzero_pd();
  __m512d b = _mm512_setzero_pd();
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m512d x = _mm512_cvtps_pd(_mm256_loadu_ps(in + i));
    const __m512d y = _mm512_cvtps_pd(_mm256_loadu_ps(in + i + 8));
    a = _mm512_fmadd_pd(x, x, a);
    b = _mm512_fmadd_pd(y, y, b);
  }
  for (; i < count; i += 8) {
    const __mmask8 mask = tail_mask8(count - i >= 8 ? 8 : count - i);
    const __m512d x = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(mask, in + i));
    a = _mm512_fmadd_pd(x, x, a);
  }
  return _mm512_reduce_add_pd(_mm512_add_pd(a, b));
}

void scale_f32(const float* in, double factor, float* out, size_t count) {
  const __m512d by = _mm512_set1_pd(factor);
  for (size_t i = 0; i < count; i += 8) {
    const __mmask8 mask = tail_mask8(count - i >= 8 ? 8 : count - i);
    const __m512d x = _mm512_mul_pd(_mm512_cvtps_pd(_mm256_maskz_loadu_ps(mask, in + i)), by);
    _mm256_mask_storeu_ps(out + i, mask, _mm512_cvtpd_ps(x));
  }
}

uint32_t greatest_bits(const float* in, size_t count) {
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i greatest = _mm512_setzero_si512();
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 mask = tail_mask(count - i >= 16 ? 16 : count - i);
    const __m512i bits = _mm512_maskz_loadu_epi32(mask, in + i);
    greatest = _mm512_max_epu32(greatest, _mm512_and_si512(bits, magnitude));
  }
  return _mm512_reduce_max_epu32(greatest);
}

// Four rows against four queries: sixteen sums in registers.
void dot_4x4(const float* rows, const float* queries, size_t padded, size_t row_count, float* out) {
  __m512 sums[4][4];
  for (int r = 0; r < 4; ++r) {
    for (int q = 0; q < 4; ++q) sums[r][q] = _mm512_setzero_ps();
  }
  for (size_t i = 0; i < padded; i += 16) {
    __m512 query[4];
    for (size_t q = 0; q < 4; ++q) query[q] = _mm512_loadu_ps(queries + q * padded + i);
    for (size_t r = 0; r < 4; ++r) {
      const __m512 row = _mm512_loadu_ps(rows + r * padded + i);
      for (size_t q = 0; q < 4; ++q) sums[r][q] = _mm512_fmadd_ps(row, query[q], sums[r][q]);
    }
  }
  for (size_t q = 0; q < 4; ++q) {
    for (size_t r = 0; r < 4; ++r) out[q * row_count + r] = _mm512_reduce_add_ps(sums[r][q]);
  }
}

// Sixteen rows' next sixteen values, turned: out[i * stride] gets value i of all rows.
void turn_16x16(const float* rows, size_t padded, float* out, size_t stride) {
  __m512 a[16];
  __m512 b[16];
  for (size_t i = 0; i < 16; ++i) a[i] = _mm512_loadu_ps(rows + i * padded);
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
  const auto low = [](__m512 x, __m512 y) {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
  };
  const auto high = [](__m512 x, __m512 y) {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
  };
  for (int i = 0; i < 16; i += 4) {
    a[i] = low(b[i], b[i + 2]);
    a[i + 1] = high(b[i], b[i + 2]);
    a[i + 2] = low(b[i + 1], b[i + 3]);
    a[i + 3] = high(b[i + 1], b[i + 3]);
  }
  // a[4 g + c] holds, in lane l, value 4 l + c of the rows of group g.
  for (int c = 0; c < 4; ++c) {
    const __m512 even_first = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88);
    const __m512 odd_first = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xDD);
    const __m512 even_last = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
    const __m512 odd_last = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xDD);
    const auto at = [&](int i) { return out + static_cast<size_t>(i + c) * stride; };
    _mm512_storeu_ps(at(0), _mm512_shuffle_f32x4(even_first, even_last, 0x88));
    _mm512_storeu_ps(at(8), _mm512_shuffle_f32x4(even_first, even_last, 0xDD));
    _mm512_storeu_ps(at(4), _mm512_shuffle_f32x4(odd_first, odd_last, 0x88));
    _mm512_storeu_ps(at(12), _mm512_shuffle_f32x4(odd_first, odd_last, 0xDD));
  }
}

// kQueries queries against 32 turned rows: each sum has a lane of its own, nothing is added across.
template <size_t kQueries>
void dot_turned(const float* turned, const float* queries, size_t padded, size_t row_count,
                float* out) {
  __m512 sums[kQueries][2];
  for (size_t q = 0; q < kQueries; ++q) sums[q][0] = sums[q][1] = _mm512_setzero_ps();
  for (size_t i = 0; i < padded; ++i) {
    const __m512 first = _mm512_loadu_ps(turned + i * 32);
    const __m512 second = _mm512_loadu_ps(turned + i * 32 + 16);
    for (size_t q = 0; q < kQueries; ++q) {
      const __m512 value = _mm512_set1_ps(queries[q * padded + i]);
      sums[q][0] = _mm512_fmadd_ps(value, first, sums[q][0]);
      sums[q][1] = _mm512_fmadd_ps(value, second, sums[q][1]);
    }
  }
  for (size_t q = 0; q < kQueries; ++q) {
    _mm512_storeu_ps(out + q * row_count, sums[q][0]);
    _mm512_storeu_ps(out + q * row_count + 16, sums[q][1]);
  }
}

void dot_few(const float* rows, size_t first, size_t row_count, const float* queries,
             size_t query_count, size_t padded, float* out) {
  size_t q = 0;
  for (; q + 4 <= query_count; q += 4) {
    size_t r = first;
    for (; r + 4 <= row_count; r += 4) {
      dot_4x4(rows + r * padded, queries + q * padded, padded, row_count, out + q * row_count + r);
    }
    for (; r < row_count; ++r) {
      for (size_t i = q; i < q + 4; ++i) {
        out[i * row_count + r] = dot_f32(rows + r * padded, queries + i * padded, padded);
      }
    }
  }
  for (; q < query_count; ++q) {
    for (size_t r = first; r < row_count; ++r) {
      out[q * row_count + r] = dot_f32(rows + r * padded, queries + q * padded, padded);
    }
  }
}

void dot_tile(const float* rows, size_t row_count, const float* queries, size_t query_count,
              size_t padded, float* out) {
  constexpr size_t kTurnedMax = 1024;  // longer rows would leave the caches
  constexpr size_t kQueriesMin = 16;   // for fewer, turning the rows does not pay
  size_t r = 0;
  if (padded <= kTurnedMax && query_count >= kQueriesMin) {
    alignas(64) float turned[32 * kTurnedMax];
    for (; r + 32 <= row_count; r += 32) {
      for (size_t i = 0; i < padded; i += 16) {
        turn_16x16(rows + r * padded + i, padded, turned + i * 32, 32);
        turn_16x16(rows + (r + 16) * padded + i, padded, turned + i * 32 + 16, 32);
      }
      size_t q = 0;
      for (; q + 12 <= query_count; q += 12) {
        dot_turned<12>(turned, queries + q * padded, padded, row_count, out + q * row_count + r);
      }
      for (; q + 4 <= query_count; q += 4) {
        dot_turned<4>(turned, queries + q * padded, padded, row_count, out + q * row_count + r);
      }
      for (; q < query_count; ++q) {
        dot_turned<1>(turned, queries + q * padded, padded, row_count, out + q * row_count + r);
      }
    }
  }
  dot_few(rows, r, row_count, queries, query_count, padded, out);
}

}  // namespace

const VectorKernels* vector_kernels_avx512() {
  static constexpr VectorKernels kernels = {"avx512",  dot_f16,       l2_f16,     dot_f32,
                                            l2_f32,    f16_to_f32,    f32_to_f16, squares_f32,
                                            scale_f32, greatest_bits, dot_tile};
  const bool usable = __builtin_cpu_supports("avx512f") != 0 &&
                      __builtin_cpu_supports("avx512bw") != 0 &&
                      __builtin_cpu_supports("avx512vl") != 0 &&
                      __builtin_cpu_supports("avx512dq") != 0 && vector_kernels_avx2() != nullptr;
  return usable ? &kernels : nullptr;
}

}  // namespace headrace::index
#endif
