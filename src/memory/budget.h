// Budget: how many bytes this process may hold, shared by everything that buffers data.
//
// Whoever is about to hold a large thing (a file's bytes, a decoded document, a batch of vectors)
// first reserves its size; the Reservation gives it back when it dies. Waiting happens at one place
// only, the entry of the pipeline (`reserve`), so that work in flight can always finish; inside the
// pipeline `adjust` and `try_reserve` never wait.
//
// Threads: all methods are safe from any thread. Errors: out_of_budget, cancelled.
#pragma once

#include <cstdint>
#include <memory>

#include "base/mutex.h"
#include "base/result.h"

namespace headrace {

class Budget;

// A claim on some of a Budget's bytes. Movable; gives back what it holds when destroyed.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation();

  uint64_t bytes() const { return bytes_; }
  // Changes the claim to `bytes`, never waiting: work in flight may briefly exceed the budget's
  // soft limit, and new work then waits at the entry until it is back below.
  void adjust(uint64_t bytes);
  void release() { adjust(0); }

 private:
  friend class Budget;
  Reservation(Budget* budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
  Budget* budget_ = nullptr;
  uint64_t bytes_ = 0;
};

class Budget {
 public:
  explicit Budget(uint64_t limit_bytes) : limit_(limit_bytes) {}

  // A quarter of the machine's memory (or of the cgroup's limit where that is lower).
  static uint64_t default_limit_bytes();

  // Waits until `bytes` fit. A request that fits on its own into an otherwise empty budget always
  // succeeds; one larger than the whole limit is out_of_budget. `cancel()` wakes waiters.
  Result<Reservation> reserve(uint64_t bytes);
  // Succeeds at once or not at all.
  bool try_reserve(uint64_t bytes, Reservation& into);
  // Fails waiting and later calls of reserve() with `cancelled`.
  void cancel();

  uint64_t limit_bytes() const { return limit_; }
  uint64_t used_bytes() const;
  uint64_t peak_bytes() const;

 private:
  friend class Reservation;
  void change(uint64_t from, uint64_t to);

  const uint64_t limit_;
  mutable Mutex mutex_;
  CondVar room_;
  uint64_t used_ HR_GUARDED_BY(mutex_) = 0;
  uint64_t peak_ HR_GUARDED_BY(mutex_) = 0;
  bool cancelled_ HR_GUARDED_BY(mutex_) = false;
};

// Gives what the allocator keeps of freed memory back to the system: after a large document, whose
// many small pieces would otherwise stay resident beside the next one's.
void return_freed_memory();

// Resident memory of this process, now and at its highest (bytes), from /proc.
uint64_t resident_bytes();
uint64_t peak_resident_bytes();

}  // namespace headrace
