#include "index/search_vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "index/vector_kernels.h"
#include "index/vectors_state.h"

namespace headrace::index {
namespace {

// With fewer queries than this, pairs are compared one by one: a tile would not pay.
constexpr size_t kTileQueriesMin = 4;
// Rows of a tile as floats should stay in the second-level cache.
constexpr size_t kTileBytes = 128 << 10;

float pair_score(const VectorSet::State& set, uint32_t i, const float* query) {
  const VectorKernels& kernels = vector_kernels();
  if (set.lists) {
    return list_score(*set.lists, i, query, kernels.dot_f32(query, query, set.dimension));
  }
  const char* const bytes = set.at(i);
  float score;
  if (set.element == Element::f16) {
    const auto* const row = reinterpret_cast<const uint16_t*>(bytes);
    score = set.metric == Metric::l2 ? -std::sqrt(kernels.l2_f16(row, query, set.dimension))
                                     : kernels.dot_f16(row, query, set.dimension);
  } else {
    const auto* const row = reinterpret_cast<const float*>(bytes);
    score = set.metric == Metric::l2 ? -std::sqrt(kernels.l2_f32(row, query, set.dimension))
                                     : kernels.dot_f32(row, query, set.dimension);
  }
  return std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
}

bool is_allowed(std::span<const uint64_t> allowed, uint32_t row) {
  if (allowed.empty()) return true;
  return row / 64 < allowed.size() && ((allowed[row / 64] >> (row % 64)) & 1) != 0;
}

void scan_pairs(const VectorSet::State& set, uint32_t segment, std::span<const uint64_t> allowed,
                std::span<const std::span<const float>> queries, std::vector<VectorTop>& tops) {
  for (uint32_t i = 0; i < set.count; ++i) {
    const uint32_t row = set.row_at(i);
    if (!is_allowed(allowed, row)) continue;
    for (size_t q = 0; q < queries.size(); ++q) {
      const float score = pair_score(set, i, queries[q].data());
      if (!tops[q].full() || score >= tops[q].threshold()) tops[q].add(score, segment, row);
    }
  }
}

// Goes over a set tile by tile. A tile's products only tell which rows may be among the best; those
// are then scored pair by pair, so that a batch gives exactly what single queries give.
class TileScan {
 public:
  TileScan(std::span<const std::span<const float>> queries, size_t dimension)
      : queries_(queries),
        dimension_(dimension),
        padded_((dimension + kTilePadding - 1) / kTilePadding * kTilePadding),
        tile_rows_(std::max<size_t>(4, kTileBytes / (padded_ * sizeof(float)) / 4 * 4)),
        query_values_(queries.size() * padded_),
        row_values_(tile_rows_ * padded_),
        products_(queries.size() * tile_rows_) {
    for (size_t q = 0; q < queries.size(); ++q) {
      std::memcpy(query_values_.data() + q * padded_, queries[q].data(), dimension * sizeof(float));
      query_squares_.push_back(square(queries[q].data()));
    }
  }

  void scan(const VectorSet::State& set, uint32_t segment, std::span<const uint64_t> allowed,
            std::vector<VectorTop>& tops) {
    places_.clear();
    for (uint32_t i = 0; i < set.count; ++i) {
      if (!is_allowed(allowed, set.row_at(i))) continue;
      load(set, i, places_.size());
      places_.push_back(i);
      if (places_.size() == tile_rows_) flush(set, segment, tops);
    }
    if (!places_.empty()) flush(set, segment, tops);
  }

 private:
  float square(const float* values) const {
    return vector_kernels().dot_f32(values, values, dimension_);
  }

  void load(const VectorSet::State& set, uint32_t i, size_t place) {
    float* const out = row_values_.data() + place * padded_;
    if (set.element == Element::f16) {
      vector_kernels().f16_to_f32(reinterpret_cast<const uint16_t*>(set.at(i)), out, dimension_);
    } else {
      std::memcpy(out, set.at(i), set.stride());
    }
  }

  void flush(const VectorSet::State& set, uint32_t segment, std::vector<VectorTop>& tops) {
    const size_t rows = places_.size();
    vector_kernels().dot_tile(row_values_.data(), rows, query_values_.data(), queries_.size(),
                              padded_, products_.data());
    row_squares_.resize(rows);
    for (size_t r = 0; r < rows; ++r) row_squares_[r] = square(row_values_.data() + r * padded_);
    for (size_t q = 0; q < queries_.size(); ++q) {
      VectorTop& top = tops[q];
      const float* const products = products_.data() + q * rows;
      for (size_t r = 0; r < rows; ++r) {
        if (top.full() &&
            !may_pass(top, products[r], row_squares_[r], query_squares_[q], set.metric)) {
          continue;
        }
        const float score = pair_score(set, places_[r], queries_[q].data());
        if (!top.full() || score >= top.threshold()) {
          top.add(score, segment, set.row_at(places_[r]));
        }
      }
    }
    places_.clear();
  }

