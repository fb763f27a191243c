// Measures what searches by vector really find: rows of the knowledge base, and the same with
// noise, are searched for with a recall target and exactly, and the answers compared.
//
// Owns: nothing. Threads: uses the pool given. Errors: those of search.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "index/knowledge_base.h"
#include "runtime/thread_pool.h"

namespace headrace::index {

struct RecallReport {
  std::string space;
  double target = 0;
  double recall = 0;  // mean over the queries of the share of the true 10 best that were found
  uint32_t queries = 0;
};

// One report for each space that has vectors.
Result<std::vector<RecallReport>> measure_recall(const Snapshot& snapshot, double target,
                                                 ThreadPool& pool);

}  // namespace headrace::index
