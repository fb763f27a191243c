// AVX-512 VNNI versions. Plain functions over pointers only: nothing inline from a header may be
// instantiated here, or the linker might pick this file's copy for all CPUs.
#include "index/code_kernels.h"

#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12's own header uses values that it leaves undefined on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

namespace headrace::index {
namespace {

CodeTable make_table(const float* query, const float* codebook, const uint16_t* widths,
                     size_t groups, float* products, uint8_t* table) {
  CodeTable kind;
  float range = 0;
  float leasts[2 * kCodePairsMax];
  for (size_t g = 0; g < groups; ++g) {
    __m512 sums = _mm512_setzero_ps();
    for (unsigned i = 0; i < widths[g]; ++i, ++query, codebook += kCodeWords) {
      sums = _mm512_fmadd_ps(_mm512_set1_ps(*query), _mm512_loadu_ps(codebook), sums);
    }
    _mm512_storeu_ps(products + g * kCodeWords, sums);
    leasts[g] = _mm512_reduce_min_ps(sums);
    kind.offset += leasts[g];
    const float span = _mm512_reduce_max_ps(sums) - leasts[g];
    range = span > range ? span : range;
  }
  kind.scale = range / 127.0f;
  const __m512 inverse = _mm512_set1_ps(range > 0 ? 127.0f / range : 0.0f);
  const __m512i most = _mm512_set1_epi32(127);
  for (size_t g = 0; g < groups; ++g) {
    const __m512 above =
        _mm512_sub_ps(_mm512_loadu_ps(products + g * kCodeWords), _mm512_set1_ps(leasts[g]));
    const __m512i steps = _mm512_min_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(above, inverse)), most);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(table + g * kCodeWords),
                     _mm512_cvtepi32_epi8(steps));
  }
  return kind;
}

// Of 64 bytes of codes, two pairs of groups, each of the same 32 vectors: 16-bit sums of the
// vectors at even places (with those at odd places above them) and at odd places.
struct Sums {
  __m512i even, odd;
};

// The entries of two pairs, each for both its 128-bit lanes.
struct Entries {
  __m512i first, second;
};

inline Entries entries_of(__m512i table) {
  return {_mm512_shuffle_i64x2(table, table, 0xA0), _mm512_shuffle_i64x2(table, table, 0xF5)};
}

inline void add_pairs(Sums& sums, __m512i codes, const Entries& entries) {
  const __m512i mask = _mm512_set1_epi8(15);
  const __m512i a = _mm512_shuffle_epi8(entries.first, _mm512_and_si512(codes, mask));
  const __m512i b =
      _mm512_shuffle_epi8(entries.second, _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask));
  const __m512i both = _mm512_add_epi8(a, b);  // at most 254
  sums.even = _mm512_add_epi16(sums.even, both);
  sums.odd = _mm512_add_epi16(sums.odd, _mm512_srli_epi16(both, 8));
}

inline __m256i folded(__m512i sums) {
  return _mm256_add_epi16(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
}

// Puts those of 16 vectors that reach the floor behind each other.
inline size_t pick_half(__m256i sums, const float* factors, const CodeTable& kind, float floor,
                        uint32_t first, uint32_t* places, float* values) {
  const __m512 product = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sums)),
                                         _mm512_set1_ps(kind.scale), _mm512_set1_ps(kind.offset));
  const __m512 estimates =
      _mm512_fmadd_ps(_mm512_loadu_ps(factors), product, _mm512_loadu_ps(factors + kCodesPerBlock));
  const __mmask16 mask = _mm512_cmp_ps_mask(estimates, _mm512_set1_ps(floor), _CMP_GE_OQ);
  if (mask == 0) return 0;
  const __m512i numbers =
      _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(first)),
                       _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  _mm512_storeu_si512(places, _mm512_maskz_compress_epi32(mask, numbers));
  _mm512_storeu_ps(values, _mm512_maskz_compress_ps(mask, estimates));
  return static_cast<size_t>(__builtin_popcount(mask));
}

