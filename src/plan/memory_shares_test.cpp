#include "plan/memory_shares.h"

#include <gtest/gtest.h>

#include "plan/document_stream.h"

namespace headrace {
namespace {

// What a process of a kind holds differs by a few pages from run to run.
TEST(MemoryShares, ThreadsAndPagesDoNotDecideWhatGetsIn) {
  for (const uint64_t mib : {64, 128, 256, 1024}) {
    const uint64_t memory = mib << 20;
    const uint64_t usual = usual_document_bytes_max(memory, {9'500'000, 1, false, false}, 8);
    for (const uint64_t threads : {1, 2, 7, 8}) {
      for (const uint64_t held : {9'000'000, 10'400'000, 12'000'000}) {
        const RunLoad load{held, threads, false, false};
        EXPECT_EQ(usual_document_bytes_max(memory, load, 8), usual);
        // A run of any kind has room for it.
        EXPECT_GE(document_bytes_max(memory - taken_beside_documents(memory, load)), usual);
      }
    }
  }
}

TEST(MemoryShares, ALargerBudgetTakesLargerDocuments) {
  uint64_t before = 0;
  for (const uint64_t mib : {64, 96, 128, 512, 4096, 16384}) {
    const uint64_t now = usual_document_bytes_max(mib << 20, {10'000'000, 2, false, false}, 8);
    EXPECT_GT(now, before);
    before = now;
  }
  EXPECT_EQ(before, uint64_t{1} << 30);
}

TEST(MemoryShares, AModelLeavesRoomForDocuments) {
  const RunLoad load{45'000'000, 2, false, true};
  EXPECT_GT(usual_document_bytes_max(256ULL << 20, load, 2), 16U << 20);
  EXPECT_GT(usual_document_bytes_max(1ULL << 30, load, 2), 128U << 20);
}

TEST(MemoryShares, TheLeastBudgetIsEnoughAndNoMoreThanThat) {
  const RunLoad load{45'000'000, 2, false, true};
  const uint64_t least = least_budget_mib(64, load);
  EXPECT_GE(least << 20, taken_beside_documents(least << 20, load) + kInFlightLeast);
  EXPECT_LT((least - 1) << 20, taken_beside_documents((least - 1) << 20, load) + kInFlightLeast);
}

}  // namespace
}  // namespace headrace
