// Trains an epoch: centroids by Lloyd's iterations in small whole numbers, the basis of their
// residuals, groups of its directions and codebooks for them.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "index/code_kernels.h"
#include "index/vector_basis.h"
#include "index/vector_codes.h"
#include "index/vector_epoch.h"
#include "index/vector_kernels.h"
#include "index/whole_rows.h"

namespace headrace::index {
namespace {

constexpr uint32_t kBasisMax = 1024;
constexpr int kListRounds = 8;
constexpr int kPartRounds = 4;  // of them, with so many rows for each list
constexpr size_t kPartRows = 16;
constexpr int kWordRounds = 10;
constexpr size_t kCodeSample = 16'000;
constexpr size_t kRowTile = 64;
constexpr size_t kSumTogether = 192;

float dot(const float* a, const float* b, size_t n) {
  return vector_kernels().dot_f32(a, b, n);
}

// Values as binary16 holds them, so that a stored centroid is the one that codes were made with.
void round_to_halves(std::vector<float>& values) {
  std::vector<uint16_t> halves(values.size());
  vector_kernels().f32_to_f16(values.data(), halves.data(), values.size());
  vector_kernels().f16_to_f32(halves.data(), values.data(), values.size());
}

// Which centroid is nearest to each row of a sample, again and again.
class SampleLists {
 public:
  SampleLists(std::span<const float> sample, size_t padded, ThreadPool& pool)
      : sample_(sample),
        padded_(padded),
        count_(sample.size() / padded),
        pool_(pool),
        lists_(count_),
        middle_(padded),
        rows_(count_, padded) {
    for (size_t i = 0; i < count_; ++i) {
      for (size_t d = 0; d < padded; ++d) middle_[d] += sample[i * padded + d];
    }
    for (float& x : middle_) x /= static_cast<float>(std::max<size_t>(count_, 1));
    // Whole numbers are taken from what differs, so that a common part costs them nothing.
    for_each_block(count_, [&](size_t begin, size_t end) {
      std::vector<float> row(padded_);
      for (size_t i = begin; i < end; ++i) {
        for (size_t d = 0; d < padded_; ++d) row[d] = sample_[i * padded_ + d] - middle_[d];
        rows_.set(i, row.data());
      }
    });
  }

  // Of the first `count` rows.
  std::span<const uint32_t> assign(std::span<const float> centroids, size_t count) {
    const size_t lists = centroids.size() / padded_;
    std::vector<float> moved(centroids.begin(), centroids.end());
    for (size_t i = 0; i < moved.size(); ++i) moved[i] -= middle_[i % padded_];
    const WholeRows whole(moved.data(), lists, padded_, padded_);
    std::vector<float> shifts(whole.count(), -std::numeric_limits<float>::infinity());
    for (size_t list = 0; list < lists; ++list) {
      const float* const row = moved.data() + list * padded_;
      shifts[list] = -0.5f * dot(row, row, padded_);
    }
    for_each_block(count, [&](size_t begin, size_t end) {
      std::vector<int32_t> sums;
      whole.nearest(rows_, begin, end - begin, shifts, sums, lists_.data() + begin);
    });
    return std::span(lists_).first(count);
  }

 private:
  template <typename Body>
  void for_each_block(size_t count, const Body& body) {
    pool_.parallel_for((count + kRowTile - 1) / kRowTile, [&](size_t block) {
      body(block * kRowTile, std::min(count, (block + 1) * kRowTile));
    });
  }

