// RightOfWay: work that somebody waits for goes before bulk work.
//
// Bulk threads say when they run and offer, between steps of a millisecond or so, to pause. They do
// while urgent work would otherwise have no CPU of its own; never all longer than `patience`, so
// that a steady stream of urgent work does not stop bulk work for good. Without urgent work an
// offer costs one relaxed load.
//
// Owns: nothing but counters. Threads: any. Errors: none.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>

#include "base/mutex.h"
#include "runtime/thread_pool.h"

namespace headrace {

class RightOfWay {
 public:
  explicit RightOfWay(size_t cpus,
                      std::chrono::milliseconds patience = std::chrono::milliseconds(100))
      : cpus_(cpus), patience_(patience) {}
  RightOfWay(const RightOfWay&) = delete;
  RightOfWay& operator=(const RightOfWay&) = delete;
  // That of the CPUs which this process may use.
  static RightOfWay& of_process();

  // While it lives, its thread does what somebody waits for.
  class Urgent {
   public:
    explicit Urgent(RightOfWay& way) : way_(way) { way_.add_urgent(); }
    ~Urgent() { way_.remove_urgent(); }
    Urgent(const Urgent&) = delete;
    Urgent& operator=(const Urgent&) = delete;

   private:
    RightOfWay& way_;
  };

  // While it lives, its thread does bulk work.
  class Bulk {
   public:
    explicit Bulk(RightOfWay& way) : way_(way) { way_.running_.fetch_add(1); }
    ~Bulk() { way_.running_.fetch_sub(1); }
    Bulk(const Bulk&) = delete;
    Bulk& operator=(const Bulk&) = delete;
    // Pauses while urgent work needs this thread's CPU.
    void offer() {
      if (way_.urgent_.load(std::memory_order_relaxed) != 0) way_.pause();
    }

   private:
    RightOfWay& way_;
  };

  size_t paused() const { return paused_.load(); }
  // CPUs that neither urgent nor bulk work uses at the moment.
  size_t spare() const {
    const size_t used = urgent_.load() + running_.load();
    return used < cpus_ ? cpus_ - used : 0;
  }

 private:
  void add_urgent() { urgent_.fetch_add(1); }
  void remove_urgent();
  void pause();
  bool needed() const { return urgent_.load() != 0 && urgent_.load() + running_.load() > cpus_; }

  const size_t cpus_;
  const std::chrono::milliseconds patience_;
  std::atomic<size_t> urgent_ = 0;
  std::atomic<size_t> running_ = 0;  // bulk threads that are not paused
  std::atomic<size_t> paused_ = 0;
  Mutex mutex_;  // of pausing and of waking
  CondVar free_;
};

}  // namespace headrace
