#include "memory/budget.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(Budget, CountsAndGivesBack) {
  Budget budget(100);
  auto first = budget.reserve(60);
  ASSERT_TRUE(first);
  Reservation second;
  EXPECT_FALSE(budget.try_reserve(50, second));
  EXPECT_TRUE(budget.try_reserve(40, second));
  EXPECT_EQ(budget.used_bytes(), 100u);
  first->release();
  EXPECT_EQ(budget.used_bytes(), 40u);
  second.adjust(10);
  EXPECT_EQ(budget.used_bytes(), 10u);
  {
    const Reservation moved = std::move(second);
  }
  EXPECT_EQ(budget.used_bytes(), 0u);
  EXPECT_EQ(budget.peak_bytes(), 100u);
}

TEST(Budget, WhatNeverFitsIsRefusedAtOnce) {
  Budget budget(100);
  const auto claim = budget.reserve(101);
  ASSERT_FALSE(claim);
  EXPECT_EQ(claim.error().code(), ErrorCode::out_of_budget);
}

TEST(Budget, CancelEndsWaiting) {
  Budget budget(100);
  const auto held = budget.reserve(100);
  budget.cancel();
  const auto claim = budget.reserve(1);
  ASSERT_FALSE(claim);
  EXPECT_EQ(claim.error().code(), ErrorCode::cancelled);
}

}  // namespace
}  // namespace headrace
