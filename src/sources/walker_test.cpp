#include "sources/walker.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sources/test_tree.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

class WalkerTest : public TestTree {
 protected:
  // Sources relative to the root, in the order they came.
  std::vector<std::string> walk(std::vector<std::string> arguments, WalkOptions options = {}) {
    problems_.clear();
    std::vector<std::string> found;
    const Walker walker(std::move(arguments), std::move(options));
    const Status status = walker.walk(
        [&](const FileEntry& entry) -> Status {
          found.push_back(entry.source.substr(root_.string().size() + 1));
          return {};
        },
        [&](DocumentError problem) { problems_.push_back(std::move(problem)); });
    EXPECT_TRUE(status) << status.error().text();
    return found;
  }

  std::vector<DocumentError> problems_;
};

using Names = std::vector<std::string>;

TEST_F(WalkerTest, KnowledgeBasesAndTheTargetAreNotEntered) {
  write("a.txt");
  write("kb/manifest-0000000000000003", "HRMANIFS and more");
  write("kb/log-1");
  write("new/LOCK");
  write("ships/manifest-2024.txt", "twelve crates");
  WalkOptions options;
  options.target = (root_ / "new").string();
  EXPECT_EQ(walk({root_.string()}, options), (Names{"a.txt", "ships/manifest-2024.txt"}));
  EXPECT_TRUE(problems_.empty());
}

TEST_F(WalkerTest, GivesFilesInByteOrderWithoutHiddenAndIgnoredOnes) {
  write("b.txt");
  write("a/z.txt");
  write("a/skip.log");
  write(".hidden/x.txt");
  write(".dot");
  write(".headraceignore", "*.log\n");
  EXPECT_EQ(walk({root_.string()}), (Names{"a/z.txt", "b.txt"}));
}

TEST_F(WalkerTest, ADeeperIgnoreFileTakesBackWhatAnOuterOneExcludes) {
  write(".headraceignore", "*.log\nbuild/\n");
  write("a.log");
  write("s/.headraceignore", "!keep.log\n*.tmp\n");
  write("s/keep.log");
  write("s/other.log");
  write("s/t/keep.log");
  write("s/t/.headraceignore", "*\n!*.tmp\n");
  write("s/t/x.tmp");
  write("s/t/x.txt");
  // Not in a folder that is left out itself.
  write("build/.headraceignore", "!*\n");
  write("build/keep.log");
  EXPECT_EQ(walk({root_.string()}), (Names{"s/keep.log", "s/t/x.tmp"}));
  // What the command says stands above both.
  EXPECT_EQ(walk({root_.string()}, {{}, {"keep.log"}, ""}), (Names{"s/t/x.tmp"}));
}

TEST_F(WalkerTest, IncludeAndExclude) {
  write("a.md");
  write("b.txt");
  write("old/c.md");
  EXPECT_EQ(walk({root_.string()}, {{"*.md"}, {"old"}}), (Names{"a.md"}));
}

TEST_F(WalkerTest, Globs) {
  write("x/a.md");
  write("x/y/b.md");
  write("x/c.txt");
  EXPECT_EQ(walk({root_.string() + "/**/*.md"}), (Names{"x/a.md", "x/y/b.md"}));
  EXPECT_EQ(walk({root_.string() + "/x/*.md"}), (Names{"x/a.md"}));
}

TEST_F(WalkerTest, TwoStarsStandForWholeFoldersWhereverAPatternStands) {
  write("b.txt");
  write("ab.txt");
  write("c/b.txt");
  write("c/ab.txt");
  const Names named{"b.txt", "c/b.txt"}, others{"ab.txt", "c/ab.txt"};
  EXPECT_EQ(walk({root_.string() + "/**/b.txt"}), named);
  EXPECT_EQ(walk({root_.string()}, {{"**/b.txt"}, {}, ""}), named);
  EXPECT_EQ(walk({root_.string()}, {{}, {"**/b.txt"}, ""}), others);
  write(".headraceignore", "**/b.txt\n**/build\n");
  write("mybuild/x");
  EXPECT_EQ(walk({root_.string()}), (Names{"ab.txt", "c/ab.txt", "mybuild/x"}));
}

