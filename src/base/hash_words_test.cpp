#include "base/hash_words.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace headrace {
namespace {

TEST(HashWords, IsEmptyAtFirst) {
  HashWords<64> words;
  EXPECT_FALSE(words.contains(7));
  EXPECT_FALSE(words.remove(7));
  EXPECT_EQ(words.size(), 0U);
}

TEST(HashWords, HoldsWhatWasAddedAndNothingElse) {
  HashWords<64> words;
  std::mt19937_64 random(1);
  std::vector<uint64_t> added;
  for (int i = 0; i < 50'000; ++i) {
    added.push_back(random() | 1);
    words.add(added.back());
  }
  for (const uint64_t word : added) {
    ASSERT_TRUE(words.contains(word));
    ASSERT_FALSE(words.contains(word - 1));
  }
  EXPECT_EQ(words.size(), added.size());
}

TEST(HashWords, TakesAboutTenBytesForEachAtAnySize) {
  HashWords<28> words;
  std::mt19937_64 random(2);
  for (size_t count = 1; count <= 400'000; ++count) {
    words.add(random() | 1);
    if (count >= 10'000 && count % 1000 == 0) {
      ASSERT_LT(words.memory_bytes(), count * 13) << count;
    }
  }
}

// Keys that fall together on purpose, against a plain map.
TEST(HashWords, AgreesWithAMapUnderAddingAndRemoving) {
  std::mt19937_64 random(11);
  HashWords<28> words;
  std::multimap<uint64_t, uint64_t> model;
  for (uint64_t step = 1; step <= 30'000; ++step) {
    const uint64_t key = (random() % 300 + (random() % 4 << 26)) << 36;
    const auto range = model.equal_range(key);
    if (range.first == range.second || random() % 5 < 3) {
      words.add(key | step);
      model.emplace(key, key | step);
    } else {
      EXPECT_TRUE(words.remove(range.first->second));
      EXPECT_FALSE(words.remove(range.first->second));
      model.erase(range.first);
    }
    std::vector<uint64_t> expected;
    for (auto at = model.lower_bound(key); at != model.upper_bound(key); ++at)
      expected.push_back(at->second);
    std::vector<uint64_t> found;
    words.find(key, [&](uint64_t word) {
      found.push_back(word);
      return false;
    });
    std::ranges::sort(expected);
    std::ranges::sort(found);
    ASSERT_EQ(found, expected) << "step " << step;
    ASSERT_EQ(words.size(), model.size());
  }
}

}  // namespace
}  // namespace headrace
