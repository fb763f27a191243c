// ExpansionAllowance: how much may come out of one outermost file, counted over everything that is
// packed in it, however deep. Each archive inside could stay within limits of its own while an
// archive of archives of archives grows without end.
//
// What is unpacked and then refused counts too, and more: it brought nothing. Documents have places
// in the order in which they came out; what used up the allowance, once it was decoded, ends what
// stands behind it and has not been begun.
//
// Owns: counters. Threads: any. Errors: too_large, from the first member beyond on.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <string>

#include "base/mutex.h"
#include "base/result.h"

namespace headrace {

class ExpansionAllowance {
 public:
  explicit ExpansionAllowance(uint64_t packed_bytes);

  // One member more, archive or document.
  Status take(uint64_t member_bytes);
  // Bytes that were unpacked because what stands behind them was wanted, or that a document was
  // made of.
  Status pass_over(uint64_t bytes) { return count(bytes); }
  // `bytes` were unpacked of `source`, which gave nothing.
  Status refuse(const std::string& source, uint64_t bytes);

  bool exhausted() const { return exhausted_.load(std::memory_order_relaxed); }
  uint64_t left() const;

  uint64_t next_place() { return places_.fetch_add(1, std::memory_order_relaxed); }
  // What stands there used it up.
  void end_behind(uint64_t place);
  bool is_behind_end(uint64_t place) const { return place > end_.load(std::memory_order_relaxed); }

  // Why nothing more may come out.
  Error error() const;
  // True once: the outermost file has one error.
  bool is_first_to_tell() { return !told_.exchange(true, std::memory_order_relaxed); }

 private:
  Status count(uint64_t cost);

  const uint64_t packed_bytes_;
  const uint64_t bytes_max_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<bool> exhausted_{false};
  std::atomic<bool> told_{false};
  std::atomic<uint64_t> places_{0};
  std::atomic<uint64_t> end_{std::numeric_limits<uint64_t>::max()};
  mutable Mutex mutex_;
  std::string first_refused_ HR_GUARDED_BY(mutex_);
};

}  // namespace headrace
