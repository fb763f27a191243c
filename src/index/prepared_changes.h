// Committed changes made ready for a StoreState: documents have become memory segments, with the
// vectors that came with them. That is most of the work of a commit and needs no state, so it runs
// while the log is on its way to the disk, and on several threads.
//
// Owns: the segments. Threads: prepare_changes from any thread; it uses `pool` where there is one.
// Errors: invalid_argument for a row key that is none.
#pragma once

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

}  // namespace headrace::index
