#include "runtime/right_of_way.h"

namespace headrace {

RightOfWay& RightOfWay::of_process() {
  static RightOfWay way(usable_cpu_count());
  return way;
}

void RightOfWay::remove_urgent() {
  MutexLock lock(mutex_);
  urgent_.fetch_sub(1);
  free_.notify_all();
}

void RightOfWay::pause() {
  MutexLock lock(mutex_);
  if (!needed()) return;
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  running_.fetch_sub(1);
  paused_.fetch_add(1);
  // This thread counts as running again in what it waits for.
  while (urgent_.load() != 0 && urgent_.load() + running_.load() + 1 > cpus_ &&
         std::chrono::steady_clock::now() < deadline)
    free_.wait_until(mutex_, deadline);
  paused_.fetch_sub(1);
  running_.fetch_add(1);
}

}  // namespace headrace
