#include "transform/tokenizer_blocks.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace headrace {
namespace {

bool same(const ByteSorts& a, const ByteSorts& b) {
  return a.letters == b.letters && a.capitals == b.capitals && a.digits == b.digits &&
         a.white == b.white && a.blanks == b.blanks && a.line_ends == b.line_ends &&
         a.slashes == b.slashes && a.quotes == b.quotes && a.controls == b.controls &&
         a.beyond == b.beyond;
}

// Every way that this processor knows says what the plain one says.
TEST(TokenizerBlocks, AllWaysAgree) {
  std::mt19937 random(7);
  std::string block(64, ' ');
  for (int round = 0; round < 2000; ++round) {
    for (size_t i = 0; i < block.size(); ++i) {
      // Each byte at each place once, then any.
      const auto byte = round < 256 ? static_cast<unsigned>(round) + i : random();
      block[i] = static_cast<char>(byte & 0xFF);
    }
    const ByteSorts wanted = sorts_of_block_scalar(block.data());
    ByteSorts found;
    EXPECT_TRUE(same(sorts_of_block(block.data()), wanted)) << round;
#if defined(__x86_64__)
    sorts_of_block_sse2(block.data(), &found);
    EXPECT_TRUE(same(found, wanted)) << round;
    if (__builtin_cpu_supports("avx2") != 0) {
      sorts_of_block_avx2(block.data(), &found);
      EXPECT_TRUE(same(found, wanted)) << round;
    }
    if (__builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0) {
      sorts_of_block_avx512(block.data(), &found);
      EXPECT_TRUE(same(found, wanted)) << round;
    }
#endif
  }
}

}  // namespace
}  // namespace headrace
