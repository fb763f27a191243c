#include "base/hash_set.h"

#include <gtest/gtest.h>

#include <string>

namespace headrace {
namespace {

TEST(HashSet, HoldsWhatWasInsertedAndNothingElse) {
  HashSet set;
  EXPECT_FALSE(set.contains("a#0"));
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(set.insert("a#" + std::to_string(i)));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(set.insert("a#" + std::to_string(i)));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(set.contains("a#" + std::to_string(i)));
    EXPECT_FALSE(set.contains("b#" + std::to_string(i)));
  }
  set.clear();
  EXPECT_FALSE(set.contains("a#7"));
  EXPECT_TRUE(set.insert("a#7"));
}

}  // namespace
}  // namespace headrace
