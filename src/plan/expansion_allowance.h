// ExpansionAllowance: how much may come out of one outermost file, counted over everything that is
// packed in it, however deep. Each archive inside could stay within limits of its own while an
// archive of archives of archives grows without end.
//
// Owns: two counters. Threads: any. Errors: too_large, from the first member beyond on.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/result.h"

namespace headrace {

class ExpansionAllowance {
 public:
  explicit ExpansionAllowance(uint64_t packed_bytes);

  // One member more, archive or document.
  Status take(uint64_t member_bytes);
  bool exhausted() const { return exhausted_.load(std::memory_order_relaxed); }

 private:
  const uint64_t bytes_max_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<bool> exhausted_{false};
};

}  // namespace headrace
