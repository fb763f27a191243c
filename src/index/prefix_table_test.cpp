#include "index/prefix_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "index/source_filter.h"

namespace headrace::index {
namespace {

std::vector<uint32_t> found(const PrefixTable& table, uint64_t hash) {
  std::vector<uint32_t> numbers;
  table.find(hash, [&](uint32_t number) {
    numbers.push_back(number);
    return false;
  });
  return numbers;
}

// Hashes of which every tenth shares its prefix with others.
std::vector<uint64_t> made_hashes(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> hashes(count);
  for (uint64_t& hash : hashes)
    hash = random() % 10 == 0 ? (random() % 3) << 62 | (random() & 1) : random();
  return hashes;
}

std::string table_bytes(const std::vector<uint64_t>& hashes) {
  std::vector<uint64_t> pairs;
  for (uint32_t i = 0; i < hashes.size(); ++i) pairs.push_back(PrefixTable::pair(hashes[i], i));
  return PrefixTable::encode(pairs);
}

TEST(PrefixTable, MergedTablesFindWhatWasKept) {
  for (const bool packed : {false, true}) {
    const std::vector<uint64_t> first = made_hashes(3000, 1), second = made_hashes(40, 2);
    const std::string first_bytes = table_bytes(first), second_bytes = table_bytes(second);
    const auto first_table = PrefixTable::open(first_bytes, false);
    const auto second_table = PrefixTable::open(second_bytes, false);
    ASSERT_TRUE(first_table && second_table);
    // Of the first every third is dropped.
    std::vector<uint32_t> numbers(first.size(), kDroppedRow);
    std::vector<uint64_t> kept;
    for (uint32_t i = 0; i < first.size(); ++i) {
      if (i % 3 == 0) continue;
      numbers[i] = static_cast<uint32_t>(kept.size());
      kept.push_back(first[i]);
    }
    const auto moved = static_cast<uint32_t>(kept.size());
    kept.insert(kept.end(), second.begin(), second.end());
    const std::vector<MergeInput<PrefixTable>> inputs{
        {&*first_table, NumberMap(numbers)},
        {&*second_table, NumberMap::moved_by(moved, second.size())}};
    StringSink sink;
    ASSERT_TRUE(merge_prefix_tables(inputs, packed, sink));
    const std::string bytes = sink.take();
    if (!packed) EXPECT_EQ(bytes, table_bytes(kept));
    const auto table = PrefixTable::open(bytes, packed);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->count(), kept.size());
    EXPECT_TRUE(table->is_sorted());
    for (uint32_t i = 0; i < kept.size(); ++i)
      EXPECT_TRUE(std::ranges::count(found(*table, kept[i]), i) == 1) << i;
    EXPECT_TRUE(found(*table, 0x1234567800000000U).empty());
  }
}

TEST(PrefixTable, RefusesWhatIsNoTableAndSeesDisorder) {
  EXPECT_FALSE(PrefixTable::open("123", false));
  EXPECT_FALSE(PrefixTable::open("123", true));
  const std::string sorted = table_bytes({uint64_t{1} << 32, uint64_t{2} << 32});
  const std::string swapped = sorted.substr(8) + sorted.substr(0, 8);
  EXPECT_FALSE(PrefixTable::open(swapped, false)->is_sorted());
  EXPECT_TRUE(PrefixTable::open("", false)->is_sorted());
}

TEST(SourceFilter, MissesNothingAndLetsFewOthersThrough) {
  for (const uint32_t count : {0U, 1U, 50U, 200'000U}) {
    std::mt19937_64 random(count);
    std::vector<uint64_t> hashes(count);
    for (uint64_t& hash : hashes) hash = random();
    const std::string bytes = table_bytes(hashes);
    const auto table = PrefixTable::open(bytes, false);
    ASSERT_TRUE(table);
    const SourceFilter filter(*table);
    for (const uint64_t hash : hashes) EXPECT_TRUE(filter.may_hold(hash));
    int through = 0;
    for (int i = 0; i < 10'000; ++i) through += filter.may_hold(random()) ? 1 : 0;
    EXPECT_LT(through, 600);
    EXPECT_LE(filter.memory_bytes(), count + 32);
  }
}

}  // namespace
}  // namespace headrace::index
