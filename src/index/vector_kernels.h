// Vector arithmetic for search: inner products and distances over float16 and float32, one pair at
// a time or a tile of rows against a tile of queries. The best version for this CPU is chosen once.
//
// Owns: nothing. Threads: pure functions. Errors: callers make sure of the sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headrace::index {

// Tiles work on rows of floats whose length is padded with zeros to a multiple of this.
inline constexpr size_t kTilePadding = 16;

struct VectorKernels {
  std::string_view name;
  float (*dot_f16)(const uint16_t* row, const float* query, size_t dimension);
  float (*l2_f16)(const uint16_t* row, const float* query, size_t dimension);  // squared
  float (*dot_f32)(const float* row, const float* query, size_t dimension);
  float (*l2_f32)(const float* row, const float* query, size_t dimension);  // squared
  void (*f16_to_f32)(const uint16_t* in, float* out, size_t count);
  void (*f32_to_f16)(const float* in, uint16_t* out, size_t count);  // to nearest, ties to even
  double (*squares_f32)(const float* in, size_t count);              // their sum
  // out[i] = in[i] * factor, rounded once; `in` and `out` may be the same.
  void (*scale_f32)(const float* in, double factor, float* out, size_t count);
  // The greatest of the values' bits without their signs: from 0x7F800000 on one is infinite or not
  // a number, 0 says that all are zero.
  uint32_t (*greatest_bits)(const float* in, size_t count);
  // out[q * row_count + r] = inner product of row r and query q; `padded` is the length of both, a
  // multiple of kTilePadding.
  void (*dot_tile)(const float* rows, size_t row_count, const float* queries, size_t query_count,
                   size_t padded, float* out);
};

// The fastest that this CPU runs.
const VectorKernels& vector_kernels();

const VectorKernels& vector_kernels_scalar();
// Null where the build or the CPU has no such instructions.
const VectorKernels* vector_kernels_avx2();
const VectorKernels* vector_kernels_avx512();

}  // namespace headrace::index
