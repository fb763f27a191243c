#include "index/fusion.h"

#include <algorithm>
#include <cmath>

namespace headrace::index {

void fuse(std::span<FusionRow> rows, float text_score_max) {
  (void)text_score_max;
  double text_sum = 0, text_squares = 0, vector_sum = 0, vector_squares = 0, vectors = 0;
  for (const FusionRow& row : rows) {
    text_sum += row.text;
    text_squares += static_cast<double>(row.text) * row.text;
    if (row.vector) {
      vector_sum += *row.vector;
      vector_squares += static_cast<double>(*row.vector) * *row.vector;
      vectors += 1;
    }
  }
  const double n = static_cast<double>(rows.size());
  const double text_mean = text_sum / std::max(n, 1.0);
  const double vector_mean = vector_sum / std::max(vectors, 1.0);
  const double text_dev =
      std::sqrt(std::max(text_squares / std::max(n, 1.0) - text_mean * text_mean, 1e-12));
  const double vector_dev = std::sqrt(
      std::max(vector_squares / std::max(vectors, 1.0) - vector_mean * vector_mean, 1e-12));
  for (FusionRow& row : rows) {
    const double text = (row.text - text_mean) / text_dev;
    const double vector = row.vector ? (*row.vector - vector_mean) / vector_dev : -1.0;
    row.fused = static_cast<float>(0.5 * text + 0.5 * vector);
  }
}

}  // namespace headrace::index
