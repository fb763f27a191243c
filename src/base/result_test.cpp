#include "base/result.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/hash.h"

namespace headrace {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return fail(ErrorCode::invalid_argument, "odd", "give an even number");
  return value / 2;
}

Result<int> quarter(int value) {
  HR_ASSIGN(const int first, half(value));
  HR_ASSIGN(const int second, half(first));
  HR_TRY(half(second * 2));
  return second;
}

TEST(Result, ErrorsPassThroughWithTheirHint) {
  EXPECT_EQ(*quarter(8), 2);
  const auto wrong = quarter(6);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().text(), "odd; give an even number");
  EXPECT_EQ(Error(wrong.error()).with_context("file x").message(), "file x: odd");
}

TEST(Result, AFullDiskSaysSo) {
  const Error full = os_error(ENOSPC, "write /kb/log");
  EXPECT_EQ(full.code(), ErrorCode::no_space);
  EXPECT_NE(full.message().find("no space left"), std::string::npos);
  EXPECT_NE(full.message().find("/kb/log"), std::string::npos);
}

TEST(Result, ALimitOfProcessesSaysSo) {
  const Error crowded = os_error(EAGAIN, "start a process");
  EXPECT_NE(crowded.hint().find("ulimit -u"), std::string::npos);
}

// These values are on disk: they may never change.
TEST(Hash, IsStable) {
  EXPECT_EQ(hash64(std::string_view("headrace")), hash64(std::string_view("headrace")));
  EXPECT_EQ(hash128("").hex(), "99aa06d3014798d86001c324468d497f");
  Hasher128 pieces;
  pieces.update("head");
  pieces.update("race");
  EXPECT_EQ(pieces.digest(), hash128("headrace"));
}

}  // namespace
}  // namespace headrace
