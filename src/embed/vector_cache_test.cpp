#include "embed/vector_cache.h"

#include <gtest/gtest.h>

#include "env/simulated_file_system.h"

namespace headrace {
namespace {

constexpr uint32_t kDimension = 4;

Hash128 key(int n) {
  return hash128("text " + std::to_string(n));
}

std::vector<float> vector(int n) {
  return {static_cast<float>(n), 0.5F, -1.0F, 2.0F};
}

std::unique_ptr<VectorCache> open(FileSystem& disk, uint64_t bytes_max = 1 << 20) {
  return std::make_unique<VectorCache>(disk, "/cache", "model", kDimension, bytes_max);
}

int count_found(VectorCache& cache, int to) {
  int found = 0;
  for (int n = 0; n < to; ++n) {
    CachedVector out;
    if (!cache.find(key(n), out)) continue;
    EXPECT_EQ(out.values, vector(n));
    ++found;
  }
  return found;
}

std::string only_file(const SimulatedFileSystem& disk) {
  std::string found;
  for (const std::string& path : disk.all_files()) {
    if (path.ends_with(".vectors")) found = path;
  }
  return found;
}

TEST(VectorCache, KeepsVectorsForTheNextProcess) {
  SimulatedFileSystem disk;
  {
    const auto cache = open(disk);
    for (int n = 0; n < 100; ++n) cache->put(key(n), vector(n), n == 7);
    EXPECT_EQ(count_found(*cache, 100), 100);  // also before they are written
  }
  const auto cache = open(disk);
  EXPECT_EQ(count_found(*cache, 100), 100);
  CachedVector out;
  ASSERT_TRUE(cache->find(key(7), out));
  EXPECT_TRUE(out.was_long);
  ASSERT_TRUE(cache->find(key(8), out));
  EXPECT_FALSE(out.was_long);
  EXPECT_FALSE(cache->find(key(100), out));
}

TEST(VectorCache, ModelsDoNotShare) {
  SimulatedFileSystem disk;
  open(disk)->put(key(1), vector(1), false);
  VectorCache other(disk, "/cache", "another model", kDimension);
  CachedVector out;
  EXPECT_FALSE(other.find(key(1), out));
}

TEST(VectorCache, ADamagedVectorIsNotThereAndTheOthersAre) {
  SimulatedFileSystem disk;
  {
    const auto cache = open(disk);
    for (int n = 0; n < 10; ++n) cache->put(key(n), vector(n), false);
  }
  const std::string path = only_file(disk);
  disk.flip_bit(path, disk.content(path).size() * 8 - 3);  // in the last vector
  EXPECT_EQ(count_found(*open(disk), 10), 9);
}

TEST(VectorCache, EveryFlippedBitIsAMissAtWorst) {
  SimulatedFileSystem disk;
  {
    const auto cache = open(disk);
    for (int n = 0; n < 3; ++n) cache->put(key(n), vector(n), false);
  }
  const std::string path = only_file(disk);
  const size_t bits = disk.content(path).size() * 8;
  for (size_t bit = 0; bit < bits; ++bit) {
    disk.flip_bit(path, bit);
    EXPECT_LT(count_found(*open(disk), 3), 3) << bit;  // checks each value that is found
    disk.flip_bit(path, bit);
  }
  EXPECT_EQ(count_found(*open(disk), 3), 3);
}

TEST(VectorCache, ACutFileIsNotUsed) {
  SimulatedFileSystem disk;
  open(disk)->put(key(1), vector(1), false);
  const std::string path = only_file(disk);
  const std::string whole = disk.content(path);
  for (size_t size = 0; size < whole.size(); ++size) {
    disk.overwrite(path, whole.substr(0, size));
    EXPECT_EQ(count_found(*open(disk), 2), 0) << size;
  }
}

TEST(VectorCache, AFullOrFailingDiskHurtsNothing) {
  for (const SimulatedFault fault : {SimulatedFault::no_space, SimulatedFault::short_write,
                                     SimulatedFault::read_only, SimulatedFault::io}) {
    SimulatedFileSystem disk;
    disk.fail_all_changes(fault);
    {
      const auto cache = open(disk);
      for (int n = 0; n < 5; ++n) cache->put(key(n), vector(n), false);
      cache->flush();
      EXPECT_FALSE(cache->kept());
      for (int n = 5; n < 10; ++n) cache->put(key(n), vector(n), false);
    }
    disk.heal();
    EXPECT_EQ(count_found(*open(disk), 10), 0);
  }
}

TEST(VectorCache, AFolderThatCannotBeUsedIsToldAtTheFirstVector) {
  SimulatedFileSystem disk;
  const auto cache = open(disk);
  EXPECT_TRUE(cache->kept());
  disk.fail_all_changes(SimulatedFault::read_only);
  cache->put(key(1), vector(1), false);
  const Status kept = cache->kept();
  ASSERT_FALSE(kept);
  EXPECT_TRUE(kept.error().message().contains("/cache")) << kept.error().text();
  EXPECT_TRUE(kept.error().hint().contains("--cache"));
  CachedVector out;
  EXPECT_FALSE(cache->find(key(1), out));
}

TEST(VectorCache, ADiskThatFillsUpLaterIsToldOnce) {
  SimulatedFileSystem disk;
  const auto cache = open(disk);
  cache->put(key(1), vector(1), false);
  EXPECT_TRUE(cache->kept());
  disk.fail_all_changes(SimulatedFault::no_space);
  cache->flush();
  ASSERT_FALSE(cache->kept());
  EXPECT_EQ(cache->kept().error().code(), ErrorCode::no_space);
  disk.heal();
  cache->put(key(2), vector(2), false);
  cache->flush();
  EXPECT_EQ(cache->kept().error().code(), ErrorCode::no_space);
}

TEST(VectorCache, TwoProcessesAtOnce) {
  SimulatedFileSystem disk;
  const auto one = open(disk);
  const auto two = open(disk);
  one->put(key(1), vector(1), false);
  two->put(key(1), vector(1), false);
  two->put(key(2), vector(2), false);
  one->flush();
  two->flush();
  EXPECT_EQ(count_found(*open(disk), 3), 2);
}

TEST(VectorCache, ManySmallFilesAreJoined) {
  SimulatedFileSystem disk;
  for (int n = 0; n < 40; ++n) open(disk)->put(key(n), vector(n), false);
  size_t files = 0;
  for (const std::string& path : disk.all_files()) files += path.ends_with(".vectors") ? 1 : 0;
  EXPECT_LT(files, 20U);
  EXPECT_EQ(count_found(*open(disk), 40), 40);
}

TEST(VectorCache, OverItsBoundTheOldestGo) {
  SimulatedFileSystem disk;
  constexpr uint64_t kBound = 4096;
  for (int n = 0; n < 200; ++n) {
    disk.set_now_ns(1'000'000'000LL * (n + 1));
    open(disk, kBound)->put(key(n), vector(n), false);
  }
  uint64_t bytes = 0;
  for (const std::string& path : disk.all_files()) {
    if (path.ends_with(".vectors")) bytes += disk.content(path).size();
  }
  EXPECT_LE(bytes, kBound);
  CachedVector out;
  EXPECT_TRUE(open(disk)->find(key(199), out));
  EXPECT_FALSE(open(disk)->find(key(0), out));
}

}  // namespace
}  // namespace headrace
