// Bulk threads pause for urgent work, as many as needed and no more.
#include "runtime/right_of_way.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace headrace {
namespace {

constexpr auto kForEver = std::chrono::hours(1);

TEST(RightOfWay, BulkWorkPausesUntilUrgentWorkIsDone) {
  RightOfWay way(1, kForEver);
  std::atomic<bool> passed = false;
  Thread bulk;
  {
    const RightOfWay::Urgent urgent(way);
    bulk = Thread([&] {
      RightOfWay::Bulk running(way);
      running.offer();
      passed = true;
    });
    while (way.paused() == 0) std::this_thread::yield();
    EXPECT_FALSE(passed);
  }
  bulk.join();
  EXPECT_TRUE(passed);
  EXPECT_EQ(way.paused(), 0u);
}

TEST(RightOfWay, OnlyAsManyPauseAsUrgentWorkNeeds) {
  RightOfWay way(2, kForEver);
  auto urgent = std::make_unique<RightOfWay::Urgent>(way);
  std::atomic<int> passed = 0;
  std::atomic<int> started = 0;
  std::vector<Thread> bulk;
  for (int i = 0; i < 2; ++i) {
    bulk.emplace_back([&] {
      RightOfWay::Bulk running(way);
      ++started;
      while (started < 2) std::this_thread::yield();
      running.offer();
      ++passed;
      while (way.paused() == 0 && passed < 2)
        std::this_thread::yield();  // runs on beside the urgent work
    });
  }
  while (way.paused() == 0 || passed == 0) std::this_thread::yield();
  urgent.reset();
  for (Thread& thread : bulk) thread.join();
  EXPECT_EQ(passed, 2);
}

TEST(RightOfWay, NobodyPausesWithoutNeedNorForEver) {
  RightOfWay roomy(3, kForEver);
  const RightOfWay::Urgent beside(roomy);
  RightOfWay::Bulk running(roomy);
  running.offer();  // would hang
  RightOfWay hurried(1, std::chrono::milliseconds(1));
  const RightOfWay::Urgent urgent(hurried);
  RightOfWay::Bulk patient(hurried);
  patient.offer();  // would hang
  EXPECT_EQ(hurried.paused(), 0u);
}

}  // namespace
}  // namespace headrace
