// Committed changes made ready for a StoreState: documents have become memory segments, with the
// vectors that came with them. That is most of the work of a commit and needs no state, so it runs
// beside the writing, and on several threads.
//
// Owns: the segments. Threads: from any thread; `pool` is used where there is one. Errors:
// invalid_argument for a row key that is none; damaged for frames that cannot be read.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "index/segment.h"
#include "index/store_changes.h"
#include "runtime/thread_pool.h"

namespace headrace::index {

// A segment's documents take the place of all before them with the same source.
using PreparedChange = std::variant<std::shared_ptr<const Segment>, RemoveSource, RemoveRows,
                                    SetVectors, Space, std::string>;

// Takes the rows' texts out of `changes`. `spaces` are those known before.
Result<std::vector<PreparedChange>> prepare_changes(std::vector<Change>&& changes,
                                                    std::string_view language,
                                                    std::span<const Space> spaces,
                                                    ThreadPool* pool);
// The same of transactions as the log has them (whole frames), which are read where they are.
// `ended`: nobody wants it any more; looked at row by row (cancelled).
Result<std::vector<PreparedChange>> prepare_logged(std::span<const std::string> transactions,
                                                   std::string_view language,
                                                   std::span<const Space> spaces, ThreadPool* pool,
                                                   const std::atomic<bool>& ended);

}  // namespace headrace::index
