// Packed entries: every number comes back, lines cost next to nothing, damage is refused or told.
#include "index/packed_entries.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace headrace::index {
namespace {

constexpr uint32_t kFields = 7;

// Constant, rising by one, rising unevenly, falling, random of few bits, of 64, and the largest.
std::vector<uint64_t> made_entries(uint32_t count) {
  std::mt19937_64 random(3);
  std::vector<uint64_t> values;
  uint64_t uneven = 5;
  for (uint32_t i = 0; i < count; ++i) {
    uneven += random() % 100;
    for (const uint64_t value : {uint64_t{42}, uint64_t{i}, uneven, uint64_t{1'000'000} - i,
                                 random() % 8, random(), UINT64_MAX - i % 3}) {
      values.push_back(value);
    }
  }
  return values;
}

std::string packed(std::span<const uint64_t> values, uint32_t fields) {
  StringSink sink;
  PackedEntriesWriter writer(sink, fields);
  for (size_t i = 0; i < values.size(); i += fields) {
    EXPECT_TRUE(writer.add(values.subspan(i, fields)));
  }
  EXPECT_TRUE(writer.finish());
  return sink.take();
}

TEST(PackedEntries, GiveBackEveryNumber) {
  for (const uint32_t count : {0U, 1U, 2U, 255U, 256U, 257U, 1000U}) {
    const auto values = made_entries(count);
    const std::string bytes = packed(values, kFields);
    const auto table = PackedEntries::open(bytes, kFields);
    ASSERT_TRUE(table) << count;
    ASSERT_EQ(table->count(), count);
    for (uint32_t i = 0; i < count; ++i) {
      EXPECT_TRUE(table->holds(i));
      for (uint32_t f = 0; f < kFields; ++f) ASSERT_EQ(table->get(i, f), values[i * kFields + f]);
    }
    EXPECT_EQ(table->get(count, 0), 0U);  // none, but no crash
    EXPECT_FALSE(PackedEntries::open(bytes, kFields + 1));
  }
}

TEST(PackedEntries, LinesTakeNextToNoRoom) {
  std::vector<uint64_t> values;
  for (uint64_t i = 0; i < 10'000; ++i) values.insert(values.end(), {i, 7 * i + 3, 9});
  EXPECT_LT(packed(values, 3).size(), 10'000U / 3);
}

TEST(PackedEntries, DamageIsRefusedOrTold) {
  const auto values = made_entries(600);
  const std::string whole = packed(values, kFields);
  for (size_t size = 0; size < whole.size(); size += 1 + size / 7) {
    EXPECT_FALSE(PackedEntries::open(std::string_view(whole).substr(0, size), kFields));
  }
  std::mt19937 random(8);
  for (int i = 0; i < 400; ++i) {
    std::string changed = whole;
    const size_t at = random() % changed.size();
    changed[at] = static_cast<char>(changed[at] ^ (1 + random() % 255));
    const auto table = PackedEntries::open(changed, kFields);
    if (!table) continue;
    for (uint32_t entry = 0; entry < table->count(); ++entry) {
      for (uint32_t f = 0; f < kFields; ++f) {
        if (table->get(entry, f) == values[entry * kFields + f]) continue;
        EXPECT_FALSE(table->holds(entry));
      }
    }
  }
}

}  // namespace
}  // namespace headrace::index
