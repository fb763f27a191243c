// Export: every live row of a snapshot to JSONL or an Arrow IPC file.
//
// Threads: one call, one thread. Errors: those of the target file (a partial file is removed);
// cancelled.
#pragma once

#include <string>

#include "base/result.h"
#include "index/knowledge_base.h"
#include "runtime/cancel.h"

namespace headrace {

// `target` ends in .jsonl or .arrow, or is "-" (JSONL on standard output). Returns how many rows.
Result<uint64_t> export_rows(const index::Snapshot& snapshot, const std::string& target,
                             const CancelToken& cancel);

}  // namespace headrace
