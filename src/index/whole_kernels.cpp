#include "index/whole_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace headrace::index {
namespace {

float value_of(const WholeSums& sums, size_t i) {
  return sums.times * sums.steps[i] * static_cast<float>(sums.sums[i] - sums.zeros[i]);
}

float largest(const float* values, size_t size) {
  float most = 0;
  for (size_t i = 0; i < size; ++i) most = std::max(most, std::fabs(values[i]));
  return most;
}

void to_bytes(const float* values, size_t size, float factor, uint8_t* out) {
  for (size_t i = 0; i < size; ++i) {
    // Positive, so that it is cut off downwards.
    out[i] = static_cast<uint8_t>(values[i] * factor + (kWholeZero + 0.5f));
  }
}

void products(const int8_t* rows, size_t row_count, const uint8_t* queries, size_t query_count,
              size_t query_stride, size_t size, int32_t* out, size_t stride) {
  for (size_t q = 0; q < query_count; ++q, queries += query_stride, out += stride) {
    for (size_t row = 0; row < row_count; ++row) {
      const int8_t* const group = rows + row / 16 * 16 * size + row % 16 * 4;
      int32_t sum = 0;
      for (size_t i = 0; i < size; ++i) sum += int32_t{queries[i]} * group[i / 4 * 64 + i % 4];
      out[row] = sum;
    }
  }
}

int32_t dot(const int8_t* row, const uint8_t* query, size_t size) {
  int32_t sum = 0;
  for (size_t i = 0; i < size; ++i) sum += int32_t{row[i]} * query[i];
  return sum;
}

void values(const WholeSums& sums, const float* shifts, float shift, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = value_of(sums, i) + shifts[i] + shift;
}

void nearest(const WholeSums& sums, const float* shifts, size_t count, uint32_t first, float& best,
             uint32_t& place) {
  for (size_t i = 0; i < count; ++i) {
    const float value = value_of(sums, i) + shifts[i];
    if (!(value > best)) continue;
    best = value;
    place = first + static_cast<uint32_t>(i);
  }
}

size_t above(const WholeSums& sums, const float* floors, float shift, size_t count,
             uint32_t* places, float* values) {
  size_t found = 0;
  for (size_t i = 0; i < count; ++i) {
    const float value = value_of(sums, i) + shift;
    if (!(value > floors[i])) continue;
    places[found] = static_cast<uint32_t>(i);
    values[found++] = value;
  }
  return found;
}

void list_bounds(const float* products, const float* scale, const float* shift, const float* reach,
                 size_t count, float factor, float* bounds, float* maxima) {
  for (size_t i = 0; i < count; ++i) {
    bounds[i] = products[i] * scale[i] + shift[i] + factor * reach[i];
    if (i % 16 == 0 || bounds[i] > maxima[i / 16]) maxima[i / 16] = bounds[i];
  }
}

size_t pick(const float* bounds, size_t count, float floor, uint32_t* places) {
  size_t found = 0;
  for (size_t i = 0; i < count; ++i) {
    if (bounds[i] >= floor && bounds[i] > -std::numeric_limits<float>::infinity()) {
      places[found++] = static_cast<uint32_t>(i);
    }
  }
  return found;
}

}  // namespace

const WholeKernels& whole_kernels_scalar() {
  static constexpr WholeKernels kernels = {"scalar", largest, to_bytes, products,    dot,
                                           values,   nearest, above,    list_bounds, pick};
  return kernels;
}

#if !defined(__x86_64__)
const WholeKernels* whole_kernels_avx2() {
  return nullptr;
}
const WholeKernels* whole_kernels_avx512() {
  return nullptr;
}
#endif

const WholeKernels& whole_kernels() {
  static const WholeKernels& best = whole_kernels_avx512() != nullptr ? *whole_kernels_avx512()
                                    : whole_kernels_avx2() != nullptr ? *whole_kernels_avx2()
                                                                      : whole_kernels_scalar();
  return best;
}

}  // namespace headrace::index
