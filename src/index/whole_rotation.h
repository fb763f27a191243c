// Turns vectors into the basis of an epoch by products of small whole numbers. What all vectors
// have in common, the centroids' mean, is taken off before and put back after, so that the numbers
// are those of what differs.
//
// Owns: its numbers. Threads: const and safe. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/vector_epoch.h"
#include "index/whole_rows.h"

namespace headrace::index {

class WholeRotation {
 public:
  explicit WholeRotation(const VectorEpoch& epoch);

  // In the space of the vectors, of padded_length(dimension), and in the basis.
  const std::vector<float>& mean() const { return mean_; }
  const std::vector<float>& mean_in_basis() const { return mean_in_basis_; }
  // A row of padded_length(dimension) as rotate() takes it.
  void take(const float* row, WholeQueries& to, size_t i) const;
  // out: rows of padded_length(basis_size), filled up with zeros.
  void rotate(const WholeQueries& rows, size_t begin, size_t count, std::vector<int32_t>& sums,
              float* out) const;

 private:
  size_t dimension_;
  size_t basis_size_;
  std::vector<float> mean_, mean_in_basis_;
  WholeRows basis_;
};

}  // namespace headrace::index