TEST_F(WalkerTest, OddEntriesAreReportedNotOpened) {
  write("good.txt");
  fs::create_symlink("self", root_ / "self");
  fs::create_symlink("missing", root_ / "nowhere");
  fs::create_directories(root_ / "sub");
  fs::create_directory_symlink("..", root_ / "sub" / "up");
  ASSERT_EQ(mkfifo((root_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(walk({root_.string()}), (Names{"good.txt"}));
  std::vector<std::string> reported;
  for (const DocumentError& problem : problems_) {
    reported.push_back(problem.source.substr(root_.string().size() + 1));
    EXPECT_FALSE(problem.error.message().empty());
  }
  EXPECT_EQ(reported, (Names{"nowhere", "pipe", "self", "sub/up"}));
}

TEST_F(WalkerTest, ALinkedFolderIsVisitedOnce) {
  write("real/a.txt");
  fs::create_directory_symlink("real", root_ / "also");
  EXPECT_EQ(walk({root_.string()}), (Names{"also/a.txt"}));
}

TEST_F(WalkerTest, APathThatIsNotThereFailsTheWalk) {
  const Walker walker({(root_ / "nothing").string()}, {});
  const Status status =
      walker.walk([](const FileEntry&) -> Status { return {}; }, [](DocumentError) {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::not_found);
}

TEST_F(WalkerTest, CoversWhatItWouldHaveGiven) {
  const std::string here = real_place(".") + "/";
  const Walker walker({"docs", "notes/*.md"}, {});
  EXPECT_TRUE(walker.covers(here + "docs/a/b.txt"));
  EXPECT_FALSE(walker.covers(here + "docs2/a.txt"));
  EXPECT_TRUE(walker.covers(here + "notes/x.md"));
  EXPECT_FALSE(walker.covers(here + "notes/x.txt"));
  // The same path of another folder is another place, and every way to name a place is one.
  EXPECT_FALSE(walker.covers("/elsewhere/docs/a.txt"));
  EXPECT_FALSE(walker.covers("docs/a.txt"));
  EXPECT_TRUE(Walker({here + "docs/../docs/", "*.txt"}, {}).covers(here + "docs/a.txt"));
  EXPECT_TRUE(Walker({"*.txt"}, {}).covers(here + "a.txt"));
}

TEST_F(WalkerTest, WhatIncludeAndExcludeLeaveOutIsNotCovered) {
  WalkOptions options;
  options.include = {"*.md"};
  options.exclude = {"drafts/"};
  const std::string here = real_place(".") + "/";
  const Walker walker({"docs", "."}, options);
  EXPECT_TRUE(walker.covers(here + "docs/a/b.md"));
  EXPECT_FALSE(walker.covers(here + "docs/a/b.txt"));
  EXPECT_FALSE(walker.covers(here + "docs/a/drafts/b.md"));
  EXPECT_TRUE(walker.covers(here + "x.md"));
  EXPECT_FALSE(walker.covers(here + "x.txt"));
}

TEST_F(WalkerTest, PatternsMeanTheNamesOnTheDiskNotAsTheyAreShown) {
  const std::string here = real_place(".") + "/";
  EXPECT_TRUE(Walker({"docs/n\xff*"}, {}).covers(here + "docs/n\\xff.txt"));
  EXPECT_TRUE(Walker({"docs/n\\\\xff*"}, {}).covers(here + "docs/n\\x5cxff.txt"));
  WalkOptions options;
  options.exclude = {"n\xff*"};
  EXPECT_FALSE(Walker({"docs"}, options).covers(here + "docs/n\\xff.txt"));
  EXPECT_TRUE(Walker({"docs"}, options).covers(here + "docs/n\\x5cxff.txt"));
}

TEST_F(WalkerTest, WhatSeveralArgumentsNameIsGivenOnce) {
  write("docs/a.txt");
  write("docs/b.txt");
  const std::string root = root_.string();
  fs::create_directory_symlink(root_ / "docs", root_ / "linked");
  EXPECT_EQ(walk({root + "/docs", root + "/docs/a.txt", root + "/./docs", root + "/linked",
                  root + "/docs/*.txt"}),
            (Names{"docs/a.txt", "docs/b.txt"}));
  EXPECT_EQ(walk({root + "/docs/b.txt", root + "/docs"}), (Names{"docs/b.txt", "docs/a.txt"}));
}

TEST_F(WalkerTest, ArgumentsAreCheckedBeforeAnythingIsMade) {
  write("docs/a.txt");
  const std::string docs = (root_ / "docs").string();
  WalkOptions options;
  options.target = (root_ / "kb").string();
  EXPECT_TRUE(Walker({docs}, options).check());
  EXPECT_EQ(Walker({docs, docs + "/none"}, options).check().error().code(), ErrorCode::not_found);
  const Status remote = Walker({"s3://bucket/key"}, options).check();
  ASSERT_FALSE(remote);
  EXPECT_EQ(remote.error().code(), ErrorCode::unsupported);
  EXPECT_NE(remote.error().message().find("by s3"), std::string::npos);
  options.target = docs + "/.";
  EXPECT_EQ(Walker({docs}, options).check().error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace headrace
