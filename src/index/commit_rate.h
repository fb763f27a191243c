// CommitRate: whether commits come so fast that what can wait should wait for a quieter moment.
// Time that a commit takes says nothing about how fast more would come, so it does not pass here:
// else a busy machine would be taken for a quiet one and given still more to do.
//
// Owns: two counts. Threads: one at a time. Errors: none.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace headrace::index {

class CommitRate {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kWindow{100};
  static constexpr uint64_t kHighBytes = 2 << 20;  // in a window: 20 MB/s

  void add(Time now, uint64_t bytes) {
    if (held_since_) now = *held_since_;
    if (now >= begin_ + kWindow) {
      before_ = now < begin_ + 2 * kWindow ? current_ : 0;
      current_ = 0;
      begin_ = now;
    }
    current_ += bytes;
  }
  void hold(Time now) { held_since_ = now; }
  void go_on(Time now) {
    begin_ += now - *held_since_;
    held_since_.reset();
  }
  bool is_high(Time now) const {
    if (held_since_) now = *held_since_;
    if (now >= quiet_at()) return false;
    return current_ > kHighBytes || (now < begin_ + kWindow && before_ > kHighBytes);
  }
  // Without further commits it is quiet from here on.
  Time quiet_at() const { return begin_ + 2 * kWindow; }

 private:
  Time begin_;
  std::optional<Time> held_since_;
  uint64_t current_ = 0;
  uint64_t before_ = 0;
};

}  // namespace headrace::index
