#include "index/vector_codes.h"

#include <algorithm>

#include "index/code_kernels.h"
#include "index/vector_kernels.h"

namespace headrace::index {

void halve_squares(const float* book, size_t width, float* out) {
  std::fill_n(out, kCodeWords, 0.0f);
  for (size_t d = 0; d < width; ++d) {
    for (size_t w = 0; w < kCodeWords; ++w) {
      out[w] += 0.5f * book[d * kCodeWords + w] * book[d * kCodeWords + w];
    }
  }
}

VectorEncoder::VectorEncoder(const VectorEpoch& epoch)
    : epoch_(epoch),
      halves_(epoch.widths.size() * kCodeWords),
      residual_(padded_length(epoch.basis_size)),
      coded_(residual_.size()) {
  const float* book = epoch.codebook.data();
  for (size_t g = 0; g < epoch.widths.size(); ++g) {
    halve_squares(book, epoch.widths[g], halves_.data() + g * kCodeWords);
    book += epoch.widths[g] * kCodeWords;
  }
}

VectorCode VectorEncoder::encode(const float* rotated, const float* centroid, float square,
                                 bool euclidean, uint8_t* words) {
  const size_t stride = residual_.size();
  for (size_t i = 0; i < stride; ++i) residual_[i] = rotated[i] - centroid[i];
  code_kernels().choose_words(residual_.data(), epoch_.codebook.data(), halves_.data(),
                              epoch_.widths.data(), epoch_.widths.size(), words);
  const float* book = epoch_.codebook.data();
  size_t d = 0;
  for (size_t g = 0; g < epoch_.widths.size(); ++g) {
    for (uint16_t i = 0; i < epoch_.widths[g]; ++i, ++d, book += kCodeWords) {
      coded_[d] = book[words[g]];
    }
  }
  const auto dot = vector_kernels().dot_f32;
  double length = dot(residual_.data(), residual_.data(), stride);
  // |r|² = |x|² - |x̃|² + |x̃ - c̃|²: what lies outside the basis counts.
  if (epoch_.basis_size < epoch_.dimension) {
    double inside = 0;
    for (size_t i = 0; i < stride; ++i) inside += static_cast<double>(rotated[i]) * rotated[i];
    length = std::max(length + square - inside, 0.0);
  }
  const double along = dot(residual_.data(), centroid, stride);
  const double coded_length = dot(residual_.data(), coded_.data(), stride);
  const double coded_along = dot(centroid, coded_.data(), stride);
  VectorCode code;
  const double slope = coded_length > 1e-12 * length && coded_length > 0
                           ? std::min(length / coded_length, 8.0)
                           : 0.0;
  code.slope = static_cast<float>(slope);
  code.residual = static_cast<float>(length);
  // Cosine and inner product: q·x ≈ q·c + slope·(q·r̂) + shift. Euclidean: less |x|²/2.
  code.shift = static_cast<float>(along - slope * coded_along - (euclidean ? square / 2 : 0));
  return code;
}

}  // namespace headrace::index
