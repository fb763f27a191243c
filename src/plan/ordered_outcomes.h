// OrderedOutcomes: results of parallel work in the order the work was given out.
//
// The feeder takes a slot for each piece of work, tasks fill slots in any order, one consumer takes
// them in order. Owns: slots and their budget reservations until taken. Threads: add() on the
// feeder, fill() on any, next() on the consumer. Errors: the feeder's end status is handed to the
// consumer.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "memory/budget.h"
#include "plan/document_stream.h"

namespace headrace {

class OrderedOutcomes {
 public:
  struct Slot {
    bool ready = false;
    std::vector<Outcome> outcomes;
    Reservation reservation;
  };

  // Waits while very many slots are open; null after close().
  Slot* add(Reservation reservation) {
    MutexLock lock(mutex_);
    while (!closed_ && slots_.size() >= kSlotsMax) changed_.wait(mutex_);
    if (closed_) return nullptr;
    slots_.push_back(std::make_unique<Slot>());
    slots_.back()->reservation = std::move(reservation);
    return slots_.back().get();
  }

  void fill(Slot* slot, std::vector<Outcome> outcomes) {
    MutexLock lock(mutex_);
    slot->outcomes = std::move(outcomes);
    slot->ready = true;
    changed_.notify_all();
  }

  // The feeder has given out everything (or failed).
  void finish(Status status) {
    MutexLock lock(mutex_);
    finished_ = true;
    end_ = std::move(status);
    changed_.notify_all();
  }

  // The next slot's outcomes; null at the end. The reservation lives as long as the returned slot.
  std::unique_ptr<Slot> next() {
    MutexLock lock(mutex_);
    while (!(finished_ && slots_.empty()) && (slots_.empty() || !slots_.front()->ready))
      changed_.wait(mutex_);
    if (slots_.empty()) return nullptr;
    std::unique_ptr<Slot> slot = std::move(slots_.front());
    slots_.pop_front();
    changed_.notify_all();
    return slot;
  }

  // The consumer gives up: the feeder's add() fails from now on.
  void close() {
    MutexLock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  Status end_status() {
    MutexLock lock(mutex_);
    return end_;
  }

 private:
  static constexpr size_t kSlotsMax = 4096;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::unique_ptr<Slot>> slots_ HR_GUARDED_BY(mutex_);
  bool finished_ HR_GUARDED_BY(mutex_) = false;
  bool closed_ HR_GUARDED_BY(mutex_) = false;
  Status end_ HR_GUARDED_BY(mutex_);
};

}  // namespace headrace
