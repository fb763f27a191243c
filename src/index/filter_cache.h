// What filters gave on the columns of one segment, by their text: segments never change, so neither
// does the answer. Keeps the few that were used last.
//
// Owns: shared, immutable bitmaps, bounded in number and bytes. Threads: safe. Errors: none.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "index/section.h"

namespace headrace::index {

class FilterCache {
 public:
  std::shared_ptr<const RowBitmap> find(std::string_view filter) {
    MutexLock lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->filter != filter) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entry->rows;
    }
    return nullptr;
  }

  void keep(std::string_view filter, std::shared_ptr<const RowBitmap> rows) {
    const uint64_t bytes = rows->words().size() * sizeof(uint64_t) + filter.size();
    if (filter.size() > kFilterBytesMax || bytes > kBytesMax / 2) return;
    MutexLock lock(mutex_);
    entries_.push_front({std::string(filter), std::move(rows), bytes});
    bytes_ += bytes;
    while (entries_.size() > kEntriesMax || bytes_ > kBytesMax) {
      bytes_ -= entries_.back().bytes;
      entries_.pop_back();
    }
  }

 private:
  struct Entry {
    std::string filter;
    std::shared_ptr<const RowBitmap> rows;
    uint64_t bytes = 0;
  };
  static constexpr size_t kFilterBytesMax = 4096;
  static constexpr size_t kEntriesMax = 32;
  static constexpr uint64_t kBytesMax = 4 << 20;

  Mutex mutex_;
  std::list<Entry> entries_ HR_GUARDED_BY(mutex_);  // used last in front
  uint64_t bytes_ HR_GUARDED_BY(mutex_) = 0;
};

}  // namespace headrace::index
