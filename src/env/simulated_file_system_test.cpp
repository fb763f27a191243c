// The simulated disk keeps the promises that a real one keeps and breaks all others.
#include "env/simulated_file_system.h"

#include <gtest/gtest.h>

#include <set>

#include "runtime/thread_pool.h"

namespace headrace {
namespace {

std::string read_all(FileSystem& files, const std::string& path) {
  auto file = files.open(path);
  if (!file) return "(" + std::string(error_code_name(file.error().code())) + ")";
  auto bytes = (*file)->read(0, (*file)->size());
  return bytes ? *bytes : "(unreadable)";
}

std::unique_ptr<WritableFile> make(FileSystem& files, const std::string& path,
                                   std::string_view bytes, bool synced) {
  auto file = files.create(path);
  EXPECT_TRUE(file);
  EXPECT_TRUE((*file)->append(bytes));
  if (synced) {
    EXPECT_TRUE((*file)->sync());
    EXPECT_TRUE(files.sync_folder("/kb"));
  }
  return std::move(*file);
}

class SimulatedFileSystemTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(files.make_folder("/kb")); }
  // What is found at `path` over many power cuts.
  std::set<std::string> outcomes(const std::string& path, int cuts = 200) {
    std::set<std::string> seen;
    for (int seed = 0; seed < cuts; ++seed) {
      seen.insert(read_all(*files.after_power_cut(static_cast<uint64_t>(seed)), path));
    }
    return seen;
  }
  SimulatedFileSystem files{7};
};

TEST_F(SimulatedFileSystemTest, WhatIsSyncedSurvivesEveryPowerCut) {
  make(files, "/kb/a", "one", true);
  EXPECT_EQ(outcomes("/kb/a"), std::set<std::string>{"one"});
}

TEST_F(SimulatedFileSystemTest, UnsyncedNameMayBeLost) {
  auto file = files.create("/kb/a");
  ASSERT_TRUE(file && (*file)->append("one") && (*file)->sync());
  EXPECT_EQ(outcomes("/kb/a"), (std::set<std::string>{"(not_found)", "one"}));
}

TEST_F(SimulatedFileSystemTest, UnsyncedBytesAreTornReorderedOrGarbage) {
  auto file = make(files, "/kb/a", "one", true);
  const std::string more(2000, 'x');
  ASSERT_TRUE(file->append(more));
  const auto seen = outcomes("/kb/a", 400);
  EXPECT_TRUE(seen.contains("one"));
  EXPECT_TRUE(seen.contains("one" + more));
  bool torn = false;
  bool hole = false;
  for (const std::string& content : seen) {
    ASSERT_TRUE(content.starts_with("one")) << "synced bytes are never lost";
    torn = torn || (content.size() > 3 && content.size() < more.size() + 3);
    hole = hole || (content.size() == more.size() + 3 && content != "one" + more);
  }
  EXPECT_TRUE(torn);
  EXPECT_TRUE(hole);
}

TEST_F(SimulatedFileSystemTest, RenameIsAllOrNothing) {
  make(files, "/kb/a", "old", true);
  make(files, "/kb/b", "new", true);
  ASSERT_TRUE(files.rename("/kb/b", "/kb/a"));
  EXPECT_EQ(read_all(files, "/kb/a"), "new");
  EXPECT_EQ(outcomes("/kb/a"), (std::set<std::string>{"new", "old"}));
  ASSERT_TRUE(files.sync_folder("/kb"));
  EXPECT_EQ(outcomes("/kb/a"), std::set<std::string>{"new"});
  EXPECT_EQ(outcomes("/kb/b"), std::set<std::string>{"(not_found)"});
}