  std::span<const float> sample_;
  const size_t padded_;
  const size_t count_;
  ThreadPool& pool_;
  std::vector<uint32_t> lists_;
  std::vector<float> middle_;
  WholeQueries rows_;
};

// Four at a time; `size` is a multiple of it.
void add_to(float* sums, const float* values, size_t size) {
  using Floats = float __attribute__((vector_size(16)));
  constexpr size_t kLanes = sizeof(Floats) / sizeof(float);
  for (size_t i = 0; i < size; i += kLanes) {
    Floats a;
    Floats b;
    std::memcpy(&a, sums + i, sizeof(a));
    std::memcpy(&b, values + i, sizeof(b));
    a += b;
    std::memcpy(sums + i, &a, sizeof(a));
  }
}

bool is_cancelled(const std::atomic<bool>* cancelled) {
  return cancelled != nullptr && *cancelled;
}

std::vector<float> train_centroids(std::span<const float> sample, size_t padded, uint32_t lists,
                                   SampleLists& nearest, ThreadPool& pool,
                                   const std::atomic<bool>* cancelled) {
  const size_t all = sample.size() / padded;
  std::mt19937 random(17);
  std::vector<uint32_t> order(all);
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::shuffle(order, random);
  std::vector<float> centroids(size_t{lists} * padded);
  for (uint32_t list = 0; list < lists; ++list) {
    std::copy_n(sample.data() + order[list % all] * padded, padded,
                centroids.data() + list * padded);
  }
  for (int round = 0; round < kListRounds && !is_cancelled(cancelled); ++round) {
    // Coarse at first: a part of the rows will do (they are in no order).
    const size_t count =
        round < kPartRounds ? std::min<size_t>(all, size_t{lists} * kPartRows) : all;
    const std::span<const uint32_t> assigned = nearest.assign(centroids, count);
    std::vector<uint32_t> sizes(lists);
    for (const uint32_t list : assigned) ++sizes[list];
    std::ranges::fill(centroids, 0.0f);
    // Each thread sums some directions of all rows, so that sums do not depend on their number.
    pool.parallel_for((padded + kSumTogether - 1) / kSumTogether, [&](size_t part) {
      const size_t begin = part * kSumTogether;
      const size_t size = std::min(kSumTogether, padded - begin);
      for (size_t i = 0; i < count; ++i) {
        add_to(centroids.data() + size_t{assigned[i]} * padded + begin,
               sample.data() + i * padded + begin, size);
      }
    });
    for (uint32_t list = 0; list < lists; ++list) {
      float* const sum = centroids.data() + size_t{list} * padded;
      if (sizes[list] == 0) {  // starts again at some row
        std::copy_n(sample.data() + size_t{random() % count} * padded, padded, sum);
        continue;
      }
      const float scale = 1.0f / static_cast<float>(sizes[list]);
      for (size_t d = 0; d < padded; ++d) sum[d] *= scale;
    }
  }
  return centroids;
}

// What 4 bits leave of directions with these variances: reverse water-filling, and what a codebook
// of 16 words loses against that.
float four_bit_error(std::span<const float> variances) {
  static constexpr float kLoss[] = {1, 2.4f, 1.7f, 1.45f, 1.32f, 1.26f, 1.2f, 1.16f};
  const float loss = variances.size() < std::size(kLoss) ? kLoss[variances.size()] : 1.12f;
  float logs = 0;
  float rest = std::accumulate(variances.begin(), variances.end(), 0.0f);
  // Variances descend: the first n get bits, down to a common level.
  float best = rest;
  for (size_t n = 1; n <= variances.size(); ++n) {
    if (variances[n - 1] <= 0) break;
    logs += std::log2(variances[n - 1]);
    rest -= variances[n - 1];
    const float level = std::exp2((logs - 8.0f) / static_cast<float>(n));
    if (level > variances[n - 1]) break;
    best = static_cast<float>(n) * level + std::max(rest, 0.0f);
  }
  return best * loss;
}

// Splits the leading directions into groups so that the codes leave least.
void choose_groups(VectorEpoch& epoch) {
  constexpr size_t kWidthMax = 14;
  const size_t size = epoch.basis_size;
  size_t groups = std::max<size_t>(2, (epoch.dimension + 5) / 6);
  groups = std::min<size_t>((groups + 1) / 2 * 2, 2 * kCodePairsMax);
  const size_t used = std::min(groups, size);
  // least[g][d]: the first d directions in g groups.
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<std::vector<float>> least(used + 1, std::vector<float>(size + 1, infinity));
  std::vector<std::vector<uint8_t>> width(used + 1, std::vector<uint8_t>(size + 1));
  std::vector<std::vector<float>> error(size, std::vector<float>(kWidthMax + 1));
  for (size_t d = 0; d < size; ++d) {
    for (size_t w = 1; w <= kWidthMax && d + w <= size; ++w) {
      error[d][w] = four_bit_error(std::span(epoch.spread).subspan(d, w));
    }
  }
  least[0][0] = 0;
  for (size_t g = 1; g <= used; ++g) {
    for (size_t d = g; d <= size; ++d) {
      for (size_t w = 1; w <= std::min(kWidthMax, d); ++w) {
        const float sum = least[g - 1][d - w] + error[d - w][w];
        if (sum < least[g][d]) {
          least[g][d] = sum;
          width[g][d] = static_cast<uint8_t>(w);
        }
      }
    }
  }
  float rest = 0;
  float best = infinity;
  size_t end = used;
  for (size_t d = size; d >= used; --d) {  // directions from d on get no bits
    if (least[used][d] + rest < best) {
      best = least[used][d] + rest;
      end = d;
    }
    rest += epoch.spread[d - 1];
  }
  epoch.widths.assign(groups, 0);
  for (size_t g = used; g > 0; --g) {
    epoch.widths[g - 1] = width[g][end];
    end -= width[g][end];
  }
}

// `rows`: residuals in the basis. Lloyd's iterations for each group on its own.
void train_codebook(VectorEpoch& epoch, std::span<const float> rows, ThreadPool& pool) {
  const size_t stride = padded_length(epoch.basis_size);
  const size_t count = rows.size() / stride;
  std::vector<size_t> first(1, 0);
  for (const uint16_t width : epoch.widths) first.push_back(first.back() + width);
  epoch.codebook.assign(first.back() * kCodeWords, 0);
  pool.parallel_for(epoch.widths.size(), [&](size_t group) {
    const size_t width = epoch.widths[group];
    if (width == 0) return;
    float* const book = epoch.codebook.data() + first[group] * kCodeWords;
    std::vector<float> own(count * width);  // the rows' parts, near each other
    for (size_t i = 0; i < count; ++i) {
      std::copy_n(rows.data() + i * stride + first[group], width, own.data() + i * width);
    }
    std::mt19937 random(static_cast<uint32_t>(group) + 1);
    for (size_t w = 0; w < kCodeWords; ++w) {
      const float* const row = own.data() + (random() % count) * width;
      for (size_t d = 0; d < width; ++d) book[d * kCodeWords + w] = row[d];
    }
    std::vector<double> sums(width * kCodeWords);
    std::vector<float> halves(kCodeWords);
    for (int round = 0; round < kWordRounds; ++round) {
      std::ranges::fill(sums, 0.0);
      uint32_t sizes[kCodeWords] = {};
      halve_squares(book, width, halves.data());
      for (size_t i = 0; i < count; ++i) {
        const float* const row = own.data() + i * width;
        uint8_t word = 0;
        code_kernels().choose_words(row, book, halves.data(), &epoch.widths[group], 1, &word);
        ++sizes[word];
        for (size_t d = 0; d < width; ++d) sums[d * kCodeWords + word] += row[d];
      }
      for (size_t w = 0; w < kCodeWords; ++w) {
        const float* const row = own.data() + (random() % count) * width;
        for (size_t d = 0; d < width; ++d) {
          book[d * kCodeWords + w] =
              sizes[w] == 0
                  ? row[d]
                  : static_cast<float>(sums[d * kCodeWords + w] / static_cast<double>(sizes[w]));
        }
      }
    }
  });
}

void measure_noise(VectorEpoch& epoch, std::span<const float> rows,
                   std::span<const float> squares) {
  const size_t stride = padded_length(epoch.basis_size);
  const size_t count = rows.size() / stride;
  const std::vector<float> origin(stride);
  VectorEncoder encoder(epoch);
  std::vector<double> sums(epoch.basis_size);
  std::vector<uint8_t> words(epoch.widths.size());
  for (size_t i = 0; i < count; ++i) {
    const float* const row = rows.data() + i * stride;
    const VectorCode code = encoder.encode(row, origin.data(), squares[i], false, words.data());
    size_t d = 0;
    for (size_t g = 0; g < words.size(); ++g) {
      for (uint16_t w = 0; w < epoch.widths[g]; ++w, ++d) {
        const float left = row[d] - code.slope * epoch.codebook[d * kCodeWords + words[g]];
        sums[d] += static_cast<double>(left) * left;
      }
    }
    for (; d < epoch.basis_size; ++d) sums[d] += static_cast<double>(row[d]) * row[d];
  }
  epoch.noise.clear();
  for (const double sum : sums) {
    epoch.noise.push_back(
        static_cast<float>(sum / static_cast<double>(std::max<size_t>(count, 1))));
  }
  epoch.noise.push_back(epoch.spread.back());
}

}  // namespace

VectorEpoch train_epoch(std::span<const float> sample, uint32_t dimension, uint32_t list_count,
                        ThreadPool& pool, const std::atomic<bool>* cancelled) {
  const size_t padded = padded_length(dimension);
  const size_t count = sample.size() / padded;
  VectorEpoch epoch;
  epoch.dimension = dimension;
  epoch.basis_size = std::min(dimension, kBasisMax);
  epoch.list_count = list_count;
  const size_t stride = padded_length(epoch.basis_size);
  SampleLists nearest(sample, padded, pool);
  const std::vector<float> centers =
      train_centroids(sample, padded, list_count, nearest, pool, cancelled);
  if (is_cancelled(cancelled)) return epoch;
  // Residuals of some rows.
  const size_t used = std::min(count, std::max<size_t>(kCodeSample * 384 / (padded + 384), 4096));
  const std::span<const uint32_t> lists = nearest.assign(centers, used);
  std::vector<float> residuals(sample.begin(),
                               sample.begin() + static_cast<std::ptrdiff_t>(used * padded));
  std::vector<float> lengths(used);
  for (size_t i = 0; i < used; ++i) {
    const float* const center = centers.data() + size_t{lists[i]} * padded;
    float* const row = residuals.data() + i * padded;
    for (size_t d = 0; d < dimension; ++d) row[d] -= center[d];
    lengths[i] = dot(row, row, padded);
  }
  find_basis(epoch, residuals, pool);
  choose_groups(epoch);
  std::vector<float> turned(used * stride);
  pool.parallel_for((used + kRowTile - 1) / kRowTile, [&](size_t block) {
    const size_t begin = block * kRowTile;
    epoch.rotate(residuals.data() + begin * padded, std::min(kRowTile, used - begin),
                 turned.data() + begin * stride);
  });
  train_codebook(epoch, turned, pool);
  measure_noise(epoch, turned, lengths);
  epoch.centroids.assign(size_t{list_count} * stride, 0);
  pool.parallel_for((list_count + kRowTile - 1) / kRowTile, [&](size_t block) {
    const size_t begin = block * kRowTile;
    epoch.rotate(centers.data() + begin * padded, std::min<size_t>(kRowTile, list_count - begin),
                 epoch.centroids.data() + begin * stride);
  });
  round_to_halves(epoch.centroids);
  return epoch;
}

}  // namespace headrace::index
