#include "plan/reusing_model.h"

#include <gtest/gtest.h>

#include "env/simulated_file_system.h"
#include "plan/test_vector_model.h"

namespace headrace {
namespace {

std::unique_ptr<VectorCache> cache_on(FileSystem& disk) {
  return std::make_unique<VectorCache>(disk, "/cache", "counting", 2);
}

std::vector<float> expected(const std::vector<std::string>& texts) {
  std::vector<float> all;
  for (const std::string& text : texts) {
    for (const float value : CountingModel::expected(text)) all.push_back(value);
  }
  return all;
}

TEST(ReusingModel, IdenticalTextsAreComputedOnceInOrder) {
  const auto inner = std::make_shared<CountingModel>();
  const ReusingModel model(inner, "cut", nullptr);
  ThreadPool pool(2);
  const std::vector<std::string> texts{"a", "bb", "a", "", "bb", "c", ""};
  const auto first = model.embed(texts, {}, pool);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->values, expected(texts));
  EXPECT_EQ(first->reused, 3U);
  EXPECT_EQ(first->tokens, 4U);
  // A later call knows them too.
  const std::vector<std::string> later{"c", "dddd"};
  const auto second = model.embed(later, {}, pool);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->values, expected(later));
  EXPECT_EQ(second->reused, 1U);
  for (const auto& [text, times] : inner->computed()) EXPECT_EQ(times, 1) << text;
}

TEST(ReusingModel, TheCacheServesTheNextRun) {
  SimulatedFileSystem disk;
  ThreadPool pool(2);
  const std::vector<std::string> texts{"one", "two", "three"};
  {
    const ReusingModel model(std::make_shared<CountingModel>(), "cut", cache_on(disk));
    ASSERT_TRUE(model.embed(texts, {}, pool));
  }
  const auto inner = std::make_shared<CountingModel>();
  const ReusingModel model(inner, "cut", cache_on(disk));
  const auto again = model.embed(texts, {}, pool);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->values, expected(texts));
  EXPECT_TRUE(inner->computed().empty());
  // Another way of taking long texts, or a prompt, makes other vectors.
  const ReusingModel windows(inner, "window", cache_on(disk));
  ASSERT_TRUE(windows.embed(texts, {}, pool));
  ASSERT_TRUE(model.embed(texts, {EmbedPurpose::query}, pool));
  EXPECT_EQ(inner->computed().at("two"), 2);
}

TEST(ReusingModel, AQueryLeavesNothingOnDisk) {
  SimulatedFileSystem disk;
  ThreadPool pool(1);
  const std::vector<std::string> texts{"secret"};
  {
    const ReusingModel model(std::make_shared<CountingModel>(), "cut", cache_on(disk));
    ASSERT_TRUE(model.embed(texts, {EmbedPurpose::query, EmbedPriority::query}, pool));
  }
  EXPECT_TRUE(disk.all_files().empty());
}

TEST(ReusingModel, AFailedCallLeavesNothingAndTheNextOneComputes) {
  const auto inner = std::make_shared<CountingModel>();
  const ReusingModel model(inner, "cut", nullptr);
  ThreadPool pool(1);
  const std::vector<std::string> texts{"a", "b"};
  inner->fails = true;
  EXPECT_FALSE(model.embed(texts, {}, pool));
  inner->fails = false;
  const auto again = model.embed(texts, {}, pool);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->values, expected(texts));
}

// Two calls at once with texts in common: the first computes them while the second waits.
TEST(ReusingModel, TextsInFlightAreWaitedFor) {
  const auto inner = std::make_shared<CountingModel>();
  const ReusingModel model(inner, "cut", nullptr);
  ThreadPool pool(2);
  Mutex mutex;
  CondVar changed;
  bool inside = false;
  bool go_on = false;
  std::atomic<bool> first_call = true;
  inner->during = [&] {
    if (!first_call.exchange(false)) return;
    const MutexLock lock(mutex);
    inside = true;
    changed.notify_all();
    while (!go_on) changed.wait(mutex);
  };
  const std::vector<std::string> texts{"shared", "mine"};
  const std::vector<std::string> others{"shared", "theirs"};
  Result<Embeddings> first;
  Thread thread([&] { first = model.embed(texts, {}, pool); });
  {
    const MutexLock lock(mutex);
    while (!inside) changed.wait(mutex);
  }
  // A query does not wait for bulk work.
  const std::vector<std::string> query{"shared"};
  const auto quick = model.embed(query, {EmbedPurpose::plain, EmbedPriority::query}, pool);
  ASSERT_TRUE(quick);
  Result<Embeddings> second;
  Thread other([&] { second = model.embed(others, {}, pool); });
  {
    const MutexLock lock(mutex);
    go_on = true;
    changed.notify_all();
  }
  thread.join();
  other.join();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->values, expected(texts));
  EXPECT_EQ(second->values, expected(others));
  EXPECT_EQ(inner->computed().at("theirs"), 1);
  EXPECT_LE(inner->computed().at("shared"), 2);  // the bulk call and the query
}

}  // namespace
}  // namespace headrace
