#include "plan/memory_shares.h"

#include "plan/document_stream.h"

namespace headrace {

namespace {

// What a thread keeps for itself: its stack, its arena's slack, the memory it shares with a worker;
// and what the model's working memory adds.
constexpr uint64_t kThreadBytes = 4ULL << 20;
constexpr uint64_t kEmbedThreadBytes = 8ULL << 20;

}  // namespace

uint64_t taken_beside_documents(uint64_t memory, const RunLoad& load) {
  const MemoryShares shares(memory);
  const uint64_t threads = std::min(load.threads, memory / kMemoryPerThread);
  uint64_t bytes = load.held_bytes + threads * (load.watches ? 2 : 1) * kThreadBytes;
  // Twice while they are joined; once for what a merge holds, which waits where rows come as slowly
  // as a model embeds them.
  bytes += (load.embeds ? 2 : 3) * shares.segments;
  bytes += shares.group * kRowsWorkingFactor;  // rows being written
  if (load.embeds) bytes += 2 * shares.lane + threads * kEmbedThreadBytes;
  return bytes;
}

uint64_t usual_document_bytes_max(uint64_t memory, RunLoad load, uint64_t usual_threads) {
  constexpr uint64_t kHeldStep = 12ULL << 20;
  load.held_bytes = (load.held_bytes + kHeldStep - 1) / kHeldStep * kHeldStep;
  load.threads = usual_threads;
  load.watches = false;
  const uint64_t taken = taken_beside_documents(memory, load) + kInFlightLeast;
  return document_bytes_max(std::max(memory, taken) - taken + kInFlightLeast);
}

uint64_t least_budget_mib(uint64_t from, const RunLoad& load) {
  uint64_t needed = from;
  while (needed << 20 < taken_beside_documents(needed << 20, load) + kInFlightLeast) ++needed;
  return needed;
}

}  // namespace headrace
