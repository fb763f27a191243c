// AVX2 versions. Plain functions over pointers only: nothing inline from a header may be
// instantiated here, or the linker might pick this file's copy for all CPUs.
#include "index/whole_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace headrace::index {
namespace {

inline float largest_of(__m256 v) {
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
}

inline __m256 values_at(const WholeSums& sums, size_t i, __m256 times) {
  const auto load = [](const int32_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  };
  const __m256i whole = _mm256_sub_epi32(load(sums.sums + i), load(sums.zeros + i));
  return _mm256_mul_ps(_mm256_mul_ps(times, _mm256_loadu_ps(sums.steps + i)),
                       _mm256_cvtepi32_ps(whole));
}

float largest(const float* values, size_t size) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 most = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    most = _mm256_max_ps(most, _mm256_andnot_ps(sign, _mm256_loadu_ps(values + i)));
  }
  float all = largest_of(most);
  for (; i < size; ++i) {
    const float value = __builtin_fabsf(values[i]);
    all = value > all ? value : all;
  }
  return all;
}

void to_bytes(const float* values, size_t size, float factor, uint8_t* out) {
  const __m256 times = _mm256_set1_ps(factor);
  const __m256 zero = _mm256_set1_ps(static_cast<float>(kWholeZero) + 0.5f);
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    const __m256i whole =
        _mm256_cvttps_epi32(_mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(values + i), times), zero));
    const __m128i halves =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + i), _mm_packus_epi16(halves, halves));
  }
  for (; i < size; ++i) {
    out[i] = static_cast<uint8_t>(values[i] * factor + (static_cast<float>(kWholeZero) + 0.5f));
  }
}

// Products of pairs fit 16 bits: 127 * 127 * 2.
template <size_t kQueries>
inline void products_of_16(const int8_t* rows, const uint8_t* queries, size_t query_stride,
                           size_t size, int32_t* out, size_t stride) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kQueries][2];
  for (size_t q = 0; q < kQueries; ++q) sums[q][0] = sums[q][1] = _mm256_setzero_si256();
  for (size_t i = 0; i < size; i += 4, rows += 64) {
    const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows));
    const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + 32));
    for (size_t q = 0; q < kQueries; ++q) {
      int four;
      __builtin_memcpy(&four, queries + q * query_stride + i, 4);
      const __m256i query = _mm256_set1_epi32(four);
      sums[q][0] =
          _mm256_add_epi32(sums[q][0], _mm256_madd_epi16(_mm256_maddubs_epi16(query, first), ones));
      sums[q][1] = _mm256_add_epi32(sums[q][1],
                                    _mm256_madd_epi16(_mm256_maddubs_epi16(query, second), ones));
    }
  }
  for (size_t q = 0; q < kQueries; ++q) {
    auto* const to = reinterpret_cast<__m256i*>(out + q * stride);
    _mm256_storeu_si256(to, sums[q][0]);
    _mm256_storeu_si256(to + 1, sums[q][1]);
  }
}

void products(const int8_t* rows, size_t row_count, const uint8_t* queries, size_t query_count,
              size_t query_stride, size_t size, int32_t* out, size_t stride) {
  for (size_t row = 0; row < row_count; row += 16) {
    size_t q = 0;
    for (; q + 4 <= query_count; q += 4) {
      products_of_16<4>(rows + row * size, queries + q * query_stride, query_stride, size,
                        out + q * stride + row, stride);
    }
    for (; q < query_count; ++q) {
      products_of_16<1>(rows + row * size, queries + q * query_stride, query_stride, size,
                        out + q * stride + row, stride);
    }
  }
}

int32_t dot(const int8_t* row, const uint8_t* query, size_t size) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    const __m256i pairs =
        _mm256_maddubs_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(query + i)),
                             _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i)));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
  }
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  if (i < size) {
    const __m128i pairs =
        _mm_maddubs_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(query + i)),
                          _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i)));
    four = _mm_add_epi32(four, _mm_madd_epi16(pairs, _mm256_castsi256_si128(ones)));
  }
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1));
  return _mm_cvtsi128_si32(four);
}

