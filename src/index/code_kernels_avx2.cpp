// AVX2 versions. Plain functions over pointers only: nothing inline from a header may be
// instantiated here, or the linker might pick this file's copy for all CPUs.
#include "index/code_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace headrace::index {
namespace {

inline float sum_of(__m256 v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

inline __m128 fold_min(__m256 a, __m256 b) {
  const __m256 both = _mm256_min_ps(a, b);
  __m128 least = _mm_min_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
  least = _mm_min_ps(least, _mm_movehl_ps(least, least));
  return _mm_min_ss(least, _mm_movehdup_ps(least));
}

inline __m128 fold_max(__m256 a, __m256 b) {
  const __m256 both = _mm256_max_ps(a, b);
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  return _mm_max_ss(most, _mm_movehdup_ps(most));
}

CodeTable make_table(const float* query, const float* codebook, const uint16_t* widths,
                     size_t groups, float* products, uint8_t* table) {
  CodeTable kind;
  float range = 0;
  float leasts[2 * kCodePairsMax];
  for (size_t g = 0; g < groups; ++g) {
    __m256 low = _mm256_setzero_ps();
    __m256 high = _mm256_setzero_ps();
    for (unsigned i = 0; i < widths[g]; ++i, ++query, codebook += kCodeWords) {
      const __m256 value = _mm256_broadcast_ss(query);
      low = _mm256_fmadd_ps(value, _mm256_loadu_ps(codebook), low);
      high = _mm256_fmadd_ps(value, _mm256_loadu_ps(codebook + 8), high);
    }
    _mm256_storeu_ps(products + g * kCodeWords, low);
    _mm256_storeu_ps(products + g * kCodeWords + 8, high);
    leasts[g] = _mm_cvtss_f32(fold_min(low, high));
    kind.offset += leasts[g];
    const float span = _mm_cvtss_f32(fold_max(low, high)) - leasts[g];
    range = span > range ? span : range;
  }
  kind.scale = range / 127.0f;
  const __m256 inverse = _mm256_set1_ps(range > 0 ? 127.0f / range : 0.0f);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (size_t g = 0; g < groups; g += 2) {
    __m256i parts[4];
    for (size_t i = 0; i < 4; ++i) {
      const __m256 least = _mm256_set1_ps(leasts[g + i / 2]);
      const __m256 value = _mm256_loadu_ps(products + g * kCodeWords + i * 8);
      parts[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_sub_ps(value, least), inverse));
    }
    const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(parts[0], parts[1]),
                                              _mm256_packs_epi32(parts[2], parts[3]));
    const __m256i capped = _mm256_min_epu8(bytes, _mm256_set1_epi8(127));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(table + g * kCodeWords),
                        _mm256_permutevar8x32_epi32(capped, order));
  }
  return kind;
}

struct Sums {
  __m256i even;
  __m256i odd;
};

inline void add_pair(Sums& sums, __m256i codes, __m256i first, __m256i second) {
  const __m256i mask = _mm256_set1_epi8(15);
  const __m256i a = _mm256_shuffle_epi8(first, _mm256_and_si256(codes, mask));
  const __m256i b =
      _mm256_shuffle_epi8(second, _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask));
  const __m256i both = _mm256_add_epi8(a, b);  // at most 254
  sums.even = _mm256_add_epi16(sums.even, both);
  sums.odd = _mm256_add_epi16(sums.odd, _mm256_srli_epi16(both, 8));
}

inline size_t pick(const Sums& sums, const float* factors, CodeTable kind, float floor,
                   uint32_t first, uint32_t* places, float* values) {
  // The even sums carry the odd bytes above them.
  const __m256i even = _mm256_sub_epi16(sums.even, _mm256_slli_epi16(sums.odd, 8));
  const __m256i low = _mm256_unpacklo_epi16(even, sums.odd);
  const __m256i high = _mm256_unpackhi_epi16(even, sums.odd);
  const __m128i eights[4] = {_mm256_castsi256_si128(low), _mm256_castsi256_si128(high),
                             _mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1)};
  const __m256 scale = _mm256_set1_ps(kind.scale);
  const __m256 offset = _mm256_set1_ps(kind.offset);
  const __m256 least = _mm256_set1_ps(floor);
  __m256 estimates[4];
  unsigned mask = 0;
  for (int i = 0; i < 4; ++i) {
    const __m256 sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(eights[i]));
    const __m256 product = _mm256_fmadd_ps(sum, scale, offset);
    estimates[i] = _mm256_fmadd_ps(_mm256_loadu_ps(factors + 8 * i), product,
                                   _mm256_loadu_ps(factors + 32 + 8 * i));
    mask |=
        static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(estimates[i], least, _CMP_GE_OQ)))
        << (8 * i);
  }
  if (mask == 0) return 0;
  alignas(32) float all[32];
  for (int i = 0; i < 4; ++i) _mm256_store_ps(all + 8 * i, estimates[i]);
  size_t found = 0;
  for (; mask != 0; mask &= mask - 1) {
    const auto i = static_cast<uint32_t>(__builtin_ctz(mask));
    places[found] = first + i;
    values[found++] = all[i];
  }
  return found;
}

