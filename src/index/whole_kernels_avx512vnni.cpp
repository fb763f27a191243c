// AVX-512 VNNI versions. Plain functions over pointers only: nothing inline from a header may be
// instantiated here, or the linker might pick this file's copy for all CPUs.
#include "index/whole_kernels.h"

#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12's own header uses values that it leaves undefined on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

namespace headrace::index {
namespace {

inline __mmask16 first_of(size_t left) {
  return left >= 16 ? __mmask16{0xFFFF} : static_cast<__mmask16>((1U << left) - 1);
}

inline __m512 values_at(const WholeSums& sums, size_t i, __m512 times) {
  const __m512i whole =
      _mm512_sub_epi32(_mm512_loadu_si512(sums.sums + i), _mm512_loadu_si512(sums.zeros + i));
  return _mm512_mul_ps(_mm512_mul_ps(times, _mm512_loadu_ps(sums.steps + i)),
                       _mm512_cvtepi32_ps(whole));
}

inline __m512i places_from(size_t first) {
  return _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(first)),
                          _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

float largest(const float* values, size_t size) {
  __m512 most = _mm512_setzero_ps();
  for (size_t i = 0; i < size; i += 16) {
    most =
        _mm512_max_ps(most, _mm512_abs_ps(_mm512_maskz_loadu_ps(first_of(size - i), values + i)));
  }
  return _mm512_reduce_max_ps(most);
}

void to_bytes(const float* values, size_t size, float factor, uint8_t* out) {
  const __m512 times = _mm512_set1_ps(factor);
  const __m512 zero = _mm512_set1_ps(static_cast<float>(kWholeZero) + 0.5f);
  for (size_t i = 0; i < size; i += 16) {
    const __mmask16 mask = first_of(size - i);
    const __m512 value =
        _mm512_add_ps(_mm512_mul_ps(_mm512_maskz_loadu_ps(mask, values + i), times), zero);
    _mm_mask_storeu_epi8(out + i, mask, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(value)));
  }
}

template <size_t kQueries, size_t kGroups>
inline void products_of(const int8_t* rows, const uint8_t* queries, size_t query_stride,
                        size_t size, int32_t* out, size_t stride) {
  __m512i sums[kQueries][kGroups];
#pragma GCC unroll 8
  for (size_t q = 0; q < kQueries; ++q) {
#pragma GCC unroll 4
    for (size_t g = 0; g < kGroups; ++g) sums[q][g] = _mm512_setzero_si512();
  }
  for (size_t i = 0; i < size; i += 4) {
    __m512i group[kGroups];
#pragma GCC unroll 4
    for (size_t g = 0; g < kGroups; ++g) {
      group[g] = _mm512_loadu_si512(rows + g * 16 * size + i * 16);
    }
#pragma GCC unroll 8
    for (size_t q = 0; q < kQueries; ++q) {
      int four;
      __builtin_memcpy(&four, queries + q * query_stride + i, 4);
      const __m512i query = _mm512_set1_epi32(four);
#pragma GCC unroll 4
      for (size_t g = 0; g < kGroups; ++g) {
        sums[q][g] = _mm512_dpbusd_epi32(sums[q][g], query, group[g]);
      }
    }
  }
#pragma GCC unroll 8
  for (size_t q = 0; q < kQueries; ++q) {
#pragma GCC unroll 4
    for (size_t g = 0; g < kGroups; ++g) {
      _mm512_storeu_si512(out + q * stride + g * 16, sums[q][g]);
    }
  }
}

template <size_t kGroups>
inline void products_of_groups(const int8_t* rows, const uint8_t* queries, size_t query_count,
                               size_t query_stride, size_t size, int32_t* out, size_t stride) {
  size_t q = 0;
  for (; q + 6 <= query_count; q += 6) {
    products_of<6, kGroups>(rows, queries + q * query_stride, query_stride, size, out + q * stride,
                            stride);
  }
  for (; q < query_count; ++q) {
    products_of<1, kGroups>(rows, queries + q * query_stride, query_stride, size, out + q * stride,
                            stride);
  }
}

void products(const int8_t* rows, size_t row_count, const uint8_t* queries, size_t query_count,
              size_t query_stride, size_t size, int32_t* out, size_t stride) {
  size_t row = 0;
  for (; row + 64 <= row_count; row += 64) {
    products_of_groups<4>(rows + row * size, queries, query_count, query_stride, size, out + row,
                          stride);
  }
  for (; row < row_count; row += 16) {
    products_of_groups<1>(rows + row * size, queries, query_count, query_stride, size, out + row,
                          stride);
  }
}

int32_t dot(const int8_t* row, const uint8_t* query, size_t size) {
  __m512i sum = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 64 <= size; i += 64) {
    sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(query + i), _mm512_loadu_si512(row + i));
  }
  if (i < size) {
    const __mmask64 mask = (__mmask64{1} << (size - i)) - 1;
    sum = _mm512_dpbusd_epi32(sum, _mm512_maskz_loadu_epi8(mask, query + i),
                              _mm512_maskz_loadu_epi8(mask, row + i));
  }
  return _mm512_reduce_add_epi32(sum);
}

