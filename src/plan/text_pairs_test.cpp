#include "plan/text_pairs.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

using Pair = std::pair<size_t, size_t>;

TEST(TextPairs, TheLongerTextIsCutFirst) {
  EXPECT_EQ(longest_first(3, 4, 7), Pair(3, 4));
  EXPECT_EQ(longest_first(3, 100, 10), Pair(3, 7));
  EXPECT_EQ(longest_first(100, 3, 10), Pair(7, 3));
  EXPECT_EQ(longest_first(8, 100, 11), Pair(5, 6));
  EXPECT_EQ(longest_first(100, 8, 11), Pair(6, 5));
  EXPECT_EQ(longest_first(100, 100, 10), Pair(5, 5));
  EXPECT_EQ(longest_first(20, 30, 0), Pair(0, 0));
  EXPECT_EQ(longest_first(0, 30, 12), Pair(0, 12));
}

}  // namespace
}  // namespace headrace
