// What searches find where the vectors of a space lie in several sets: as much as is asked for,
// too.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "index/test_lists.h"

namespace headrace::index {
namespace {

constexpr uint32_t kDimension = 48;
constexpr size_t kSets = 3;
constexpr size_t kRowsOfSet = 21'000;

// Rows in sets. Where they are `apart` the others lie on the other side of the first one's.
struct ManySets {
  std::vector<std::unique_ptr<Both>> parts;
  VectorSpace exact, fast;

  explicit ManySets(bool apart) {
    exact.dimension = fast.dimension = kDimension;
    exact.metric = fast.metric = Metric::cosine;
    for (size_t i = 0; i < kSets; ++i) {
      auto rows = made_rows(kRowsOfSet, kDimension, static_cast<uint32_t>(20 + i), true);
      for (float& x : rows) x = apart && i > 0 ? -x : x;
      parts.push_back(std::make_unique<Both>(rows, kDimension, Metric::cosine));
      exact.sets.push_back({parts.back()->flat.get()});
      EXPECT_NE(parts.back()->listed->state().lists, nullptr);
      fast.sets.push_back({parts.back()->listed.get()});
    }
  }
  // Made once: it takes seconds.
  static ManySets& alike() {
    static ManySets sets(/*apart=*/false);
    return sets;
  }
  double recall(std::span<const float> queries, size_t k, double target) {
    return recall_of(exact, fast, queries, k, target, std::vector<std::vector<uint64_t>>(kSets));
  }
};

// Between rows that have nothing to do with each other: as short queries are to long texts.
std::vector<float> queries_between(size_t count) {
  const auto a = made_rows(count, kDimension, 90, true);
  const auto b = made_rows(count, kDimension, 91, true);
  std::vector<float> queries(a.size());
  std::ranges::transform(a, b, queries.begin(), [](float x, float y) { return 0.5f * (x + y); });
  return queries;
}

TEST(ManyLists, TogetherFindWhatIsAskedFor) {
  const auto like_rows = made_rows(200, kDimension, 6, false);
  const auto between = queries_between(200);
  ManySets& sets = ManySets::alike();
  // The first without lists, then all in lists.
  for (const VectorSet* const first : {sets.parts[0]->flat.get(), sets.parts[0]->listed.get()}) {
    sets.fast.sets[0] = {first};
    for (const auto& queries : {like_rows, between}) {
      EXPECT_GE(sets.recall(queries, 10, 0.9), 0.9);
      EXPECT_GE(sets.recall(queries, 10, 0.95), 0.95);
      EXPECT_GE(sets.recall(queries, 10, 0.99), 0.98);
      EXPECT_GE(sets.recall(queries, 100, 0.95), 0.95);
    }
  }
}

TEST(ManyLists, OneThatHasAllTheBestGivesThem) {
  ManySets sets(/*apart=*/true);
  EXPECT_GE(sets.recall(made_rows(100, kDimension, 6, false), 100, 0.95), 0.95);
}

// A set is searched as if it were alone: efforts are measured so, and what others have found would
// rule out what a set's own bounds would not.
TEST(ManyLists, EachGivesWhatItGivesAlone) {
  ManySets& sets = ManySets::alike();
  std::vector<std::vector<float>> prepared;
  const auto queries = queries_between(50);
  for (size_t i = 0; i < 50; ++i) {
    prepared.push_back(
        *prepare_vector(sets.fast, std::span(queries).subspan(i * kDimension, size_t{kDimension})));
  }
  const std::vector<std::span<const float>> spans(prepared.begin(), prepared.end());
  constexpr size_t kBest = 10;
  constexpr double kLow = 0.7;
  const std::vector<std::vector<uint64_t>> all(kSets);
  resolve_filters(sets.fast, all);
  auto together = best_vectors(sets.fast, all, spans, kBest, kLow);
  ThreadPool pool(3);
  auto beside = best_vectors(sets.fast, all, spans, kBest, kLow, &pool);
  std::vector<VectorTop> merged(spans.size(), VectorTop(kBest));
  for (uint32_t s = 0; s < kSets; ++s) {
    VectorSpace alone = Both::space(*sets.parts[s]->listed);
    resolve_filters(alone, {all.data(), 1});
    auto tops = best_vectors(alone, {all.data(), 1}, spans, kBest, kLow);
    for (size_t q = 0; q < spans.size(); ++q) {
      for (const auto& entry : tops[q].take()) merged[q].add(entry.score, s, entry.row);
    }
  }
  for (size_t q = 0; q < spans.size(); ++q) {
    const auto a = together[q].take();
    for (const auto& b : {merged[q].take(), beside[q].take()}) {
      ASSERT_EQ(a.size(), b.size());
      for (size_t i = 0; i < a.size(); ++i) {
        EXPECT_EQ(std::pair(a[i].segment, a[i].row), std::pair(b[i].segment, b[i].row)) << q;
      }
    }
  }
}

}  // namespace
}  // namespace headrace::index
