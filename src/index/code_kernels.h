// Arithmetic over quantised vectors: words, tables and scans over 4-bit codes in blocks of 32
// vectors, and inner products with vectors split into a byte plane and a plane of low bits
// (layouts: docs/formats/vectors.md). The best version for this CPU is chosen once.
//
// Owns: nothing. Threads: pure functions. Errors: callers make sure of the sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headrace::index {

inline constexpr size_t kCodesPerBlock = 32;
inline constexpr size_t kCodeWords = 16;  // codewords of a group of dimensions: 4 bits
// A block: 32 bytes for each pair of groups, then 32 slopes, then 32 shifts.
constexpr size_t code_block_bytes(size_t pairs) {
  return pairs * 32 + 2 * kCodesPerBlock * sizeof(float);
}
// Sums of table entries must fit 16 bits.
inline constexpr size_t kCodePairsMax = 256;

// The sum of a code's table entries, each 0…127, stands for scale · sum + offset.
struct CodeTable {
  float scale = 0;
  float offset = 0;
};

struct CodeKernels {
  std::string_view name;
  // `codebook`: for each dimension of the groups in turn, 16 floats. `products` has room for
  // groups * 16 floats; `table` gets as many bytes. groups is even.
  CodeTable (*make_table)(const float* query, const float* codebook, const uint16_t* widths,
                          size_t groups, float* products, uint8_t* table);
  // Which vectors of the blocks have slope · (product estimate) + shift >= floor: their places
  // (from 0) and those values. Returns how many; there is room for all.
  size_t (*scan)(const uint8_t* blocks, size_t block_count, size_t pairs, const uint8_t* table,
                 CodeTable kind, float floor, uint32_t* places, float* values);
  // Inner product of a byte row and a query of 16-bit numbers; fits 32 bits (the caller scales).
  int32_t (*dot_bytes)(const int8_t* row, const int16_t* query, size_t dimension);
  // sum of (8 · high + low - 4) · query, low of 3 bits: 8 dimensions in 3 bytes. `low` may be read
  // up to 4 bytes past its end.
  float (*dot_split)(const int8_t* high, const uint8_t* low, const float* query, size_t dimension);
  // The nearest word of each group: that with the least half square (`halves`, 16 for each group)
  // less product with the values.
  void (*choose_words)(const float* values, const float* codebook, const float* halves,
                       const uint16_t* widths, size_t groups, uint8_t* words);
};

// The fastest that this CPU runs.
const CodeKernels& code_kernels();

const CodeKernels& code_kernels_scalar();
// Null where the build or the CPU has no such instructions.
const CodeKernels* code_kernels_avx2();
const CodeKernels* code_kernels_avx512();

}  // namespace headrace::index
