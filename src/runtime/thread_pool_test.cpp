#include "runtime/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <atomic>
#include <string>
#include <vector>

#include "runtime/channel.h"

namespace headrace {
namespace {

TEST(UsableCpuCount, IsAtLeastOne) {
  EXPECT_GE(usable_cpu_count(), 1u);
}

TEST(ThreadPool, RunsEverythingBeforeItIsDestroyed) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool(3);
    EXPECT_EQ(pool.size(), 3u);
    for (int i = 0; i < 1000; ++i) pool.submit([&] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

TEST(ThreadPool, ParallelForVisitsEachIndexOnce) {
  ThreadPool pool(4);
  for (size_t count : {0u, 1u, 2u, 3u, 1000u}) {
    std::vector<int> visits(count, 0);
    pool.parallel_for(count, [&](size_t i) { ++visits[i]; });
    EXPECT_EQ(visits, std::vector<int>(count, 1));
  }
}

TEST(ThreadPool, LoopsNestOnASinglePoolThread) {
  ThreadPool pool(1);
  std::atomic<int> sum{0};
  pool.parallel_for(8, [&](size_t) { pool.parallel_for(8, [&](size_t) { ++sum; }); });
  EXPECT_EQ(sum, 64);
}

TEST(ThreadPool, ABulkPaceChangesNeitherPolicyNorNiceValue) {
  const int policy = sched_getscheduler(0);
  const int nice = getpriority(PRIO_PROCESS, 0);
  std::atomic<int> seen{0};
  {
    ThreadPool pool(2, Pace::bulk);
    Thread thread(
        [&] { seen += sched_getscheduler(0) == policy && getpriority(PRIO_PROCESS, 0) == nice; },
        Pace::bulk);
    for (int i = 0; i < 2; ++i) {
      pool.submit(
          [&] { seen += sched_getscheduler(0) == policy && getpriority(PRIO_PROCESS, 0) == nice; });
    }
  }
  EXPECT_EQ(seen, 3);
}

TEST(TaskScope, WaitsForItsTasks) {
  ThreadPool pool(2);
  std::vector<int> results(200, 0);
  {
    TaskScope scope(pool);
    for (size_t i = 0; i < results.size(); ++i) scope.spawn([&results, i] { results[i] = 1; });
  }
  EXPECT_EQ(results, std::vector<int>(200, 1));
}

TEST(TaskScope, MayBeWaitedForInsideATaskOfTheSamePool) {
  ThreadPool pool(1);
  std::atomic<int> inner{0};
  {
    TaskScope outer(pool);
    for (int i = 0; i < 4; ++i) {
      outer.spawn([&] {
        TaskScope scope(pool);
        for (int k = 0; k < 4; ++k) scope.spawn([&] { ++inner; });
        scope.wait();
      });
    }
  }
  EXPECT_EQ(inner, 16);
}

TEST(Thread, JoinsOnDestructionAndOnAssignment) {
  std::atomic<int> ran{0};
  {
    Thread thread([&] { ++ran; });
    thread = Thread([&] { ++ran; });
    thread.join();
    EXPECT_EQ(ran, 2);
    thread = Thread([&] { ++ran; });
  }
  EXPECT_EQ(ran, 3);
}

TEST(Channel, PassesItemsInOrderAndDrainsAfterClosing) {
  Channel<int> channel(1000);
  EXPECT_TRUE(channel.push(1, 10));
  EXPECT_TRUE(channel.push(2, 10));
  EXPECT_EQ(channel.bytes(), 20u);
  channel.close();
  EXPECT_FALSE(channel.push(3, 10));
  EXPECT_EQ(channel.pop(), 1);
  EXPECT_EQ(channel.try_pop(), 2);
  EXPECT_EQ(channel.pop(), std::nullopt);
  EXPECT_EQ(channel.bytes(), 0u);
}

TEST(Channel, NeverHoldsMoreThanItsBoundExceptOneItem) {
  Channel<std::string> channel(100);
  std::atomic<bool> exceeded{false};
  Thread consumer([&] {
    while (auto item = channel.pop())
      if (channel.bytes() > 100) exceeded = true;
  });
  {
    Thread other([&] {
      for (int i = 0; i < 500; ++i) EXPECT_TRUE(channel.push(std::string(30, 'x'), 30));
    });
    for (int i = 0; i < 500; ++i) EXPECT_TRUE(channel.push(std::string(40, 'y'), 40));
  }
  channel.close();
  consumer.join();
  EXPECT_FALSE(exceeded);
  Channel<int> small(10);
  EXPECT_TRUE(small.push(1, 1000)) << "one item always fits";
}

TEST(Channel, ClosingWakesAWaitingProducer) {
  Channel<int> channel(10);
  ASSERT_TRUE(channel.push(1, 10));
  Thread producer([&] { EXPECT_FALSE(channel.push(2, 10)); });
  channel.close();
}

}  // namespace
}  // namespace headrace