inline __m256i load_codes(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

inline __m256i load_entries(const uint8_t* p) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

size_t scan(const uint8_t* blocks, size_t block_count, size_t pairs, const uint8_t* table,
            CodeTable kind, float floor, uint32_t* places, float* values) {
  const size_t bytes = code_block_bytes(pairs);
  size_t found = 0;
  size_t b = 0;
  for (; b + 2 <= block_count; b += 2, blocks += 2 * bytes) {
    Sums x = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    Sums y = x;
    for (size_t p = 0; p < pairs; ++p) {
      const __m256i first = load_entries(table + p * 32);
      const __m256i second = load_entries(table + p * 32 + 16);
      add_pair(x, load_codes(blocks + p * 32), first, second);
      add_pair(y, load_codes(blocks + bytes + p * 32), first, second);
    }
    const auto* const factors = reinterpret_cast<const float*>(blocks + pairs * 32);
    const auto* const next = reinterpret_cast<const float*>(blocks + bytes + pairs * 32);
    const auto place = static_cast<uint32_t>(b * kCodesPerBlock);
    found += pick(x, factors, kind, floor, place, places + found, values + found);
    found += pick(y, next, kind, floor, place + 32, places + found, values + found);
  }
  for (; b < block_count; ++b, blocks += bytes) {
    Sums x = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t p = 0; p < pairs; ++p) {
      add_pair(x, load_codes(blocks + p * 32), load_entries(table + p * 32),
               load_entries(table + p * 32 + 16));
    }
    const auto* const factors = reinterpret_cast<const float*>(blocks + pairs * 32);
    found += pick(x, factors, kind, floor, static_cast<uint32_t>(b * kCodesPerBlock),
                  places + found, values + found);
  }
  return found;
}

int32_t dot_bytes(const int8_t* row, const int16_t* query, size_t dimension) {
  __m256i a = _mm256_setzero_si256();
  __m256i b = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= dimension; i += 32) {
    const __m256i x =
        _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i)));
    const __m256i y =
        _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i + 16)));
    const auto* const q = reinterpret_cast<const __m256i*>(query + i);
    a = _mm256_add_epi32(a, _mm256_madd_epi16(x, _mm256_loadu_si256(q)));
    b = _mm256_add_epi32(b, _mm256_madd_epi16(y, _mm256_loadu_si256(q + 1)));
  }
  a = _mm256_add_epi32(a, b);
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
  int32_t total = _mm_cvtsi128_si32(sum);
  for (; i < dimension; ++i) total += int32_t{row[i]} * query[i];
  return total;
}

float dot_split(const int8_t* high, const uint8_t* low, const float* query, size_t dimension) {
  const __m256i shifts = _mm256_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21);
  const __m256i mask = _mm256_set1_epi32(7);
  const __m256i four = _mm256_set1_epi32(4);
  __m256 sum = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 8 <= dimension; i += 8, low += 3) {
    const __m256i bits = _mm256_set1_epi32(
        static_cast<int>(low[0] | (unsigned{low[1]} << 8) | (unsigned{low[2]} << 16)));
    const __m256i fine = _mm256_and_si256(_mm256_srlv_epi32(bits, shifts), mask);
    const __m256i coarse =
        _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(high + i)));
    const __m256i value =
        _mm256_sub_epi32(_mm256_add_epi32(_mm256_slli_epi32(coarse, 3), fine), four);
    sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(value), _mm256_loadu_ps(query + i), sum);
  }
  float total = sum_of(sum);
  for (size_t bit = 0; i < dimension; ++i, bit += 3) {
    const unsigned bits =
        low[bit / 8] | (unsigned{bit % 8 > 5 ? low[bit / 8 + 1] : uint8_t{0}} << 8);
    const int value = static_cast<int>((bits >> (bit % 8)) & 7);
    total += static_cast<float>(8 * high[i] + value - 4) * query[i];
  }
  return total;
}

void choose_words(const float* values, const float* codebook, const float* halves,
                  const uint16_t* widths, size_t groups, uint8_t* words) {
  for (size_t g = 0; g < groups; ++g) {
    __m256 low = _mm256_loadu_ps(halves + g * kCodeWords);
    __m256 high = _mm256_loadu_ps(halves + g * kCodeWords + 8);
    for (unsigned i = 0; i < widths[g]; ++i, ++values, codebook += kCodeWords) {
      const __m256 value = _mm256_broadcast_ss(values);
      low = _mm256_fnmadd_ps(value, _mm256_loadu_ps(codebook), low);
      high = _mm256_fnmadd_ps(value, _mm256_loadu_ps(codebook + 8), high);
    }
    const __m256 least = _mm256_broadcastss_ps(fold_min(low, high));
    const int equal = _mm256_movemask_ps(_mm256_cmp_ps(low, least, _CMP_EQ_OQ)) |
                      (_mm256_movemask_ps(_mm256_cmp_ps(high, least, _CMP_EQ_OQ)) << 8);
    // None is equal where values are no numbers.
    words[g] = static_cast<uint8_t>(__builtin_ctz(static_cast<unsigned>(equal) | 0x8000U));
  }
}

}  // namespace

const CodeKernels* code_kernels_avx2() {
  static constexpr CodeKernels kernels = {"avx2",    make_table, scan,
                                          dot_bytes, dot_split,  choose_words};
  const bool usable = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  return usable ? &kernels : nullptr;
}

}  // namespace headrace::index
#endif
