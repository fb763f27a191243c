// Arithmetic over vectors in small whole numbers: rows of 8 bits against queries of 7, and what
// follows from their products. Rows lie in groups of 16 (whole_rows.h makes them). The best version
// for this CPU is chosen once.
//
// Owns: nothing. Threads: pure functions. Errors: callers make sure of the sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headrace::index {

// A query's numbers are 1 to 127: seven bits around this.
inline constexpr int32_t kWholeZero = 64;
inline constexpr float kWholeMost = 63;
// Rows come in groups of so many.
inline constexpr size_t kWholeGroup = 16;

// Sums of products, one for each row, and what turns them into numbers: value i of a query is
// times · steps[i] · (sums[i] - zeros[i]).
struct WholeSums {
  const int32_t* sums;
  const int32_t* zeros;
  const float* steps;
  float times;
};

struct WholeKernels {
  std::string_view name;
  // The largest absolute value.
  float (*largest)(const float* values, size_t size);
  // out[i] = values[i] · factor + 64, rounded (half up).
  void (*to_bytes)(const float* values, size_t size, float factor, uint8_t* out);
  // Inner products of queries (`query_stride` bytes apart) with rows in groups of 16: for each four
  // numbers 64 bytes, four of each row. out[q * stride + row]; `size` a multiple of 4, `row_count`
  // one of 16.
  void (*products)(const int8_t* rows, size_t row_count, const uint8_t* queries, size_t query_count,
                   size_t query_stride, size_t size, int32_t* out, size_t stride);
  // The inner product of one row of bytes, as it is, with a query; `size` a multiple of 16.
  int32_t (*dot)(const int8_t* row, const uint8_t* query, size_t size);
  // The functions below: count is a multiple of 16.
  // out[i] = value i + shifts[i] + shift.
  void (*values)(const WholeSums& sums, const float* shifts, float shift, size_t count, float* out);
  // The row with the largest value (shifted), where it is above `best`: then that is updated, and
  // so is `place` (to first + the row's).
  void (*nearest)(const WholeSums& sums, const float* shifts, size_t count, uint32_t first,
                  float& best, uint32_t& place);
  // Which values plus `shift` are above their floors; returns how many. There is room for all.
  size_t (*above)(const WholeSums& sums, const float* floors, float shift, size_t count,
                  uint32_t* places, float* values);
  // How good a list's best rows may be: bounds[i] = products[i] · scale[i] + shift[i] + factor ·
  // reach[i], and the best of each 16.
  void (*list_bounds)(const float* products, const float* scale, const float* shift,
                      const float* reach, size_t count, float factor, float* bounds, float* maxima);
  // Which bounds are at least `floor` (not minus infinity); returns how many, ascending by place.
  size_t (*pick)(const float* bounds, size_t count, float floor, uint32_t* places);
};

// The fastest that this CPU runs.
const WholeKernels& whole_kernels();

const WholeKernels& whole_kernels_scalar();
// Null where the build or the CPU has no such instructions.
const WholeKernels* whole_kernels_avx2();
const WholeKernels* whole_kernels_avx512();

}  // namespace headrace::index
