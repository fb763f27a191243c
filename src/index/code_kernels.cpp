#include "index/code_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace headrace::index {
namespace {

CodeTable make_table(const float* query, const float* codebook, const uint16_t* widths,
                     size_t groups, float* products, uint8_t* table) {
  CodeTable kind;
  float range = 0;
  for (size_t g = 0; g < groups; ++g) {
    float* const out = products + g * kCodeWords;
    std::fill_n(out, kCodeWords, 0.0f);
    for (uint16_t i = 0; i < widths[g]; ++i, ++query, codebook += kCodeWords) {
      for (size_t w = 0; w < kCodeWords; ++w) out[w] += *query * codebook[w];
    }
    const auto [least, most] = std::minmax_element(out, out + kCodeWords);
    range = std::max(range, *most - *least);
  }
  const float inverse = range > 0 ? 127.0f / range : 0.0f;
  kind.scale = range / 127.0f;
  for (size_t g = 0; g < groups; ++g) {
    const float* const in = products + g * kCodeWords;
    const float least = *std::min_element(in, in + kCodeWords);
    kind.offset += least;
    for (size_t w = 0; w < kCodeWords; ++w) {
      table[g * kCodeWords + w] =
          static_cast<uint8_t>(std::min(127.0f, std::nearbyint((in[w] - least) * inverse)));
    }
  }
  return kind;
}

size_t scan(const uint8_t* blocks, size_t block_count, size_t pairs, const uint8_t* table,
            CodeTable kind, float floor, uint32_t* places, float* values) {
  size_t found = 0;
  for (size_t b = 0; b < block_count; ++b, blocks += code_block_bytes(pairs)) {
    uint32_t sums[kCodesPerBlock] = {};
    for (size_t p = 0; p < pairs; ++p) {
      const uint8_t* const codes = blocks + p * 32;
      const uint8_t* const entries = table + p * 2 * kCodeWords;
      for (size_t i = 0; i < kCodesPerBlock; ++i) {
        sums[i] += static_cast<uint32_t>(entries[codes[i] & 15]) +
                   static_cast<uint32_t>(entries[kCodeWords + (codes[i] >> 4)]);
      }
    }
    for (size_t i = 0; i < kCodesPerBlock; ++i) {
      float slope;
      float shift;
      std::memcpy(&slope, blocks + pairs * 32 + i * 4, 4);
      std::memcpy(&shift, blocks + pairs * 32 + (kCodesPerBlock + i) * 4, 4);
      const float value = slope * (kind.scale * static_cast<float>(sums[i]) + kind.offset) + shift;
      if (!(value >= floor)) continue;
      places[found] = static_cast<uint32_t>(b * kCodesPerBlock + i);
      values[found++] = value;
    }
  }
  return found;
}

int32_t dot_bytes(const int8_t* row, const int16_t* query, size_t dimension) {
  int32_t sum = 0;
  for (size_t i = 0; i < dimension; ++i) sum += int32_t{row[i]} * query[i];
  return sum;
}

float dot_split(const int8_t* high, const uint8_t* low, const float* query, size_t dimension) {
  float sum = 0;
  for (size_t i = 0; i < dimension; ++i) {
    const size_t bit = i * 3;
    const uint32_t bits = static_cast<uint32_t>(low[bit / 8]) |
                          (static_cast<uint32_t>(bit % 8 > 5 ? low[bit / 8 + 1] : 0) << 8);
    const auto value = static_cast<int32_t>((bits >> (bit % 8)) & 7);
    sum += static_cast<float>(8 * high[i] + value - 4) * query[i];
  }
  return sum;
}

void choose_words(const float* values, const float* codebook, const float* halves,
                  const uint16_t* widths, size_t groups, uint8_t* words) {
  for (size_t g = 0; g < groups; ++g) {
    float costs[kCodeWords];
    std::copy_n(halves + g * kCodeWords, kCodeWords, costs);
    for (uint16_t i = 0; i < widths[g]; ++i, ++values, codebook += kCodeWords) {
      for (size_t w = 0; w < kCodeWords; ++w) costs[w] -= *values * codebook[w];
    }
    words[g] = static_cast<uint8_t>(std::min_element(costs, costs + kCodeWords) - costs);
  }
}

}  // namespace

const CodeKernels& code_kernels_scalar() {
  static constexpr CodeKernels kernels = {"scalar",  make_table, scan,
                                          dot_bytes, dot_split,  choose_words};
  return kernels;
}

#if !defined(__x86_64__)
const CodeKernels* code_kernels_avx2() {
  return nullptr;
}
const CodeKernels* code_kernels_avx512() {
  return nullptr;
}
#endif

const CodeKernels& code_kernels() {
  static const CodeKernels& best = code_kernels_avx512() != nullptr ? *code_kernels_avx512()
                                   : code_kernels_avx2() != nullptr ? *code_kernels_avx2()
                                                                    : code_kernels_scalar();
  return best;
}

}  // namespace headrace::index
