// For tests: made vectors, flat and in lists, and how much of the exact answer a search finds.
//
// Owns: the sections it makes. Threads: one. Errors: failed expectations.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "index/search_vectors.h"
#include "index/vector_lists.h"
#include "index/vectors_state.h"

namespace headrace::index {

// The middles of made clusters.
inline std::vector<float> made_centers(size_t count, uint32_t dimension, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centers(count * dimension);
  for (float& x : centers) x = normal(random);
  return centers;
}

// Clusters of clusters in few directions, with noise in all of them: as hard as text is.
inline std::vector<float> made_rows(size_t count, uint32_t dimension, uint32_t seed, bool unit) {
  constexpr size_t kCenters = 300;
  const std::vector<float> centers = made_centers(kCenters, dimension, 11);
  std::normal_distribution<float> normal;
  std::mt19937 draw(seed);
  std::vector<float> rows(count * dimension);
  for (size_t i = 0; i < count; ++i) {
    float* const row = rows.data() + i * dimension;
    const float* const a = centers.data() + (draw() % kCenters) * dimension;
    const float* const b = centers.data() + (draw() % kCenters) * dimension;
    const float share = 0.5f * static_cast<float>(draw() % 1000) / 1000.0f;
    float squares = 0;
    for (uint32_t d = 0; d < dimension; ++d) {
      row[d] = (1 - share) * a[d] + share * b[d] + 0.5f * normal(draw);
      squares += row[d] * row[d];
    }
    for (uint32_t d = 0; unit && d < dimension; ++d) row[d] /= std::sqrt(squares);
  }
  return rows;
}

inline std::string flat_section(std::span<const float> rows, uint32_t dimension, Metric metric) {
  VectorSetBuilder builder(dimension, metric);
  for (size_t i = 0; i < rows.size() / dimension; ++i) {
    builder.add(static_cast<uint32_t>(i), rows.subspan(i * dimension, dimension));
  }
  StringSink sink;
  EXPECT_TRUE(builder.finish(sink));
  return sink.take();
}

inline std::string listed_section(const VectorSet& flat, std::span<const uint32_t> map) {
  const MergeInput<VectorSet> input{&flat, map};
  StringSink sink;
  const Status status = merge_vectors({&input, 1}, {.lists = true}, sink);
  EXPECT_TRUE(status) << status.error().message();
  return sink.take();
}

inline std::vector<uint32_t> same_rows(size_t count) {
  std::vector<uint32_t> map(count);
  for (size_t i = 0; i < count; ++i) map[i] = static_cast<uint32_t>(i);
  return map;
}

struct Both {
  std::string flat_bytes, listed_bytes;
  std::unique_ptr<VectorSet> flat, listed;
  VectorSpace exact, fast;

  Both(std::span<const float> rows, uint32_t dimension, Metric metric) {
    flat_bytes = flat_section(rows, dimension, metric);
    flat = std::make_unique<VectorSet>(*VectorSet::open(flat_bytes));
    const auto map = same_rows(rows.size() / dimension);
    listed_bytes = listed_section(*flat, map);
    auto opened = VectorSet::open(listed_bytes);
    EXPECT_TRUE(opened) << opened.error().message();
    listed = std::make_unique<VectorSet>(std::move(*opened));
    exact = space(*flat);
    fast = space(*listed);
  }
  static VectorSpace space(const VectorSet& set) {
    VectorSpace space;
    space.dimension = set.dimension();
    space.metric = set.metric();
    space.sets = {{&set}};
    return space;
  }
};

// The share of the k best of `exact` that `fast` finds; `allowed` is for each segment.
inline double recall_of(VectorSpace& exact, VectorSpace& fast, std::span<const float> queries,
                        size_t k, double target,
                        const std::vector<std::vector<uint64_t>>& allowed) {
  const uint32_t dimension = exact.dimension;
  resolve_filters(exact, allowed);
  resolve_filters(fast, allowed);
  std::vector<std::vector<float>> prepared;
  for (size_t i = 0; i < queries.size() / dimension; ++i) {
    prepared.push_back(*prepare_vector(exact, queries.subspan(i * dimension, dimension)));
  }
  const std::vector<std::span<const float>> spans(prepared.begin(), prepared.end());
  auto truth = best_vectors(exact, allowed, spans, k, 1);
  auto found = best_vectors(fast, allowed, spans, k, target);
  size_t hits = 0;
  size_t all = 0;
  for (size_t q = 0; q < spans.size(); ++q) {
    std::set<std::pair<uint32_t, uint32_t>> rows;
    for (const auto& entry : truth[q].take()) rows.emplace(entry.segment, entry.row);
    all += rows.size();
    for (const auto& entry : found[q].take()) hits += rows.count({entry.segment, entry.row});
  }
  return static_cast<double>(hits) / static_cast<double>(all);
}

inline double recall_of(Both& both, std::span<const float> queries, size_t k, double target,
                        const std::vector<uint64_t>& allowed = {}) {
  return recall_of(both.exact, both.fast, queries, k, target, {allowed});
}

}  // namespace headrace::index
