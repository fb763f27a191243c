#include "sources/glob.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(Glob, MatchesWholePaths) {
  EXPECT_TRUE(glob_match("*.md", "a.md"));
  EXPECT_FALSE(glob_match("*.md", "sub/a.md"));
  EXPECT_TRUE(glob_match("**/*.md", "a.md"));
  EXPECT_TRUE(glob_match("**/*.md", "x/y/a.md"));
  EXPECT_TRUE(glob_match("docs/**", "docs/a/b.txt"));
  EXPECT_TRUE(glob_match("a?c", "abc"));
  EXPECT_FALSE(glob_match("a?c", "a/c"));
  EXPECT_TRUE(glob_match("[a-c]x", "bx"));
  EXPECT_FALSE(glob_match("[!a-c]x", "bx"));
  EXPECT_TRUE(glob_match("[x", "[x"));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("", "a"));
}

TEST(Glob, StaysFastOnManyStars) {
  const std::string path(2000, 'a');
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  EXPECT_FALSE(glob_match(pattern + "b", path));
}

TEST(PatternList, LastMatchDecidesAndFoldersAreTold) {
  PatternList list;
  list.add_file("# comment\n*.log\n!keep.log\nbuild/\n/top.txt\n");
  EXPECT_TRUE(list.matches("x/y.log", false));
  EXPECT_FALSE(list.matches("x/keep.log", false));
  EXPECT_TRUE(list.matches("x/build", true));
  EXPECT_FALSE(list.matches("x/build", false));
  EXPECT_TRUE(list.matches("top.txt", false));
  EXPECT_FALSE(list.matches("x/top.txt", false));
}

}  // namespace
}  // namespace headrace
