#include "index/vector_basis.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "index/vector_kernels.h"

namespace headrace::index {
namespace {

constexpr int kBasisRounds = 6;
// Rows that are made orthogonal to all before them together.
constexpr size_t kRowsTogether = 32;

float dot(const float* a, const float* b, size_t n) {
  return vector_kernels().dot_f32(a, b, n);
}

// Sum of r rᵀ over the rows: dimension rows of padded_length(dimension).
std::vector<float> covariance(std::span<const float> rows, uint32_t dimension, ThreadPool& pool) {
  const size_t padded = padded_length(dimension);
  const size_t count = rows.size() / padded;
  constexpr size_t kChunk = 512;
  const size_t tasks = std::min<size_t>(pool.size() + 1, (count + kChunk - 1) / kChunk);
  std::vector<std::vector<float>> sums(tasks);
  pool.parallel_for(tasks, [&](size_t task) {
    std::vector<float>& sum = sums[task];
    sum.assign(dimension * padded, 0);
    std::vector<float> turned(dimension * kChunk);
    std::vector<float> part(dimension * padded);
    for (size_t begin = task * kChunk; begin < count; begin += tasks * kChunk) {
      std::ranges::fill(turned, 0.0f);
      for (size_t i = 0; i < std::min(kChunk, count - begin); ++i) {
        const float* const row = rows.data() + (begin + i) * padded;
        for (uint32_t d = 0; d < dimension; ++d) turned[d * kChunk + i] = row[d];
      }
      multiply_rows(turned.data(), dimension, turned.data(), dimension, kChunk, part.data(),
                    padded);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
    }
  });
  for (size_t task = 1; task < tasks; ++task) {
    for (size_t i = 0; i < sums[0].size(); ++i) sums[0][i] += sums[task][i];
  }
  const float scale = 1.0f / static_cast<float>(std::max<size_t>(count, 1));
  for (float& x : sums[0]) x *= scale;
  return std::move(sums[0]);
}

// Gram-Schmidt in the order of the rows; a row that vanishes is replaced by a random one. Blocks of
// rows give up what they share with those before them as products of matrices.
class Orthonormal {
 public:
  Orthonormal(std::vector<float>& rows, size_t count, uint32_t dimension)
      : rows_(rows),
        count_(count),
        dimension_(dimension),
        padded_(padded_length(dimension)),
        columns_stride_(padded_length(count)),
        columns_(dimension * columns_stride_),
        shares_(kRowsTogether * columns_stride_),
        parts_(kRowsTogether * padded_) {}

  void make() {
    for (size_t begin = 0; begin < count_; begin += kRowsTogether) {
      const size_t size = std::min(kRowsTogether, count_ - begin);
      float lengths[kRowsTogether];
      for (size_t i = 0; i < size; ++i) lengths[i] = length(begin + i);
      for (int pass = 0; pass < 2 && begin > 0; ++pass) take_off(begin, size);
      for (size_t i = begin; i < begin + size; ++i) {
        settle(i, begin, lengths[i - begin]);
        for (uint32_t d = 0; d < dimension_; ++d) columns_[d * columns_stride_ + i] = row(i)[d];
      }
    }
  }

 private:
  float* row(size_t i) { return rows_.data() + i * padded_; }
  float length(size_t i) { return std::sqrt(dot(row(i), row(i), padded_)); }

  // Of the rows from `begin` on, what they share with those before.
  void take_off(size_t begin, size_t size) {
    std::ranges::fill(shares_, 0.0f);
    multiply_rows(rows_.data(), begin, row(begin), size, padded_, shares_.data(), columns_stride_);
    multiply_rows(columns_.data(), dimension_, shares_.data(), size, columns_stride_, parts_.data(),
                  padded_);
    for (size_t i = 0; i < size; ++i) {
      for (uint32_t d = 0; d < dimension_; ++d) row(begin + i)[d] -= parts_[i * padded_ + d];
    }
  }

  void settle(size_t i, size_t first, float before) {
    for (int attempt = 0; attempt < 8; ++attempt) {
      for (int pass = 0; pass < 2; ++pass) {
        for (size_t j = first; j < i; ++j) {
          const float share = dot(row(i), row(j), padded_);
          for (uint32_t d = 0; d < dimension_; ++d) row(i)[d] -= share * row(j)[d];
        }
      }
      const float now = length(i);
      if (now > 1e-4f * before && now > 1e-30f) {
        for (uint32_t d = 0; d < dimension_; ++d) row(i)[d] /= now;
        return;
      }
      for (uint32_t d = 0; d < dimension_; ++d) row(i)[d] = normal_(random_);
      before = length(i);
      first = 0;
    }
  }

  std::vector<float>& rows_;
  const size_t count_;
  const uint32_t dimension_;
  const size_t padded_;
  const size_t columns_stride_;
  std::vector<float> columns_;  // the finished rows, turned
  std::vector<float> shares_, parts_;
  std::mt19937 random_{5};
  std::normal_distribution<float> normal_;
};

}  // namespace

// Simultaneous iteration: directions sorted by variance, nearly; exact eigenvectors gain nothing.
void find_basis(VectorEpoch& epoch, std::span<const float> residuals, ThreadPool& pool) {
  const uint32_t dimension = epoch.dimension;
  const std::vector<float> spread_of = covariance(residuals, dimension, pool);
  const size_t padded = padded_length(dimension);
  const size_t size = epoch.basis_size;
  std::vector<float>& basis = epoch.basis;
  basis.assign(size * padded, 0);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < size; ++i) {
    if (size == dimension) {
      basis[i * padded + i] = 1;
    } else {
      for (uint32_t d = 0; d < dimension; ++d) basis[i * padded + d] = normal(random);
    }
  }
  std::vector<float> turned(basis.size());
  const auto turn = [&] {
    const size_t blocks = (size + 31) / 32;
    pool.parallel_for(blocks, [&](size_t block) {
      const size_t begin = block * 32;
      multiply_rows(spread_of.data(), dimension, basis.data() + begin * padded,
                    std::min<size_t>(32, size - begin), padded, turned.data() + begin * padded,
                    padded);
    });
  };
  for (int round = 0; round < kBasisRounds; ++round) {
    turn();
    basis.swap(turned);
    Orthonormal(basis, size, dimension).make();
    std::ranges::fill(turned, 0.0f);
  }
  turn();
  std::vector<std::pair<float, uint32_t>> order;
  float sum = 0;
  for (uint32_t i = 0; i < size; ++i) {
    const float variance =
        std::max(0.0f, dot(turned.data() + i * padded, basis.data() + i * padded, padded));
    order.emplace_back(variance, i);
    sum += variance;
  }
  std::ranges::sort(order, std::greater<>());
  std::vector<float> sorted(basis.size());
  epoch.spread.clear();
  for (uint32_t i = 0; i < size; ++i) {
    std::copy_n(basis.data() + order[i].second * padded, padded, sorted.data() + i * padded);
    epoch.spread.push_back(order[i].first);
  }
  basis = std::move(sorted);
  float trace = 0;
  for (uint32_t d = 0; d < dimension; ++d) trace += spread_of[d * padded + d];
  epoch.spread.push_back(
      size < dimension ? std::max(0.0f, trace - sum) / static_cast<float>(dimension - size) : 0.0f);
}

}  // namespace headrace::index