// `places` and `values` have room for all vectors up to the end of this block, which is as far as
// the whole registers reach that are stored.
inline size_t pick(const Sums& sums, const uint8_t* factor_bytes, const CodeTable& kind,
                   float floor, uint32_t first, uint32_t* places, float* values) {
  const auto* const factors = reinterpret_cast<const float*>(factor_bytes);
  const __m256i odd = folded(sums.odd);
  const __m256i even = _mm256_sub_epi16(folded(sums.even), _mm256_slli_epi16(odd, 8));
  const __m256i low = _mm256_unpacklo_epi16(even, odd);
  const __m256i high = _mm256_unpackhi_epi16(even, odd);
  const size_t found = pick_half(_mm256_permute2x128_si256(low, high, 0x20), factors, kind, floor,
                                 first, places, values);
  return found + pick_half(_mm256_permute2x128_si256(low, high, 0x31), factors + 16, kind, floor,
                           first + 16, places + found, values + found);
}

// kTogether blocks that follow each other, so that they share the entries.
template <size_t kTogether>
inline size_t scan_together(const uint8_t* blocks, size_t pairs, const uint8_t* table,
                            const CodeTable& kind, float floor, uint32_t first, uint32_t* places,
                            float* values) {
  const size_t bytes = code_block_bytes(pairs);
  Sums sums[kTogether];
#pragma GCC unroll 4
  for (size_t b = 0; b < kTogether; ++b) sums[b] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  size_t p = 0;
  for (; p + 2 <= pairs; p += 2) {
    const Entries entries = entries_of(_mm512_loadu_si512(table + p * 32));
#pragma GCC unroll 4
    for (size_t b = 0; b < kTogether; ++b) {
      add_pairs(sums[b], _mm512_loadu_si512(blocks + b * bytes + p * 32), entries);
    }
  }
  if (p < pairs) {  // nothing is added for codes whose entries are zeros
    constexpr __mmask64 kHalf = 0xFFFFFFFF;
    const Entries entries = entries_of(_mm512_maskz_loadu_epi8(kHalf, table + p * 32));
#pragma GCC unroll 4
    for (size_t b = 0; b < kTogether; ++b) {
      add_pairs(sums[b], _mm512_maskz_loadu_epi8(kHalf, blocks + b * bytes + p * 32), entries);
    }
  }
  size_t found = 0;
#pragma GCC unroll 4
  for (size_t b = 0; b < kTogether; ++b) {
    found +=
        pick(sums[b], blocks + b * bytes + pairs * 32, kind, floor,
             first + static_cast<uint32_t>(b * kCodesPerBlock), places + found, values + found);
  }
  return found;
}

size_t scan(const uint8_t* blocks, size_t block_count, size_t pairs, const uint8_t* table,
            CodeTable kind, float floor, uint32_t* places, float* values) {
  const size_t bytes = code_block_bytes(pairs);
  size_t found = 0;
  size_t b = 0;
  const auto first = [&] { return static_cast<uint32_t>(b * kCodesPerBlock); };
  for (; b + 4 <= block_count; b += 4) {
    found += scan_together<4>(blocks + b * bytes, pairs, table, kind, floor, first(),
                              places + found, values + found);
  }
  if (b + 3 == block_count) {
    return found + scan_together<3>(blocks + b * bytes, pairs, table, kind, floor, first(),
                                    places + found, values + found);
  }
  if (b + 2 <= block_count) {
    found += scan_together<2>(blocks + b * bytes, pairs, table, kind, floor, first(),
                              places + found, values + found);
    b += 2;
  }
  if (b < block_count) {
    found += scan_together<1>(blocks + b * bytes, pairs, table, kind, floor, first(),
                              places + found, values + found);
  }
  return found;
}

