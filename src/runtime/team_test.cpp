#include "runtime/team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "runtime/thread_pool.h"

namespace headrace {
namespace {

TEST(Team, ALeaderAloneDoesEveryPart) {
  Team team(2);
  std::vector<int> visits(7, 0);
  for (int step = 0; step < 3; ++step)
    team.run(visits.size(), [&](size_t part, size_t member) {
      EXPECT_EQ(member, 0u);
      ++visits[part];
    });
  EXPECT_EQ(visits, std::vector<int>(7, 3));
  team.run(0, [](size_t, size_t) { FAIL() << "a step without parts has nothing to do"; });
}

TEST(Team, EveryPartOfEveryStepIsDoneOnceAndBeforeTheNextStep) {
  constexpr size_t kMembers = 3;
  constexpr int kSteps = 300;
  Team team(kMembers);
  std::vector<Thread> followers;
  for (size_t member = 1; member < kMembers; ++member)
    followers.emplace_back([&team, member] { team.serve(member); });
  // Not atomic: two members that met, or a step that began early, would be seen here.
  std::vector<int> visits(kMembers, 0);
  std::atomic<size_t> begun = 0;
  for (size_t step = 0; step < kSteps; ++step) {
    team.run(kMembers, [&](size_t part, size_t member) {
      // Each part waits for the others, so each member has one.
      ++begun;
      while (begun < (step + 1) * kMembers) std::this_thread::yield();
      if (member > 0) std::this_thread::yield();  // a leader that does not wait runs ahead
      EXPECT_EQ(visits[part], static_cast<int>(step));
      ++visits[part];
    });
    ASSERT_EQ(visits, std::vector<int>(kMembers, static_cast<int>(step) + 1));
  }
  team.finish();
  followers.clear();
}

TEST(Team, AFollowerThatComesTooLateLeavesAtOnce) {
  Team team(2);
  team.finish();
  team.serve(1);
}

}  // namespace
}  // namespace headrace