void values(const WholeSums& sums, const float* shifts, float shift, size_t count, float* out) {
  const __m512 times = _mm512_set1_ps(sums.times);
  const __m512 all = _mm512_set1_ps(shift);
  for (size_t i = 0; i < count; i += 16) {
    const __m512 value = _mm512_add_ps(values_at(sums, i, times), _mm512_loadu_ps(shifts + i));
    _mm512_storeu_ps(out + i, _mm512_add_ps(value, all));
  }
}

void nearest(const WholeSums& sums, const float* shifts, size_t count, uint32_t first, float& best,
             uint32_t& place) {
  const __m512 times = _mm512_set1_ps(sums.times);
  __m512 most = _mm512_set1_ps(best);
  __m512i places = _mm512_set1_epi32(-1);
  for (size_t i = 0; i < count; i += 16) {
    const __m512 value = _mm512_add_ps(values_at(sums, i, times), _mm512_loadu_ps(shifts + i));
    const __mmask16 better = _mm512_cmp_ps_mask(value, most, _CMP_GT_OQ);
    most = _mm512_mask_mov_ps(most, better, value);
    places = _mm512_mask_mov_epi32(places, better, places_from(i));
  }
  const float top = _mm512_reduce_max_ps(most);
  if (!(top > best)) return;
  best = top;
  // The first of equal ones, as without vectors.
  const __mmask16 equal = _mm512_cmp_ps_mask(most, _mm512_set1_ps(top), _CMP_EQ_OQ);
  place = first + _mm512_mask_reduce_min_epu32(equal, places);
}

size_t above(const WholeSums& sums, const float* floors, float shift, size_t count,
             uint32_t* places, float* values) {
  const __m512 times = _mm512_set1_ps(sums.times);
  const __m512 shifts = _mm512_set1_ps(shift);
  size_t found = 0;
  for (size_t i = 0; i < count; i += 16) {
    const __m512 value = _mm512_add_ps(values_at(sums, i, times), shifts);
    const __mmask16 mask = _mm512_cmp_ps_mask(value, _mm512_loadu_ps(floors + i), _CMP_GT_OQ);
    if (mask == 0) continue;
    // Compressing stores to memory are slow on some CPUs. There is room for whole registers: what
    // they leave behind is written again or not looked at.
    _mm512_storeu_si512(places + found, _mm512_maskz_compress_epi32(mask, places_from(i)));
    _mm512_storeu_ps(values + found, _mm512_maskz_compress_ps(mask, value));
    found += static_cast<size_t>(__builtin_popcount(mask));
  }
  return found;
}

void list_bounds(const float* products, const float* scale, const float* shift, const float* reach,
                 size_t count, float factor, float* bounds, float* maxima) {
  const __m512 times = _mm512_set1_ps(factor);
  for (size_t i = 0; i < count; i += 16) {
    const __m512 bound =
        _mm512_fmadd_ps(times, _mm512_loadu_ps(reach + i),
                        _mm512_fmadd_ps(_mm512_loadu_ps(products + i), _mm512_loadu_ps(scale + i),
                                        _mm512_loadu_ps(shift + i)));
    _mm512_storeu_ps(bounds + i, bound);
    maxima[i / 16] = _mm512_reduce_max_ps(bound);
  }
}

size_t pick(const float* bounds, size_t count, float floor, uint32_t* places) {
  const __m512 least = _mm512_set1_ps(floor);
  const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
  size_t found = 0;
  for (size_t i = 0; i < count; i += 16) {
    const __m512 bound = _mm512_loadu_ps(bounds + i);
    const __mmask16 mask = _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(bound, lowest, _CMP_GT_OQ),
                                                   bound, least, _CMP_GE_OQ);
    if (mask == 0) continue;
    _mm512_storeu_si512(places + found, _mm512_maskz_compress_epi32(mask, places_from(i)));
    found += static_cast<size_t>(__builtin_popcount(mask));
  }
  return found;
}

}  // namespace

const WholeKernels* whole_kernels_avx512() {
  static constexpr WholeKernels kernels = {"avx512", largest, to_bytes, products,    dot,
                                           values,   nearest, above,    list_bounds, pick};
  const bool usable =
      __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
      __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
      __builtin_cpu_supports("avx512vnni") != 0;
  return usable ? &kernels : nullptr;
}

}  // namespace headrace::index
#endif
