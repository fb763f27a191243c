// Channel<T>: a bounded queue between stages that counts bytes, not items: a push waits while the
// bytes inside exceed the bound (one item always fits). Closing wakes everyone: pushes then fail,
// pops drain what is left and then return nothing.
//
// Owns: the items inside. Threads: any number of producers and consumers. Errors: push on a closed
// channel returns false.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace headrace {

template <typename T>
class Channel {
 public:
  explicit Channel(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  bool push(T item, uint64_t bytes) {
    MutexLock lock(mutex_);
    while (!closed_ && !items_.empty() && bytes_ + bytes > bytes_max_) room_.wait(mutex_);
    if (closed_) return false;
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
    ready_.notify_one();
    return true;
  }

  // False, and `item` is as it was, when there is no room now or the channel is closed.
  bool try_push(T& item, uint64_t bytes) {
    MutexLock lock(mutex_);
    if (closed_ || (!items_.empty() && bytes_ + bytes > bytes_max_)) return false;
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
    ready_.notify_one();
    return true;
  }

  std::optional<T> pop() {
    MutexLock lock(mutex_);
    while (!closed_ && items_.empty()) ready_.wait(mutex_);
    return take();
  }

  // Waits until pop() would not, or until then; says which. For the only consumer.
  bool wait_until(std::chrono::steady_clock::time_point until) {
    MutexLock lock(mutex_);
    while (!closed_ && items_.empty() && std::chrono::steady_clock::now() < until)
      ready_.wait_until(mutex_, until);
    return closed_ || !items_.empty();
  }

  // What is there now, without waiting.
  std::optional<T> try_pop() {
    MutexLock lock(mutex_);
    return take();
  }

  void close() {
    MutexLock lock(mutex_);
    closed_ = true;
    ready_.notify_all();
    room_.notify_all();
  }

  uint64_t bytes() const {
    MutexLock lock(mutex_);
    return bytes_;
  }

 private:
  std::optional<T> take() HR_REQUIRES(mutex_) {
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front().first);
    bytes_ -= items_.front().second;
    items_.pop_front();
    room_.notify_all();
    return item;
  }

  const uint64_t bytes_max_;
  mutable Mutex mutex_;
  CondVar ready_;
  CondVar room_;
  std::deque<std::pair<T, uint64_t>> items_ HR_GUARDED_BY(mutex_);
  uint64_t bytes_ HR_GUARDED_BY(mutex_) = 0;
  bool closed_ HR_GUARDED_BY(mutex_) = false;
};

}  // namespace headrace
