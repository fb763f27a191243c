#include "index/list_bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "index/vector_kernels.h"

namespace headrace::index {
namespace {

constexpr size_t kLeadingMax = 192;
constexpr float kRowMost = 127;

// The mean of the centroids, in the basis.
std::vector<float> mean_of(const VectorEpoch& epoch, size_t stride) {
  std::vector<double> sums(stride);
  for (uint32_t list = 0; list < epoch.list_count; ++list) {
    for (size_t i = 0; i < stride; ++i) sums[i] += epoch.centroids[list * stride + i];
  }
  std::vector<float> mean(stride);
  for (size_t i = 0; i < stride; ++i) mean[i] = static_cast<float>(sums[i] / epoch.list_count);
  return mean;
}

}  // namespace

ListBounds::ListBounds(const VectorEpoch& epoch, Metric space_metric,
                       std::span<const float> residuals, uint32_t version)
    : metric(space_metric),
      angles(version >= 3 && space_metric == Metric::cosine),
      capped(version >= 5 && space_metric == Metric::cosine),
      scale(1.0f / std::sqrt(static_cast<float>(epoch.dimension))),
      leading_(std::min(kLeadingMax, padded_length(epoch.basis_size))) {
  const size_t lists = epoch.list_count;
  const size_t stride = padded_length(epoch.basis_size);
  const size_t rest_size = stride - leading_;
  const auto dot = vector_kernels().dot_f32;
  mean_ = mean_of(epoch, stride);
  std::vector<float> moved(lists * stride);
  for (size_t i = 0; i < moved.size(); ++i) moved[i] = epoch.centroids[i] - mean_[i % stride];
  centroids_ = WholeRows(moved.data(), lists, stride, leading_);
  const size_t padded = centroids_.count();
  shift.assign(padded, -std::numeric_limits<float>::infinity());
  times.resize(padded);
  reach.resize(padded);
  spread.resize(padded);
  middle_.resize(padded);
  squares_.resize(lists);
  rest_.resize(lists * rest_size);
  rest_step_.resize(lists);
  rest_zero_.resize(lists);
  double residual = 0;
  double left = 0;
  for (size_t i = 0; i < epoch.spread.size(); ++i) {
    const double weight =
        i + 1 < epoch.spread.size() ? 1.0 : static_cast<double>(epoch.dimension - epoch.basis_size);
    residual += epoch.spread[i] * weight;
    left += epoch.noise[i] * weight;
  }
  noise = residual > 0 ? static_cast<float>(std::sqrt(left / residual)) : 0.0f;
  for (size_t list = 0; list < lists; ++list) {
    const float* const centroid = epoch.centroids.data() + list * stride;
    const float* const own = moved.data() + list * stride;
    middle_[list] = dot(own, mean_.data(), stride);
    const float most = whole_kernels().largest(own + leading_, rest_size);
    rest_step_[list] = most / kRowMost;
    for (size_t i = 0; i < rest_size; ++i) {
      const float value = most > 0 ? own[leading_ + i] * (kRowMost / most) : 0;
      rest_[list * rest_size + i] = static_cast<int8_t>(std::lrintf(value));
      rest_zero_[list] += kWholeZero * rest_[list * rest_size + i];
    }
    spread[list] = std::sqrt(residuals[list]);
    reach[list] = angles ? 1 : spread[list];
    times[list] = 1;
    shift[list] = 0;
    const float square = dot(centroid, centroid, stride);
    squares_[list] = square;
    if (angles) {
      if (square > 0) times[list] = 1 / std::sqrt(square);
      continue;
    }
    if (metric == Metric::cosine) shift[list] = residuals[list];
    if (metric == Metric::l2) shift[list] = (residuals[list] - square) / 2;
  }
}

void ListBounds::take(const float* rotated, size_t count, Queries& queries) const {
  const size_t stride = mean_.size();
  queries.whole.reset(count, stride);
  queries.shifts.resize(count);
  queries.moved.resize(stride);
  for (size_t q = 0; q < count; ++q) {
    const float* const query = rotated + q * stride;
    for (size_t i = 0; i < stride; ++i) queries.moved[i] = query[i] - mean_[i];
    queries.whole.set(q, queries.moved.data());
    queries.shifts[q] = vector_kernels().dot_f32(mean_.data(), query, stride);
  }
}

void ListBounds::products(Queries& queries, size_t begin, size_t count, float* out) const {
  centroids_.products(queries.whole, begin, count, middle_, queries.shifts.data() + begin,
                      queries.sums, out);
}

float ListBounds::rest(const Queries& queries, size_t query, uint32_t list) const {
  const size_t size = mean_.size() - leading_;
  if (size == 0) return 0;
  const int32_t sum =
      whole_kernels().dot(rest_.data() + list * size, queries.whole.at(query) + leading_, size);
  return queries.whole.steps[query] * rest_step_[list] * static_cast<float>(sum - rest_zero_[list]);
}

float ListBounds::without(uint32_t list, uint32_t count, float square, float product) const {
  const auto n = static_cast<float>(count);
  if (count < 2) return -std::numeric_limits<float>::infinity();
  const float others = (n * product - square) / (n - 1);
  const float length_square =
      std::max(0.0f, n * n * squares_[list] - 2 * n * product + square) / ((n - 1) * (n - 1));
  if (angles) return length_square > 0 ? others / std::sqrt(length_square) : 0;
  if (metric == Metric::l2) return others + shift[list] + (squares_[list] - length_square) / 2;
  return others + shift[list];
}

float ListBounds::distance(float square, float score) const {
  if (metric == Metric::ip) return std::sqrt(square);
  const float squared = metric == Metric::l2 ? square - 2 * score : square + 1 - 2 * score;
  return std::sqrt(std::max(0.0f, squared));
}

}  // namespace headrace::index
