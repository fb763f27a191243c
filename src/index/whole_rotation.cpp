#include "index/whole_rotation.h"

#include <algorithm>

namespace headrace::index {

WholeRotation::WholeRotation(const VectorEpoch& epoch)
    : dimension_(epoch.dimension),
      basis_size_(epoch.basis_size),
      mean_(padded_length(epoch.dimension)),
      mean_in_basis_(padded_length(epoch.basis_size)),
      basis_(epoch.basis.data(), epoch.basis_size, mean_.size(), mean_.size()) {
  const size_t stride = mean_in_basis_.size();
  std::vector<double> sums(stride);
  for (uint32_t list = 0; list < epoch.list_count; ++list) {
    for (size_t i = 0; i < stride; ++i) sums[i] += epoch.centroids[list * stride + i];
  }
  for (size_t i = 0; i < basis_size_; ++i) {
    const auto amount = static_cast<float>(sums[i] / epoch.list_count);
    mean_in_basis_[i] = amount;
    const float* const direction = epoch.basis.data() + i * mean_.size();
    for (size_t d = 0; d < dimension_; ++d) mean_[d] += amount * direction[d];
  }
}

void WholeRotation::take(const float* row, WholeQueries& to, size_t i) const {
  thread_local std::vector<float> moved;
  moved.resize(mean_.size());
  for (size_t d = 0; d < mean_.size(); ++d) moved[d] = row[d] - mean_[d];
  to.set(i, moved.data());
}

void WholeRotation::rotate(const WholeQueries& rows, size_t begin, size_t count,
                           std::vector<int32_t>& sums, float* out) const {
  basis_.products(rows, begin, count, mean_in_basis_, nullptr, sums, out);
}

}  // namespace headrace::index