int32_t dot_bytes(const int8_t* row, const int16_t* query, size_t dimension) {
  __m512i a = _mm512_setzero_si512();
  __m512i b = _mm512_setzero_si512();
  size_t i = 0;
  const auto wide = [&](size_t at) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + at)));
  };
  for (; i + 64 <= dimension; i += 64) {
    a = _mm512_dpwssd_epi32(a, wide(i), _mm512_loadu_si512(query + i));
    b = _mm512_dpwssd_epi32(b, wide(i + 32), _mm512_loadu_si512(query + i + 32));
  }
  for (; i < dimension; i += 32) {
    const size_t left = dimension - i;
    const __mmask32 mask = left >= 32 ? 0xFFFFFFFF : (uint32_t{1} << left) - 1;
    a = _mm512_dpwssd_epi32(a, _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, row + i)),
                            _mm512_maskz_loadu_epi16(mask, query + i));
  }
  return _mm512_reduce_add_epi32(_mm512_add_epi32(a, b));
}

float dot_split(const int8_t* high, const uint8_t* low, const float* query, size_t dimension) {
  const __m512i shifts = _mm512_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21, 0, 3, 6, 9, 12, 15, 18, 21);
  const __m512i mask = _mm512_set1_epi32(7);
  const __m512i four = _mm512_set1_epi32(4);
  __m512 sum = _mm512_setzero_ps();
  const auto add = [&](uint64_t bits, __m128i bytes, __m512 values) {
    const __m512i both = _mm512_inserti64x4(_mm512_set1_epi32(static_cast<int>(bits)),
                                            _mm256_set1_epi32(static_cast<int>(bits >> 24)), 1);
    const __m512i fine = _mm512_and_si512(_mm512_srlv_epi32(both, shifts), mask);
    const __m512i coarse = _mm512_slli_epi32(_mm512_cvtepi8_epi32(bytes), 3);
    const __m512i value = _mm512_sub_epi32(_mm512_add_epi32(coarse, fine), four);
    sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(value), values, sum);
  };
  size_t i = 0;
  for (; i + 16 <= dimension; i += 16, low += 6) {
    uint64_t bits;
    __builtin_memcpy(&bits, low, 8);  // two bytes further than it takes
    add(bits, _mm_loadu_si128(reinterpret_cast<const __m128i*>(high + i)),
        _mm512_loadu_ps(query + i));
  }
  if (i < dimension) {
    const auto some = static_cast<__mmask16>((1U << (dimension - i)) - 1);
    uint64_t bits = 0;
    for (size_t byte = 0; byte < ((dimension - i) * 3 + 7) / 8; ++byte) {
      bits |= uint64_t{low[byte]} << (8 * byte);
    }
    add(bits, _mm_maskz_loadu_epi8(some, high + i), _mm512_maskz_loadu_ps(some, query + i));
  }
  return _mm512_reduce_add_ps(sum);
}

void choose_words(const float* values, const float* codebook, const float* halves,
                  const uint16_t* widths, size_t groups, uint8_t* words) {
  for (size_t g = 0; g < groups; ++g) {
    __m512 costs = _mm512_loadu_ps(halves + g * kCodeWords);
    for (unsigned i = 0; i < widths[g]; ++i, ++values, codebook += kCodeWords) {
      costs = _mm512_fnmadd_ps(_mm512_set1_ps(*values), _mm512_loadu_ps(codebook), costs);
    }
    const __m512 least = _mm512_set1_ps(_mm512_reduce_min_ps(costs));
    const unsigned equal = _mm512_cmp_ps_mask(costs, least, _CMP_EQ_OQ);
    // None is equal where values are no numbers.
    words[g] = static_cast<uint8_t>(__builtin_ctz(equal | 0x8000U));
  }
}

}  // namespace

const CodeKernels* code_kernels_avx512() {
  static constexpr CodeKernels kernels = {"avx512",  make_table, scan,
                                          dot_bytes, dot_split,  choose_words};
  const bool usable =
      __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
      __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
      __builtin_cpu_supports("avx512vnni") != 0;
  return usable ? &kernels : nullptr;
}

}  // namespace headrace::index
#endif
