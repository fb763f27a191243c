#include "index/vector_epoch.h"

#include <algorithm>
#include <cmath>

#include "index/vector_kernels.h"

namespace headrace::index {

void multiply_rows(const float* rows, size_t row_count, const float* others, size_t other_count,
                   size_t padded, float* out, size_t out_stride) {
  const size_t tile = std::max<size_t>(4, (size_t{160} << 10) / (padded * sizeof(float)) / 4 * 4);
  std::vector<float> part(other_count * std::min(tile, row_count));
  for (size_t begin = 0; begin < row_count; begin += tile) {
    const size_t count = std::min(tile, row_count - begin);
    vector_kernels().dot_tile(rows + begin * padded, count, others, other_count, padded,
                              part.data());
    for (size_t q = 0; q < other_count; ++q) {
      std::copy_n(part.data() + q * count, count, out + q * out_stride + begin);
    }
  }
}

uint32_t list_count_for(uint64_t vectors) {
  const double lists = 3.5 * std::sqrt(static_cast<double>(vectors));
  return static_cast<uint32_t>(std::clamp(lists, 16.0, 16384.0));
}

std::vector<float> VectorEpoch::centroids_in_space() const {
  const size_t padded = padded_length(dimension);
  const size_t stride = padded_length(basis_size);
  std::vector<float> out(size_t{list_count} * padded);
  std::vector<float> columns(size_t{dimension} * stride);
  for (uint32_t i = 0; i < basis_size; ++i) {
    for (uint32_t d = 0; d < dimension; ++d) columns[d * stride + i] = basis[i * padded + d];
  }
  constexpr uint32_t kTogether = 256;
  for (uint32_t list = 0; list < list_count; list += kTogether) {
    multiply_rows(columns.data(), dimension, centroids.data() + list * stride,
                  std::min(kTogether, list_count - list), stride, out.data() + list * padded,
                  padded);
  }
  return out;
}

void VectorEpoch::rotate(const float* rows, size_t count, float* out) const {
  multiply_rows(basis.data(), basis_size, rows, count, padded_length(dimension), out,
                padded_length(basis_size));
}

}  // namespace headrace::index
