#include "transform/tokenizer_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace headrace {
namespace {

// What a chunk of this number is made of: its tokens say who they belong to.
std::string chunk_of(int number) {
  const std::string digits = std::to_string(number);
  return number % 3 == 0 ? digits : digits + std::string(static_cast<size_t>(number % 41), 'x');
}
std::vector<PlacedToken> tokens_of(int number) {
  std::vector<PlacedToken> out;
  const auto size = static_cast<uint32_t>(chunk_of(number).size());
  for (uint32_t i = 0; i < size && i < static_cast<uint32_t>(1 + number % 9); ++i) {
    out.push_back({number * 10 + static_cast<int>(i), i, i + 1});
  }
  return out;
}

// 0: not known. Otherwise one more than the number whose tokens were found.
int found(const ChunkCache& cache, const std::string& chunk) {
  if (chunk.size() <= SmallChunk::kBytesMax) {
    const WordKey key = ChunkCache::small_key_at_end(chunk.data(), chunk.size());
    if (const SmallChunk* known = ChunkCache::find(cache.set_of(key), key)) {
      EXPECT_EQ(known->end(known->count() - 1), known->count());
      return known->ids[0] / 10 + 1;
    }
  }
  if (chunk.size() <= MediumChunk::kBytesMax) {
    const MediumKey key = ChunkCache::medium_key_at_end(chunk.data(), chunk.size());
    const MediumChunk* known = ChunkCache::find(cache.set_of(key), key);
    if (!known) return 0;
    if (!known->is_elsewhere()) {
      EXPECT_EQ(known->end(known->count() - 1), known->count());
      return known->ids[0] / 10 + 1;
    }
  }
  std::span<const PlacedToken> tokens;
  if (!cache.find_long(chunk, tokens)) return 0;
  return tokens[0].id / 10 + 1;
}

TEST(ChunkCache, ForgetsButNeverMistakesWhileItGrows) {
  ChunkCache& cache = ChunkCache::of_thread(UINT64_MAX);
  constexpr int kMost = 300'000;
  for (int number = 0; number < kMost; ++number) {
    cache.keep(chunk_of(number), tokens_of(number));
    ASSERT_EQ(found(cache, chunk_of(number)), number + 1) << chunk_of(number);
    cache.grow();
    ASSERT_EQ(found(cache, chunk_of(number)), number + 1) << chunk_of(number);
  }
  int known = 0;
  for (int number = 0; number < kMost; ++number) {
    const int got = found(cache, chunk_of(number));
    ASSERT_TRUE(got == 0 || got == number + 1) << chunk_of(number);
    known += got == 0 ? 0 : 1;
  }
  EXPECT_GT(known, 50'000);
  // Another tokenizer's chunks are none of ours.
  EXPECT_EQ(found(ChunkCache::of_thread(UINT64_MAX - 1), chunk_of(kMost - 1)), 0);
}

TEST(ChunkCache, KeysTellSizesApart) {
  const std::string text = "abcdefghijklmnopqrstuvwxyz";
  const std::string zeros(26, '\0');
  for (size_t a = 1; a <= SmallChunk::kBytesMax + 1; ++a) {
    for (size_t b = 1; b <= SmallChunk::kBytesMax + 1; ++b) {
      EXPECT_EQ(ChunkCache::small_key(text.data(), a) == ChunkCache::small_key(text.data(), b),
                a == b);
      EXPECT_EQ(ChunkCache::small_key(zeros.data(), a) == ChunkCache::small_key(zeros.data(), b),
                a == b);
    }
    EXPECT_EQ(ChunkCache::small_key(text.data(), a), ChunkCache::small_key_at_end(text.data(), a));
  }
}

}  // namespace
}  // namespace headrace
