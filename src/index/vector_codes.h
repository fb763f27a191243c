// Encodes vectors with an epoch: the words of each group, and what a scan makes of them.
//
// Owns: its working memory; refers to the epoch. Threads: one at a time. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/vector_epoch.h"

namespace headrace::index {

// One vector's code: what a scan needs of it.
struct VectorCode {
  float slope = 0;
  float shift = 0;
  float residual = 0;  // squared length
};

class VectorEncoder {
 public:
  explicit VectorEncoder(const VectorEpoch& epoch);
  // `rotated` and `centroid` in the basis, rows of padded_length(basis_size); `square` = |vector|².
  // `words`: one byte a group.
  VectorCode encode(const float* rotated, const float* centroid, float square, bool euclidean,
                    uint8_t* words);

 private:
  const VectorEpoch& epoch_;
  std::vector<float> halves_;  // half the squared length of each word
  std::vector<float> residual_, coded_;
};

// Half the squared length of each of a group's words.
void halve_squares(const float* book, size_t width, float* out);

}  // namespace headrace::index
