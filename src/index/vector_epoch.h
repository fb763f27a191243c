// VectorEpoch: what the quantised codes of a space are made with: an orthogonal basis sorted by how
// much residuals vary along it, the centroids of lists, and codebooks of 16 words for groups of
// basis directions. Trained on a sample; a merge takes over the epoch of its largest input, so that
// segments of one space share it.
//
// Owns: its numbers. Threads: const and safe; training uses the pool given. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/thread_pool.h"

namespace headrace::index {

// Rows of floats start at multiples of this many floats, filled up with zeros.
constexpr size_t padded_length(size_t length) {
  return (length + 15) / 16 * 16;
}

struct VectorEpoch {
  uint32_t dimension = 0;
  uint32_t basis_size = 0;  // directions kept, at most dimension
  uint32_t list_count = 0;
  std::vector<float> basis;      // basis_size rows of padded_length(dimension)
  std::vector<float> centroids;  // in the basis: list_count rows of padded_length(basis_size)
  std::vector<uint16_t> widths;  // directions of each group, in order; an even number of groups
  std::vector<float> codebook;   // for each direction of the groups: 16 values
  std::vector<float> spread;     // variance of residuals by direction; last: of each one left out
  std::vector<float> noise;      // the same of what codes leave of residuals

  size_t pairs() const { return widths.size() / 2; }
  size_t coded() const { return codebook.size() / 16; }  // directions that have a codebook
  std::span<const float> centroid(uint32_t list) const {
    const size_t stride = padded_length(basis_size);
    return {centroids.data() + list * stride, stride};
  }
  // The centroids in the space of the vectors: list_count rows of padded_length(dimension).
  std::vector<float> centroids_in_space() const;
  // out: for each of the `count` rows of padded_length(dimension), a row in the basis.
  void rotate(const float* rows, size_t count, float* out) const;
};

// out[i * out_stride + r] = inner product of row r and other i, all of `padded` floats.
void multiply_rows(const float* rows, size_t row_count, const float* others, size_t other_count,
                   size_t padded, float* out, size_t out_stride);

// How many lists suit a segment of so many vectors.
uint32_t list_count_for(uint64_t vectors);

// `sample`: rows of padded_length(dimension); at least list_count of them. What is made is of no
// use once `cancelled` (or null) says so.
VectorEpoch train_epoch(std::span<const float> sample, uint32_t dimension, uint32_t list_count,
                        ThreadPool& pool, const std::atomic<bool>* cancelled = nullptr);

}  // namespace headrace::index
