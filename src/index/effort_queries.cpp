#include "index/effort_queries.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <random>

#include "index/vector_kernels.h"

namespace headrace::index {
namespace {

constexpr size_t kQueries = 1600;
constexpr EffortQueries::Kind kKindOf[] = {
    EffortQueries::kRow, EffortQueries::kNoisy,      EffortQueries::kRow, EffortQueries::kBetween,
    EffortQueries::kRow, EffortQueries::kDifference, EffortQueries::kRow, EffortQueries::kRandom};
// Of the rows nearest to a query so many are kept, and so many of them compared exactly.
constexpr size_t kKept = 512;
constexpr size_t kCompared = 160;

float dot(const float* a, const float* b, size_t n) {
  return vector_kernels().dot_f32(a, b, n);
}

// A value, so that sorting takes it in: called through a pointer it is half of the time.
constexpr auto better = [](const EffortQueries::Near& a, const EffortQueries::Near& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
};

}  // namespace

EffortQueries::EffortQueries(uint32_t dimension, Metric metric, size_t rows,
                             const VectorSource& vector)
    : dimension_(dimension), padded_(padded_length(dimension)), metric_(metric), vector_(vector) {
  choose(rows);
}

EffortQueries::Kind EffortQueries::kind(size_t query) {
  return kKindOf[query % std::size(kKindOf)];
}

void EffortQueries::choose(size_t rows) {
  std::mt19937 random(41);
  std::normal_distribution<float> normal;
  self_.assign(kQueries, UINT32_MAX);
  values_.assign(kQueries * padded_, 0);
  squares_.resize(kQueries);
  std::vector<float> other(dimension_);
  for (size_t q = 0; q < kQueries; ++q) {
    float* const row = values_.data() + q * padded_;
    const auto self = static_cast<uint32_t>(random() % rows);
    vector_(self, {row, dimension_});
    const float length = std::sqrt(dot(row, row, padded_));
    const float scale = length / std::sqrt(static_cast<float>(dimension_));
    switch (kind(q)) {
      case kRow:
        self_[q] = self;
        break;
      case kNoisy:
        for (uint32_t d = 0; d < dimension_; ++d) row[d] += 0.5f * scale * normal(random);
        break;
      case kBetween:
        vector_(random() % rows, other);
        for (uint32_t d = 0; d < dimension_; ++d) row[d] = 0.6f * row[d] + 0.4f * other[d];
        break;
      case kDifference:
        vector_(random() % rows, other);
        for (uint32_t d = 0; d < dimension_; ++d) row[d] -= other[d];
        if (dot(row, row, padded_) == 0) vector_(self, {row, dimension_});  // the same text twice
        // Where distances count it lies among the rows: moved from one to the other.
        if (metric_ == Metric::l2) {
          vector_(random() % rows, other);
          for (uint32_t d = 0; d < dimension_; ++d) row[d] += other[d];
        }
        break;
      case kRandom:
        for (uint32_t d = 0; d < dimension_; ++d) row[d] = scale * normal(random);
        break;
    }
    squares_[q] = dot(row, row, padded_);
    if (metric_ != Metric::cosine || kind(q) == kRow || squares_[q] == 0) continue;
    const float inverse = 1 / std::sqrt(squares_[q]);
    for (uint32_t d = 0; d < dimension_; ++d) row[d] *= inverse;
    squares_[q] = dot(row, row, padded_);
  }
}

void EffortQueries::start(const std::vector<float>& mean, size_t tasks) {
  mean_ = mean;
  mean_square_ = dot(mean.data(), mean.data(), padded_);
  std::vector<float> moved(values_);
  for (size_t i = 0; i < moved.size(); ++i) moved[i] -= mean[i % padded_];
  whole_ = WholeRows(moved.data(), count(), padded_, padded_);
  // Each task sees a part of the rows, in no order: its share of the nearest, with room to spare.
  kept_ = tasks == 1 ? kKept : std::max<size_t>(kKept * 5 / 4 / tasks, 128);
  Task task;
  task.found.resize(count());
  task.floors.assign(whole_.count(), std::numeric_limits<float>::infinity());
  std::fill_n(task.floors.begin(), count(), -std::numeric_limits<float>::infinity());
  tasks_.assign(tasks, task);
}

void EffortQueries::keep_best(std::vector<Near>& found, size_t count) {
  if (found.size() <= count) return;
  std::ranges::nth_element(found, found.begin() + static_cast<std::ptrdiff_t>(count) - 1, better);
  found.resize(count);
}

void EffortQueries::compare(size_t task, const WholeQueries& rows, size_t count, size_t first,
                            const float* mean_products, const float* squares,
                            std::vector<int32_t>& sums) {
  // q·x = (q - m)·(x - m) + m·(x - m) + q·m; the last is the same for all rows of a query.
  std::vector<float> shifts(count);
  for (size_t i = 0; i < count; ++i) {
    shifts[i] = mean_products[i] - mean_square_ - (metric_ == Metric::l2 ? squares[i] / 2 : 0.0f);
  }
  Task& own = tasks_[task];
  whole_.above(rows, 0, count, own.floors, shifts.data(), sums,
               [&](size_t i, uint32_t q, float score) {
                 const auto number = static_cast<uint32_t>(first + i);
                 if (number == self_[q]) return;
                 std::vector<Near>& found = own.found[q];
                 found.push_back({score, number});
                 if (found.size() < 2 * kept_) return;
                 keep_best(found, kept_);
                 own.floors[q] = found.back().score;
               });
}

void EffortQueries::finish(ThreadPool& pool) {
  best_.resize(count());
  pool.parallel_for(count(), [&](size_t q) {
    std::vector<Near>& best = best_[q];
    for (Task& task : tasks_) {
      best.insert(best.end(), task.found[q].begin(), task.found[q].end());
      task.found[q] = std::vector<Near>();
    }
    keep_best(best, kKept);
    std::ranges::sort(best, better);
    const float common = dot(values(q), mean_.data(), padded_);
    std::vector<float> row(padded_);
    for (size_t i = 0; i < best.size(); ++i) {
      if (i >= kCompared) {
        best[i].score += common;
        continue;
      }
      vector_(best[i].row, {row.data(), dimension_});
      best[i].score = dot(values(q), row.data(), padded_);
      if (metric_ == Metric::l2) best[i].score -= dot(row.data(), row.data(), padded_) / 2;
    }
    std::ranges::sort(best, better);
  });
  tasks_.clear();
}

}  // namespace headrace::index
