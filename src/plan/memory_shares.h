// MemoryShares: what of a memory budget goes to the parts of a run that stand beside the documents
// on their way.
#pragma once

#include <algorithm>
#include <cstdint>

namespace headrace {

struct MemoryShares {
  explicit MemoryShares(uint64_t memory)
      : segments(std::clamp<uint64_t>(memory / 16, 4ULL << 20, 64ULL << 20)),
        group(std::clamp<uint64_t>(memory / 64, 1ULL << 20, 4ULL << 20)),
        lane(std::clamp<uint64_t>(memory / 32, 2ULL << 20, 16ULL << 20)),
        log(std::clamp<uint64_t>(memory / 64, 1ULL << 20, 8ULL << 20)) {}

  uint64_t segments;  // rows not yet in a file
  uint64_t group;     // rows written together
  uint64_t lane;      // texts that wait for their vectors
  uint64_t log;       // of a transaction, before it is handed to the system
};

// A small budget has no room for many documents at once.
inline constexpr uint64_t kMemoryPerThread = 24ULL << 20;
// So much is left for documents, or the run does not begin.
inline constexpr uint64_t kInFlightLeast = 12ULL << 20;

// What works beside the documents on their way.
struct RunLoad {
  uint64_t held_bytes = 0;  // by the process before the run begins
  uint64_t threads = 0;
  bool watches = false;  // with threads of its own for documents
  bool embeds = false;
};
// What of `memory` is not for documents on their way.
uint64_t taken_beside_documents(uint64_t memory, const RunLoad& load);
// The largest document of a run with this budget on a machine of `usual_threads`: the same for any
// fewer and whatever a process of its kind happens to hold, so that both do not decide what gets
// in.
uint64_t usual_document_bytes_max(uint64_t memory, RunLoad load, uint64_t usual_threads);
// The least budget, in MiB and at least `from`, that leaves kInFlightLeast.
uint64_t least_budget_mib(uint64_t from, const RunLoad& load);

}  // namespace headrace
