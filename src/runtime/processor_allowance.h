// How much processor time the jobs of one file may take, in worker processes. Processor time and
// not the clock on the wall, so that a busy machine does not fail what is only slow there.
//
// Owns: a counter. Threads: any. Errors: none; a job that is beyond its limits ends with timed_out.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace headrace {

// Shared by the jobs of one file, which may run at the same time.
class ProcessorAllowance {
 public:
  explicit ProcessorAllowance(double seconds)
      : seconds_(seconds), left_ns_(static_cast<int64_t>(seconds * 1e9)) {}

  void take(std::chrono::nanoseconds used) {
    left_ns_.fetch_sub(used.count(), std::memory_order_relaxed);
  }
  bool used_up() const { return left_ns_.load(std::memory_order_relaxed) <= 0; }
  std::chrono::nanoseconds left() const {
    return std::chrono::nanoseconds(left_ns_.load(std::memory_order_relaxed));
  }
  double seconds() const { return seconds_; }

 private:
  const double seconds_;
  std::atomic<int64_t> left_ns_;
};

// Of one job. Builds with sanitizers count a tenth of what they use.
struct ProcessorLimits {
  double idle_s = 0;                        // between two outputs; 0: no limit
  ProcessorAllowance* allowance = nullptr;  // in all; null: no limit
};

}  // namespace headrace