  // Leaves room for the rounding of both ways to compute a product.
  bool may_pass(const VectorTop& top, float product, float row_square, float query_square,
                Metric metric) const {
    const float slack = kSlack * std::sqrt(row_square * query_square);
    if (metric != Metric::l2) return !(product + slack < top.threshold());
    const float squared = row_square + query_square - 2 * product;
    const float least = squared - kSlack * (row_square + query_square) - 2 * slack;
    return !(least > top.threshold() * top.threshold());
  }

  static constexpr float kSlack = 1e-5f;
  std::span<const std::span<const float>> queries_;
  size_t dimension_;
  size_t padded_;
  size_t tile_rows_;
  std::vector<float> query_values_;
  std::vector<float> query_squares_;
  std::vector<float> row_values_;
  std::vector<float> row_squares_;
  std::vector<float> products_;
  std::vector<uint32_t> places_;
};

}  // namespace

Result<std::optional<VectorSpace>> open_space(std::span<const SegmentView> segments,
                                              std::string_view name) {
  VectorSpace space;
  for (const SegmentView& segment : segments) {
    auto& sets = space.sets.emplace_back();
    if (!segment.vectors) continue;
    for (const VectorSet* set : segment.vectors(name)) {
      if (set == nullptr || set->count() == 0) continue;
      if (space.dimension == 0) {
        space.dimension = set->dimension();
        space.metric = set->metric();
      }
      if (set->dimension() != space.dimension || set->metric() != space.metric) {
        return fail(ErrorCode::damaged,
                    fmt::format("the space '{}' has vectors of {} and of {} dimensions", name,
                                space.dimension, set->dimension()),
                    "run verify to see what is affected");
      }
      sets.push_back(set);
    }
  }
  if (space.dimension == 0) return std::nullopt;
  return space;
}

Result<std::vector<float>> prepare_vector(const VectorSpace& space, std::span<const float> query) {
  if (query.size() != space.dimension) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the query has {} dimensions, the vectors have {}", query.size(),
                            space.dimension),
                "embed queries with the model of the space");
  }
  auto checked = check_vectors(query, space.dimension, space.metric);
  if (!checked) return std::unexpected<Error>(std::move(checked).error().with_context("query"));
  std::vector<float> prepared(query.begin(), query.end());
  if (space.metric == Metric::cosine) {
    double squares = 0;
    for (const float x : prepared) squares += static_cast<double>(x) * x;
    const double scale = 1.0 / std::sqrt(squares);
    for (float& x : prepared) x = static_cast<float>(x * scale);
  }
  return prepared;
}

void resolve_filters(VectorSpace& space, std::span<const std::vector<uint64_t>> allowed) {
  space.filters.assign(space.sets.size(), {});
  for (size_t segment = 0; segment < space.sets.size(); ++segment) {
    for (const VectorSet* set : space.sets[segment]) {
      const VectorLists* const lists = set->state().lists.get();
      space.filters[segment].push_back(
          lists != nullptr ? resolve_list_filter(*lists, allowed[segment]) : ListFilter{});
    }
  }
}

std::vector<VectorTop> best_vectors(const VectorSpace& space,
                                    std::span<const std::vector<uint64_t>> allowed,
                                    std::span<const std::span<const float>> queries, size_t k,
                                    double recall) {
  std::vector<VectorTop> tops(queries.size(), VectorTop(k));
  if (k == 0) return tops;
  std::optional<TileScan> tiles;
  if (queries.size() >= kTileQueriesMin) tiles.emplace(queries, space.dimension);
  for (uint32_t segment = 0; segment < space.sets.size(); ++segment) {
    for (size_t i = 0; i < space.sets[segment].size(); ++i) {
      const VectorSet::State& set = space.sets[segment][i]->state();
      if (set.lists != nullptr) {
        search_lists(*set.lists, segment, space.filters[segment][i], queries, k, recall, tops);
      } else if (tiles) {
        tiles->scan(set, segment, allowed[segment], tops);
      } else {
        scan_pairs(set, segment, allowed[segment], queries, tops);
      }
    }
  }
  return tops;
}

std::optional<float> vector_score(const VectorSpace& space, uint32_t segment, uint32_t row,
                                  std::span<const float> query) {
  for (const VectorSet* set : space.sets[segment]) {
    if (const auto i = set->state().find(row)) return pair_score(set->state(), *i, query.data());
  }
  return std::nullopt;
}

}  // namespace headrace::index
