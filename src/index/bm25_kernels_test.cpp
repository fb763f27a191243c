#include "index/bm25_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <vector>

namespace headrace::index {
namespace {

TEST(Bm25Kernels, EveryVersionCollectsTheSame) {
  std::mt19937 random(7);
  alignas(32) std::array<uint32_t, 4096> held;
  for (const size_t count : {size_t{32}, size_t{64}, size_t{4096}}) {
    for (int round = 0; round < 50; ++round) {
      const std::span<uint32_t> sums(held.data(), count);
      for (uint32_t& sum : sums) sum = random() % 4 == 0 ? random() % 1000 : 0;
      const uint32_t bar = random() % 900;
      std::vector<uint32_t> expected_sums(sums.begin(), sums.end());
      std::vector<ScoredPlace> expected(count), found(count);
      const size_t wanted = collect_above_scalar(expected_sums.data(), count, bar, expected.data());
      ASSERT_EQ(collect_above()(sums.data(), count, bar, found.data()), wanted);
      for (size_t i = 0; i < wanted; ++i) {
        ASSERT_EQ(found[i].place, expected[i].place);
        ASSERT_EQ(found[i].sum, expected[i].sum);
        ASSERT_GT(found[i].sum, bar);
      }
      ASSERT_TRUE(std::ranges::all_of(sums, [](uint32_t sum) { return sum == 0; }));
    }
  }
}

}  // namespace
}  // namespace headrace::index