TEST_F(SimulatedFileSystemTest, RemovedFileMayComeBackUntilTheFolderIsSynced) {
  make(files, "/kb/a", "old", true);
  ASSERT_TRUE(files.remove("/kb/a"));
  EXPECT_EQ(outcomes("/kb/a"), (std::set<std::string>{"(not_found)", "old"}));
  ASSERT_TRUE(files.sync_folder("/kb"));
  EXPECT_EQ(outcomes("/kb/a"), std::set<std::string>{"(not_found)"});
}

TEST_F(SimulatedFileSystemTest, CreatingAnExistingFileTruncatesIt) {
  make(files, "/kb/a", "old", true);
  ASSERT_TRUE(files.create("/kb/a"));
  EXPECT_EQ(read_all(files, "/kb/a"), "");
}

TEST_F(SimulatedFileSystemTest, FailedSyncLosesDataForGood) {
  bool lost = false;
  for (uint64_t seed = 1; seed < 30; ++seed) {
    SimulatedFileSystem disk(seed);
    ASSERT_TRUE(disk.make_folder("/kb"));
    auto file = make(disk, "/kb/a", "", true);
    const std::string content(3000, 'x');
    ASSERT_TRUE(file->append(content));
    disk.fail_change(disk.changes(), SimulatedFault::lost_sync);
    const Status first = file->sync();
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().code(), ErrorCode::io);
    EXPECT_TRUE(file->sync()) << "as a system that has dropped its dirty pages says";
    EXPECT_EQ(read_all(disk, "/kb/a"), content) << "the cache has it still";
    lost = lost || read_all(*disk.after_power_cut(seed), "/kb/a") != content;
  }
  EXPECT_TRUE(lost);
}

TEST_F(SimulatedFileSystemTest, AFullDiskTakesWhatFits) {
  auto file = make(files, "/kb/a", "12345", true);
  files.set_capacity(8);
  const Status full = file->append("67890");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code(), ErrorCode::no_space);
  EXPECT_NE(full.error().message().find("no space left"), std::string::npos);
  EXPECT_EQ(read_all(files, "/kb/a"), "12345678");
  EXPECT_TRUE(file->truncate(5));
  files.set_capacity(100);
  EXPECT_TRUE(file->append("67890"));
  EXPECT_EQ(read_all(files, "/kb/a"), "1234567890");
}

TEST_F(SimulatedFileSystemTest, FaultsHitTheCallTheyName) {
  auto file = make(files, "/kb/a", "1", true);
  files.fail_change(files.changes() + 1, SimulatedFault::io);
  EXPECT_TRUE(file->append("2"));
  EXPECT_FALSE(file->append("3"));
  EXPECT_TRUE(file->append("4"));
  EXPECT_EQ(read_all(files, "/kb/a"), "124");
  files.fail_look(files.looks());
  EXPECT_EQ(read_all(files, "/kb/a"), "(io)");
  files.fail_all_changes(SimulatedFault::read_only);
  EXPECT_EQ(files.remove("/kb/a").error().code(), ErrorCode::permission);
  files.heal();
  EXPECT_TRUE(files.remove("/kb/a"));
}

TEST_F(SimulatedFileSystemTest, AfterThePowerIsCutNothingWorks) {
  auto file = make(files, "/kb/a", "1", true);
  files.cut_power_at_change(files.changes() + 1);
  EXPECT_TRUE(file->append("2"));
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(files.open("/kb/a"));
  EXPECT_FALSE(files.sync_folder("/kb"));
  EXPECT_EQ(read_all(*files.after_power_cut(3), "/kb/a").substr(0, 1), "1");
}

TEST_F(SimulatedFileSystemTest, LocksExcludeAndDieWithTheProcess) {
  auto lock = files.lock("/kb/LOCK");
  ASSERT_TRUE(lock);
  EXPECT_TRUE((*lock)->check());
  EXPECT_EQ(files.lock("/kb/LOCK").error().code(), ErrorCode::busy);
  EXPECT_TRUE(files.after_kill()->lock("/kb/LOCK"));
  ASSERT_TRUE(files.remove("/kb/LOCK"));
  EXPECT_EQ((*lock)->check().error().code(), ErrorCode::busy) << "it no longer protects anything";
  auto second = files.lock("/kb/LOCK");
  ASSERT_TRUE(second);
  lock->reset();
  EXPECT_EQ(files.lock("/kb/LOCK").error().code(), ErrorCode::busy) << "the second holds it";
  second->reset();
  EXPECT_TRUE(files.lock("/kb/LOCK"));
}

