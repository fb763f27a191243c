#include "index/commit_rate.h"

#include <gtest/gtest.h>

namespace headrace::index {
namespace {

using std::chrono::milliseconds;

const CommitRate::Time kStart = CommitRate::Time() + std::chrono::hours(1);

TEST(CommitRate, IsHighWhileMuchComesInEachWindow) {
  CommitRate rate;
  EXPECT_FALSE(rate.is_high(kStart));
  for (int i = 0; i < 50; ++i) {
    rate.add(kStart + milliseconds(10 * i), 300 << 10);
    if (i > 8) EXPECT_TRUE(rate.is_high(kStart + milliseconds(10 * i))) << i;
  }
}

TEST(CommitRate, IsLowAgainWhenNothingCame) {
  CommitRate rate;
  rate.add(kStart, 100 << 20);
  EXPECT_TRUE(rate.is_high(kStart + milliseconds(199)));
  EXPECT_EQ(rate.quiet_at(), kStart + milliseconds(200));
  EXPECT_FALSE(rate.is_high(rate.quiet_at()));
  rate.add(kStart + milliseconds(500), 1 << 10);
  EXPECT_FALSE(rate.is_high(kStart + milliseconds(500)));
}

TEST(CommitRate, TimeStandsStillDuringACommit) {
  CommitRate rate;
  rate.add(kStart, 1 << 10);
  rate.hold(kStart + milliseconds(50));
  rate.add(kStart + milliseconds(4000), 100 << 20);
  EXPECT_TRUE(rate.is_high(kStart + milliseconds(5000)));
  rate.go_on(kStart + milliseconds(5050));
  EXPECT_TRUE(rate.is_high(kStart + milliseconds(5199)));
  EXPECT_EQ(rate.quiet_at(), kStart + milliseconds(5200));
  EXPECT_FALSE(rate.is_high(rate.quiet_at()));
}

TEST(CommitRate, AFewRowsAtATimeAreNotMuch) {
  CommitRate rate;
  for (int i = 0; i < 100; ++i) {
    rate.add(kStart + milliseconds(i), 2 << 10);  // a thousand rows a second
    EXPECT_FALSE(rate.is_high(kStart + milliseconds(i)));
  }
}

}  // namespace
}  // namespace headrace::index
