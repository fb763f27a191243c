#include "sources/watcher.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sources/test_tree.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

class WatcherTest : public TestTree {
 protected:
  void watch(const std::vector<std::string>& names) {
    std::vector<std::string> roots;
    for (const std::string& name : names) roots.push_back((root_ / name).string());
    auto watcher = Watcher::create(roots);
    ASSERT_TRUE(watcher) << watcher.error().text();
    watcher_ = std::move(*watcher);
  }
  // Whether there is something to look at; what is there at once is always seen.
  bool changed() {
    constexpr int kLongMs = 60'000;
    const auto seen = watcher_->wait(cancel_, kLongMs);
    EXPECT_TRUE(seen) << seen.error().text();
    return seen && *seen;
  }
  bool quiet() {
    constexpr int kShortMs = 60;  // longer than changes are waited with
    const auto seen = watcher_->wait(cancel_, kShortMs);
    return seen && !*seen;
  }

  CancelToken cancel_;
  std::unique_ptr<Watcher> watcher_;
};

TEST_F(WatcherTest, SeesWhatIsSavedMovedAndRemovedBelowAFolder) {
  write("docs/a.txt");
  watch({"docs"});
  EXPECT_TRUE(quiet());
  write("docs/a.txt", "y");
  EXPECT_TRUE(changed());
  write("docs/new/below/b.txt");
  EXPECT_TRUE(changed());
  write("docs/new/below/b.txt", "z");
  EXPECT_TRUE(changed());
  fs::rename(root_ / "docs/new", root_ / "docs/old");
  EXPECT_TRUE(changed());
  write("docs/old/below/c.txt");
  EXPECT_TRUE(changed());
  fs::remove(root_ / "docs/a.txt");
  EXPECT_TRUE(changed());
}

TEST_F(WatcherTest, AnotherFolderOfItsNameIsWatched) {
  write("docs/a.txt");
  watch({"docs"});
  for (int i = 0; i < 3; ++i) {
    fs::rename(root_ / "docs", root_ / ("old" + std::to_string(i)));
    EXPECT_TRUE(changed());
    write("new/a.txt");
    fs::rename(root_ / "new", root_ / "docs");
    EXPECT_TRUE(changed());
    write("docs/b.txt");
    EXPECT_TRUE(changed());
    // What was there before is none of its business.
    write("old" + std::to_string(i) + "/c.txt");
    EXPECT_TRUE(quiet());
  }
}

TEST_F(WatcherTest, AnotherFileOfItsNameIsWatched) {
  write("note.txt");
  write("beside.txt");
  watch({"note.txt"});
  for (int i = 0; i < 3; ++i) {
    write("new.txt");
    EXPECT_TRUE(quiet());
    fs::rename(root_ / "new.txt", root_ / "note.txt");
    EXPECT_TRUE(changed());
    write("note.txt", "y");
    EXPECT_TRUE(changed());
    write("beside.txt", "z");
    EXPECT_TRUE(quiet());
  }
}

TEST_F(WatcherTest, AFolderMayComeWithThoseAboveIt) {
  watch({"a/b/docs"});
  EXPECT_TRUE(quiet());
  write("a/b/docs/a.txt");
  EXPECT_TRUE(changed());
  fs::rename(root_ / "a", root_ / "z");
  EXPECT_TRUE(changed());
  write("z/b/docs/b.txt");
  EXPECT_TRUE(quiet());
  write("a/b/docs/b.txt");
  EXPECT_TRUE(changed());
  write("a/b/docs/b.txt", "y");
  EXPECT_TRUE(changed());
}

TEST_F(WatcherTest, NamesWithADotAreNoDocuments) {
  write("docs/a.txt");
  watch({"docs"});
  write("docs/.a.txt.swp");
  EXPECT_TRUE(quiet());
  write("docs/.headraceignore");
  EXPECT_TRUE(changed());
}

TEST_F(WatcherTest, AFileThatStaysOpenIsLookedAt) {
  write("docs/a.txt");
  watch({"docs"});
  std::ofstream open(root_ / "docs/log.txt");
  open << "a line" << std::flush;
  EXPECT_TRUE(changed());
  open << "another" << std::flush;
  EXPECT_TRUE(changed());
}

}  // namespace
}  // namespace headrace
