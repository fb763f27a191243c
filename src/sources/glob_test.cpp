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

TEST(Glob, Classes) {
  EXPECT_TRUE(glob_match("[[:alpha:]]b", "xb"));
  EXPECT_FALSE(glob_match("[[:alpha:]]b", "1b"));
  EXPECT_TRUE(glob_match("[![:digit:]_]", "x"));
  EXPECT_FALSE(glob_match("[![:digit:]_]", "7"));
  EXPECT_FALSE(glob_match("[^[:digit:]_]", "_"));
  EXPECT_TRUE(glob_match("[[:upper:][:xdigit:]-]", "-"));
  EXPECT_TRUE(glob_match("[[:space:]]", " "));
  EXPECT_TRUE(glob_match("[]-a]", "]"));
  EXPECT_TRUE(glob_match("[]-a]", "^"));
  EXPECT_TRUE(glob_match("[\\]x]", "]"));
  EXPECT_TRUE(glob_match("[a\\-c]", "-"));
  EXPECT_FALSE(glob_match("[a\\-c]", "b"));
  EXPECT_TRUE(glob_match("[a-]", "-"));
  EXPECT_TRUE(glob_match("[[:]", ":"));
  EXPECT_TRUE(glob_match("[[:al]", "l"));
  EXPECT_TRUE(glob_match("[\xc3-\xc5]", "\xc4"));
  EXPECT_FALSE(glob_match("[!a]", "/"));
}

TEST(Glob, TwoStarsStandForWholeFolders) {
  EXPECT_TRUE(glob_match("**/b.txt", "b.txt"));
  EXPECT_TRUE(glob_match("**/b.txt", "c/b.txt"));
  EXPECT_FALSE(glob_match("**/b.txt", "ab.txt"));
  EXPECT_FALSE(glob_match("**/b.txt", "c/ab.txt"));
  EXPECT_FALSE(glob_match("t/**/b.txt", "t/ab.txt"));
  EXPECT_FALSE(glob_match("t/**/b.txt", "t/c/ab.txt"));
  EXPECT_TRUE(glob_match("t/**/b.txt", "t/b.txt"));
  EXPECT_TRUE(glob_match("t/**/b.txt", "t/c/d/b.txt"));
  EXPECT_TRUE(glob_match("**/c/**/*.md", "c/c/x/a.md"));
  EXPECT_FALSE(glob_match("**/c/**/*.md", "xc/y/a.md"));
  EXPECT_TRUE(glob_match("a/**/**/b", "a/b"));
  EXPECT_TRUE(glob_match("a/***/b", "a/x/y/b"));
  EXPECT_TRUE(glob_match("**", "a/b"));
}

TEST(Glob, TwoStarsBesideOtherLettersAreOne) {
  EXPECT_TRUE(glob_match("f**o", "fxxo"));
  EXPECT_FALSE(glob_match("f**o", "fx/xo"));
  EXPECT_FALSE(glob_match("**o", "x/o"));
  EXPECT_FALSE(glob_match("f**", "f/o"));
  EXPECT_FALSE(glob_match("f**/o", "fx/y/o"));
  EXPECT_TRUE(glob_match("f**/o", "fx/o"));
}

TEST(Glob, StaysFastOnManyStars) {
  const std::string path(2000, 'a');
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  EXPECT_FALSE(glob_match(pattern + "b", path));
  std::string folders, deep;
  for (int i = 0; i < 1000; ++i) folders += "a/";
  for (int i = 0; i < 50; ++i) deep += "**/*a/";
  EXPECT_FALSE(glob_match(deep + "b", folders + "a"));
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

TEST(PatternList, ReadsLinesAsGitDoes) {
  PatternList list;
  list.add_file(
      "\xEF\xBB\xBF"
      "first\r\nsp  \ntail\\ \n\\#a\n\\!b\nopen[\nback\\\n[[:none:]]\n\tt\nlast");
  for (const char* name : {"first", "sp", "tail ", "#a", "!b", "\tt", "last"})
    EXPECT_TRUE(list.matches(name, false)) << name;
  for (const char* name : {"sp  ", "tail", "tail\\", "open[", "back", "back\\", "[[:none:]]", "t"})
    EXPECT_FALSE(list.matches(name, false)) << name;
}

TEST(PatternList, SaysWhetherItDecidesAtAll) {
  PatternList list;
  list.add_file("*.log\n!keep.log\n");
  EXPECT_EQ(list.decide("a.log", false), std::optional(true));
  EXPECT_EQ(list.decide("x/keep.log", false), std::optional(false));
  EXPECT_EQ(list.decide("a.txt", false), std::nullopt);
}

}  // namespace
}  // namespace headrace
