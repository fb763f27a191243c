#include "index/vector_epoch.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "index/code_kernels.h"
#include "index/vector_kernels.h"

namespace headrace::index {
namespace {

constexpr uint32_t kBasisMax = 1024;
constexpr int kListRounds = 7;
constexpr int kBasisRounds = 10;
constexpr int kWordRounds = 12;
constexpr size_t kCodeSample = 24'000;
constexpr size_t kRowTile = 64;
constexpr size_t kCentroidTile = 128;

float dot(const float* a, const float* b, size_t n) {
  return vector_kernels().dot_f32(a, b, n);
}

// Values as binary16 holds them, so that a stored centroid is the one that codes were made with.
void round_to_halves(std::vector<float>& values) {
  std::vector<uint16_t> halves(values.size());
  vector_kernels().f32_to_f16(values.data(), halves.data(), values.size());
  vector_kernels().f16_to_f32(halves.data(), values.data(), values.size());
}

std::vector<float> squares_of(std::span<const float> rows, size_t stride) {
  std::vector<float> squares(rows.size() / stride);
  for (size_t i = 0; i < squares.size(); ++i) {
    squares[i] = dot(rows.data() + i * stride, rows.data() + i * stride, stride);
  }
  return squares;
}

std::vector<float> train_centroids(std::span<const float> sample, size_t padded, uint32_t lists,
                                   ThreadPool& pool) {
  const size_t count = sample.size() / padded;
  std::mt19937 random(17);
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::shuffle(order, random);
  std::vector<float> centroids(size_t{lists} * padded);
  for (uint32_t list = 0; list < lists; ++list) {
    std::copy_n(sample.data() + order[list % count] * padded, padded,
                centroids.data() + list * padded);
  }
  std::vector<uint32_t> assigned(count);
  std::vector<float> distances(count);
  for (int round = 0; round < kListRounds; ++round) {
    const std::vector<float> squares = squares_of(centroids, padded);
    const size_t blocks = (count + kRowTile - 1) / kRowTile;
    pool.parallel_for(blocks, [&](size_t block) {
      const size_t begin = block * kRowTile;
      assign_lists(sample.data() + begin * padded, std::min(kRowTile, count - begin), padded,
                   centroids, squares, assigned.data() + begin, distances.data() + begin);
    });
    std::ranges::fill(centroids, 0.0f);
    std::vector<uint32_t> sizes(lists);
    for (size_t i = 0; i < count; ++i) {
      float* const sum = centroids.data() + size_t{assigned[i]} * padded;
      const float* const row = sample.data() + i * padded;
      for (size_t d = 0; d < padded; ++d) sum[d] += row[d];
      ++sizes[assigned[i]];
    }
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

// Gram-Schmidt in the order of the rows; a row that vanishes is replaced by a random one.
void make_orthonormal(std::vector<float>& rows, size_t count, uint32_t dimension) {
  const size_t padded = padded_length(dimension);
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < count; ++i) {
    float* const row = rows.data() + i * padded;
    for (int attempt = 0; attempt < 8; ++attempt) {
      const float before = std::sqrt(dot(row, row, padded));
      for (int pass = 0; pass < 2; ++pass) {
        for (size_t j = 0; j < i; ++j) {
          const float* const other = rows.data() + j * padded;
          const float overlap = dot(row, other, padded);
          for (size_t d = 0; d < dimension; ++d) row[d] -= overlap * other[d];
        }
      }
      const float length = std::sqrt(dot(row, row, padded));
      if (length > 1e-4f * before && length > 1e-30f) {
        for (size_t d = 0; d < dimension; ++d) row[d] /= length;
        break;
      }
      for (size_t d = 0; d < dimension; ++d) row[d] = normal(random);
    }
  }
}

// Simultaneous iteration: directions sorted by variance, nearly; exact eigenvectors gain nothing.
void find_basis(VectorEpoch& epoch, const std::vector<float>& spread_of, ThreadPool& pool) {
  const uint32_t dimension = epoch.dimension;
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
    make_orthonormal(basis, size, dimension);
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
    std::mt19937 random(static_cast<uint32_t>(group) + 1);
    for (size_t w = 0; w < kCodeWords; ++w) {
      const float* const row = rows.data() + (random() % count) * stride + first[group];
      for (size_t d = 0; d < width; ++d) book[d * kCodeWords + w] = row[d];
    }
    std::vector<double> sums(width * kCodeWords);
    for (int round = 0; round < kWordRounds; ++round) {
      std::ranges::fill(sums, 0.0);
      uint32_t sizes[kCodeWords] = {};
      for (size_t i = 0; i < count; ++i) {
        const float* const row = rows.data() + i * stride + first[group];
        float distances[kCodeWords] = {};
        for (size_t d = 0; d < width; ++d) {
          for (size_t w = 0; w < kCodeWords; ++w) {
            const float difference = row[d] - book[d * kCodeWords + w];
            distances[w] += difference * difference;
          }
        }
        const auto word =
            static_cast<size_t>(std::min_element(distances, distances + kCodeWords) - distances);
        ++sizes[word];
        for (size_t d = 0; d < width; ++d) sums[d * kCodeWords + word] += row[d];
      }
      for (size_t w = 0; w < kCodeWords; ++w) {
        const float* const row = rows.data() + (random() % count) * stride + first[group];
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
  std::vector<double> sums(epoch.basis_size);
  std::vector<uint8_t> words(epoch.widths.size());
  for (size_t i = 0; i < count; ++i) {
    const float* const row = rows.data() + i * stride;
    const VectorCode code =
        encode_vector(epoch, row, origin.data(), squares[i], false, words.data());
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

void multiply_rows(const float* rows, size_t row_count, const float* others, size_t other_count,
                   size_t padded, float* out, size_t out_stride) {
  const size_t tile = std::max<size_t>(4, (size_t{160} << 10) / (padded * sizeof(float)) / 4 * 4);
  std::vector<float> part(other_count * std::min(tile, row_count));
  for (size_t begin = 0; begin < row_count; begin += tile) {
    const size_t count = std::min(tile, row_count - begin);
    vector_kernels().dot_tile(rows + begin * padded, count, others, other_count, padded,
                              part.data());
    for (size_t q = 0; q < other_count; ++q) {
      std::copy_n(part.data() + q * count, count, out + q * out_stride + begin);
    }
  }
}

uint32_t list_count_for(uint64_t vectors) {
  const double lists = 3.5 * std::sqrt(static_cast<double>(vectors));
  return static_cast<uint32_t>(std::clamp(lists, 16.0, 16384.0));
}

void assign_lists(const float* rows, size_t count, size_t padded, std::span<const float> centroids,
                  std::span<const float> squares, uint32_t* lists, float* distances) {
  const size_t list_count = squares.size();
  const VectorKernels& kernels = vector_kernels();
  std::vector<float> part(kCentroidTile * count);
  std::vector<float> best(count, -std::numeric_limits<float>::infinity());
  std::fill_n(lists, count, 0U);
  const size_t tile =
      std::clamp<size_t>((size_t{192} << 10) / (padded * sizeof(float)) / 4 * 4, 4, kCentroidTile);
  for (size_t begin = 0; begin < list_count; begin += tile) {
    const size_t size = std::min(tile, list_count - begin);
    kernels.dot_tile(centroids.data() + begin * padded, size, rows, count, padded, part.data());
    for (size_t i = 0; i < count; ++i) {
      const float* const values = part.data() + i * size;
      float most = best[i];
      uint32_t place = lists[i];
      for (size_t c = 0; c < size; ++c) {
        const float value = values[c] - 0.5f * squares[begin + c];
        if (value > most) {
          most = value;
          place = static_cast<uint32_t>(begin + c);
        }
      }
      best[i] = most;
      lists[i] = place;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const float* const row = rows + i * padded;
    distances[i] = std::max(0.0f, kernels.dot_f32(row, row, padded) - 2 * best[i]);
  }
}

std::vector<float> VectorEpoch::centroids_in_space() const {
  const size_t padded = padded_length(dimension);
  const size_t stride = padded_length(basis_size);
  std::vector<float> out(size_t{list_count} * padded);
  for (uint32_t list = 0; list < list_count; ++list) {
    float* const row = out.data() + list * padded;
    for (uint32_t i = 0; i < basis_size; ++i) {
      const float amount = centroids[list * stride + i];
      const float* const direction = basis.data() + i * padded;
      for (uint32_t d = 0; d < dimension; ++d) row[d] += amount * direction[d];
    }
  }
  return out;
}

void VectorEpoch::rotate(const float* rows, size_t count, float* out) const {
  multiply_rows(basis.data(), basis_size, rows, count, padded_length(dimension), out,
                padded_length(basis_size));
}

VectorEpoch train_epoch(std::span<const float> sample, uint32_t dimension, uint32_t list_count,
                        ThreadPool& pool) {
  const size_t padded = padded_length(dimension);
  const size_t count = sample.size() / padded;
  VectorEpoch epoch;
  epoch.dimension = dimension;
  epoch.basis_size = std::min(dimension, kBasisMax);
  epoch.list_count = list_count;
  const size_t stride = padded_length(epoch.basis_size);
  const std::vector<float> centers = train_centroids(sample, padded, list_count, pool);
  const std::vector<float> squares = squares_of(centers, padded);
  // Residuals of some rows.
  const size_t used = std::min(count, std::max<size_t>(kCodeSample * 384 / (padded + 384), 4096));
  std::vector<float> residuals(sample.begin(),
                               sample.begin() + static_cast<std::ptrdiff_t>(used * padded));
  const size_t blocks = (used + kRowTile - 1) / kRowTile;
  std::vector<float> lengths(used);
  pool.parallel_for(blocks, [&](size_t block) {
    const size_t begin = block * kRowTile;
    const size_t size = std::min(kRowTile, used - begin);
    uint32_t lists[kRowTile];
    float* const rows = residuals.data() + begin * padded;
    assign_lists(rows, size, padded, centers, squares, lists, lengths.data() + begin);
    for (size_t i = 0; i < size; ++i) {
      const float* const center = centers.data() + size_t{lists[i]} * padded;
      for (size_t d = 0; d < dimension; ++d) rows[i * padded + d] -= center[d];
    }
  });
  find_basis(epoch, covariance(residuals, dimension, pool), pool);
  choose_groups(epoch);
  std::vector<float> turned(used * stride);
  pool.parallel_for(blocks, [&](size_t block) {
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

VectorCode encode_vector(const VectorEpoch& epoch, const float* rotated, const float* centroid,
                         float square, bool euclidean, uint8_t* words) {
  const size_t size = epoch.basis_size;
  double length = square;   // |r|² = |x|² - |x̃|² + |x̃ - c̃|²: what lies outside the basis counts
  double along = 0;         // c · r
  double coded_length = 0;  // r · r̂
  double coded_along = 0;   // c · r̂
  const float* book = epoch.codebook.data();
  size_t d = 0;
  for (size_t g = 0; g < epoch.widths.size(); ++g) {
    float distances[kCodeWords] = {};
    const size_t width = epoch.widths[g];
    for (size_t i = 0; i < width; ++i) {
      const float residual = rotated[d + i] - centroid[d + i];
      for (size_t w = 0; w < kCodeWords; ++w) {
        const float difference = residual - book[i * kCodeWords + w];
        distances[w] += difference * difference;
      }
    }
    size_t best = 0;
    for (size_t w = 1; w < kCodeWords; ++w) {
      if (distances[w] < distances[best]) best = w;
    }
    words[g] = static_cast<uint8_t>(best);
    for (size_t i = 0; i < width; ++i) {
      const float word = book[i * kCodeWords + best];
      coded_length += static_cast<double>(rotated[d + i] - centroid[d + i]) * word;
      coded_along += static_cast<double>(centroid[d + i]) * word;
    }
    book += width * kCodeWords;
    d += width;
  }
  for (size_t i = 0; i < size; ++i) {
    const double residual = static_cast<double>(rotated[i]) - centroid[i];
    length += residual * residual - static_cast<double>(rotated[i]) * rotated[i];
    along += residual * centroid[i];
  }
  length = std::max(length, 0.0);
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
