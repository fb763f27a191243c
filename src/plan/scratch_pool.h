// ScratchPool: working memory for models, one for each thread that works at the same time.
//
// Owns: what is not lent. Threads: safe from any. Errors: none.
#pragma once

#include <utility>
#include <vector>

#include "base/mutex.h"
#include "embed/encoder.h"

namespace headrace {

class ScratchPool {
 public:
  // One that was given back, or null: then the model makes a new one.
  Encoder::ScratchPtr take() {
    const MutexLock lock(mutex_);
    if (free_.empty()) return nullptr;
    Encoder::ScratchPtr scratch = std::move(free_.back());
    free_.pop_back();
    return scratch;
  }
  void give(Encoder::ScratchPtr scratch) {
    const MutexLock lock(mutex_);
    free_.push_back(std::move(scratch));
  }

 private:
  Mutex mutex_;
  std::vector<Encoder::ScratchPtr> free_ HR_GUARDED_BY(mutex_);
};

}  // namespace headrace
