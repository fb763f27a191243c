// What the encoder's benchmarks compare with: the rate of the multiply-adders alone, and how many
// operations a model needs at the least.
//
// Owns: nothing. Threads: any. Errors: none. Benchmarks only.
#pragma once

#include <algorithm>
#include <ctime>
#include <vector>

#include "embed/kernels.h"
#include "embed/model_config.h"

namespace headrace::embed {

// Seconds on `clock`, such as CLOCK_THREAD_CPUTIME_ID.
inline double clock_seconds(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Floating point operations a second of the multiply-adders alone, measured for some milliseconds.
inline double floor_flops() {
  constexpr uint64_t kRounds = 1'000'000;
  volatile float kept = 0;
  float sink = 0;
  const double start = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
  const auto flops = static_cast<double>(kernels().burn(kRounds, &sink));
  const double seconds = clock_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
  kept = sink;
  static_cast<void>(kept);
  return flops / seconds;
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// What one token of a sequence of `tokens` costs at the least.
inline double flops_per_token(const ModelConfig& config, double tokens) {
  const double hidden = config.hidden;
  return config.layers *
         (2 * (4 * hidden * hidden + 2 * hidden * config.intermediate) + 4 * tokens * hidden);
}

}  // namespace headrace::embed