TEST_F(SimulatedFileSystemTest, AKillKeepsTheCache) {
  auto file = make(files, "/kb/a", "1", true);
  ASSERT_TRUE(file->append("2"));
  const auto left = files.after_kill();
  EXPECT_EQ(read_all(*left, "/kb/a"), "12");
  // And what was not synced is still not safe.
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 50; ++seed)
    seen.insert(read_all(*left->after_power_cut(seed), "/kb/a"));
  EXPECT_TRUE(seen.contains("1"));
  ASSERT_TRUE(file->append("3"));
  EXPECT_EQ(read_all(*left, "/kb/a"), "12") << "nothing is shared";
}

TEST_F(SimulatedFileSystemTest, LinksAreWaitingNamesToo) {
  make(files, "/kb/a", "1", true);
  ASSERT_TRUE(files.link("/kb/a", "/kb/b"));
  EXPECT_EQ(read_all(files, "/kb/b"), "1");
  EXPECT_FALSE(files.link("/kb/a", "/kb/b")) << "the name is taken";
  EXPECT_EQ(outcomes("/kb/b"), (std::set<std::string>{"(not_found)", "1"}));
  files.set_links(false);
  EXPECT_EQ(files.link("/kb/a", "/kb/c").error().code(), ErrorCode::unsupported);
}

TEST_F(SimulatedFileSystemTest, DamageHitsCacheAndDisk) {
  make(files, "/kb/a", "abc", true);
  files.flip_bit("/kb/a", 8);
  EXPECT_EQ(read_all(files, "/kb/a"), "acc");
  EXPECT_EQ(outcomes("/kb/a"), std::set<std::string>{"acc"});
  files.cut("/kb/a", 1);
  EXPECT_EQ(read_all(files, "/kb/a"), "a");
  files.lose("/kb/a");
  EXPECT_EQ(outcomes("/kb/a"), std::set<std::string>{"(not_found)"});
}

TEST_F(SimulatedFileSystemTest, TheSameSeedGivesTheSameDisk) {
  auto file = make(files, "/kb/a", "one", true);
  ASSERT_TRUE(file->append(std::string(5000, 'y')));
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(read_all(*files.after_power_cut(seed), "/kb/a"),
              read_all(*files.after_power_cut(seed), "/kb/a"));
  }
}

TEST_F(SimulatedFileSystemTest, HookSeesTheDiskBeforeEachChange) {
  std::vector<std::string> before;
  files.before_change([&](uint64_t) { before.push_back(read_all(*files.after_kill(), "/kb/a")); });
  auto file = files.create("/kb/a");
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->append("1"));
  ASSERT_TRUE((*file)->append("2"));
  ASSERT_TRUE((*file)->sync());
  EXPECT_EQ(before, (std::vector<std::string>{"(not_found)", "", "1", "12"}));
}

TEST_F(SimulatedFileSystemTest, ServesManyThreads) {
  ThreadPool pool(4);
  pool.parallel_for(16, [&](size_t i) {
    const std::string path = "/kb/" + std::to_string(i);
    auto file = files.create(path);
    ASSERT_TRUE(file);
    for (int n = 0; n < 20; ++n) ASSERT_TRUE((*file)->append("x") && (*file)->sync());
    EXPECT_EQ(read_all(files, path).size(), 20U);
    EXPECT_TRUE(files.after_power_cut(i));
  });
}

}  // namespace
}  // namespace headrace
