#include "index/search_vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
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

struct ListedSet {
  const VectorLists* lists;
  uint32_t segment;
  const ListFilter* filter;
};

// How many of the k best are looked for in a set that has this part of all rows that may be found:
// twice its share.
size_t first_depth(size_t k, uint64_t part, uint64_t all) {
  constexpr size_t kLeast = 10;
  return std::min(k, 2 * k * part / std::max<uint64_t>(all, 1) + kLeast);
}

// Sets in lists, side by side where there is a pool. Each first gives as many as it is likely to
// have; of which all are among the best, it is asked for k.
void search_many(std::vector<ListedSet>& listed, std::span<const std::span<const float>> queries,
                 size_t k, double recall, ThreadPool* pool, std::vector<VectorTop>& tops) {
  // The longest work begins first.
  std::ranges::stable_sort(listed, std::greater{},
                           [](const ListedSet& one) { return one.lists->count(); });
  uint64_t all = 0;
  for (const ListedSet& one : listed) all += one.filter->count;
  const auto for_each_set = [&](const std::function<void(size_t)>& body) {
    if (pool != nullptr) return pool->parallel_for(listed.size(), body);
    for (size_t i = 0; i < listed.size(); ++i) body(i);
  };
  const auto search = [&](const ListedSet& one, std::span<const std::span<const float>> asked,
                          size_t depth) {
    std::vector<VectorTop> own(asked.size(), VectorTop(depth));
    search_lists(*one.lists, one.segment, *one.filter, asked, depth, recall, own);
    std::vector<std::vector<VectorTop::Entry>> found;
    for (VectorTop& top : own) found.push_back(top.take());
    return found;
  };
  std::vector<std::vector<std::vector<VectorTop::Entry>>> found(listed.size());
  std::vector<size_t> depths(listed.size());
  for_each_set([&](size_t i) {
    depths[i] = first_depth(k, listed[i].filter->count, all);
    found[i] = search(listed[i], queries, depths[i]);
  });
  const auto add = [&](VectorTop& top, std::span<const VectorTop::Entry> entries) {
    for (const auto& entry : entries) top.add(entry.score, entry.segment, entry.row);
  };
  // What there is so far. `tops` waits for what stays: a row must not come into it twice.
  std::vector<VectorTop> known = tops;
  for (const auto& of_set : found) {
    for (size_t q = 0; q < queries.size(); ++q) add(known[q], of_set[q]);
  }
  for_each_set([&](size_t i) {
    if (depths[i] == k) return;
    std::vector<std::span<const float>> again;
    std::vector<size_t> places;
    for (size_t q = 0; q < queries.size(); ++q) {
      const auto& entries = found[i][q];
      if (entries.size() < depths[i] || entries.back().score < known[q].worst().score) continue;
      again.push_back(queries[q]);
      places.push_back(q);
    }
    if (again.empty()) return;
    auto more = search(listed[i], again, k);
    for (size_t j = 0; j < places.size(); ++j) found[i][places[j]] = std::move(more[j]);
  });
  for (const auto& of_set : found) {
    for (size_t q = 0; q < queries.size(); ++q) add(tops[q], of_set[q]);
  }
}

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
                                    double recall, ThreadPool* pool) {
  std::vector<VectorTop> tops(queries.size(), VectorTop(k));
  if (k == 0) return tops;
  std::optional<TileScan> tiles;
  if (queries.size() >= kTileQueriesMin) tiles.emplace(queries, space.dimension);
  std::vector<ListedSet> listed;
  for (uint32_t segment = 0; segment < space.sets.size(); ++segment) {
    for (size_t i = 0; i < space.sets[segment].size(); ++i) {
      const VectorSet::State& set = space.sets[segment][i]->state();
      if (set.lists != nullptr) {
        listed.push_back({set.lists.get(), segment, &space.filters[segment][i]});
      } else if (tiles) {
        tiles->scan(set, segment, allowed[segment], tops);
      } else {
        scan_pairs(set, segment, allowed[segment], queries, tops);
      }
    }
  }
  if (listed.size() == 1) {
    search_lists(*listed[0].lists, listed[0].segment, *listed[0].filter, queries, k, recall, tops);
  } else if (!listed.empty()) {
    search_many(listed, queries, k, recall, pool, tops);
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
