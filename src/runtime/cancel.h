// CancelToken: how a run is told to stop. One atomic flag shared by everyone who works on the run;
// whoever loops checks it between pieces of work, so Ctrl-C ends a run within a second.
//
// Threads: safe from any thread and from a signal handler (request() only stores an atomic).
#pragma once

#include <atomic>

#include "base/result.h"

namespace headrace {

class CancelToken {
 public:
  void request() noexcept { requested_.store(true, std::memory_order_relaxed); }
  bool requested() const noexcept { return requested_.load(std::memory_order_relaxed); }
  // For work that knows no token, only whether to stop.
  const std::atomic<bool>& flag() const noexcept { return requested_; }
  Status check() const {
    if (requested()) return fail(ErrorCode::cancelled, "interrupted");
    return {};
  }

 private:
  std::atomic<bool> requested_{false};
};

}  // namespace headrace