void values(const WholeSums& sums, const float* shifts, float shift, size_t count, float* out) {
  const __m256 times = _mm256_set1_ps(sums.times);
  const __m256 all = _mm256_set1_ps(shift);
  for (size_t i = 0; i < count; i += 8) {
    const __m256 value = _mm256_add_ps(values_at(sums, i, times), _mm256_loadu_ps(shifts + i));
    _mm256_storeu_ps(out + i, _mm256_add_ps(value, all));
  }
}

void nearest(const WholeSums& sums, const float* shifts, size_t count, uint32_t first, float& best,
             uint32_t& place) {
  const __m256 times = _mm256_set1_ps(sums.times);
  for (size_t i = 0; i < count; i += 8) {
    const __m256 value = _mm256_add_ps(values_at(sums, i, times), _mm256_loadu_ps(shifts + i));
    const float top = largest_of(value);
    if (!(top > best)) continue;
    best = top;
    const int equal = _mm256_movemask_ps(_mm256_cmp_ps(value, _mm256_set1_ps(top), _CMP_EQ_OQ));
    place = first + static_cast<uint32_t>(i) +
            static_cast<uint32_t>(__builtin_ctz(static_cast<unsigned>(equal)));
  }
}

size_t above(const WholeSums& sums, const float* floors, float shift, size_t count,
             uint32_t* places, float* values) {
  const __m256 times = _mm256_set1_ps(sums.times);
  const __m256 shifts = _mm256_set1_ps(shift);
  size_t found = 0;
  for (size_t i = 0; i < count; i += 8) {
    const __m256 value = _mm256_add_ps(values_at(sums, i, times), shifts);
    auto mask = static_cast<unsigned>(
        _mm256_movemask_ps(_mm256_cmp_ps(value, _mm256_loadu_ps(floors + i), _CMP_GT_OQ)));
    if (mask == 0) continue;
    float eight[8];
    _mm256_storeu_ps(eight, value);
    for (; mask != 0; mask &= mask - 1) {
      const auto lane = static_cast<uint32_t>(__builtin_ctz(mask));
      places[found] = static_cast<uint32_t>(i) + lane;
      values[found++] = eight[lane];
    }
  }
  return found;
}

void list_bounds(const float* products, const float* scale, const float* shift, const float* reach,
                 size_t count, float factor, float* bounds, float* maxima) {
  const __m256 times = _mm256_set1_ps(factor);
  for (size_t i = 0; i < count; i += 16) {
    const __m256 a = _mm256_fmadd_ps(_mm256_loadu_ps(products + i), _mm256_loadu_ps(scale + i),
                                     _mm256_loadu_ps(shift + i));
    const __m256 b =
        _mm256_fmadd_ps(_mm256_loadu_ps(products + i + 8), _mm256_loadu_ps(scale + i + 8),
                        _mm256_loadu_ps(shift + i + 8));
    const __m256 x = _mm256_fmadd_ps(times, _mm256_loadu_ps(reach + i), a);
    const __m256 y = _mm256_fmadd_ps(times, _mm256_loadu_ps(reach + i + 8), b);
    _mm256_storeu_ps(bounds + i, x);
    _mm256_storeu_ps(bounds + i + 8, y);
    maxima[i / 16] = largest_of(_mm256_max_ps(x, y));
  }
}

size_t pick(const float* bounds, size_t count, float floor, uint32_t* places) {
  const __m256 least = _mm256_set1_ps(floor);
  const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
  size_t found = 0;
  for (size_t i = 0; i < count; i += 8) {
    const __m256 bound = _mm256_loadu_ps(bounds + i);
    auto mask = static_cast<unsigned>(_mm256_movemask_ps(_mm256_and_ps(
        _mm256_cmp_ps(bound, least, _CMP_GE_OQ), _mm256_cmp_ps(bound, lowest, _CMP_GT_OQ))));
    for (; mask != 0; mask &= mask - 1) {
      places[found++] = static_cast<uint32_t>(i) + static_cast<uint32_t>(__builtin_ctz(mask));
    }
  }
  return found;
}

}  // namespace

const WholeKernels* whole_kernels_avx2() {
  static constexpr WholeKernels kernels = {"avx2", largest, to_bytes, products,    dot,
                                           values, nearest, above,    list_bounds, pick};
  const bool usable = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  return usable ? &kernels : nullptr;
}

}  // namespace headrace::index
#endif
