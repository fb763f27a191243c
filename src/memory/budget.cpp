#include "memory/budget.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace headrace {

Reservation::Reservation(Reservation&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    adjust(0);
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

Reservation::~Reservation() {
  adjust(0);
}

void Reservation::adjust(uint64_t bytes) {
  if (budget_ == nullptr || bytes == bytes_) return;
  budget_->change(bytes_, bytes);
  bytes_ = bytes;
}

uint64_t Budget::default_limit_bytes() {
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t machine = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * page;
  uint64_t cgroup = std::numeric_limits<uint64_t>::max();
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  if (limit >> cgroup) machine = std::min(machine, cgroup);
  return machine / 4;
}

Result<Reservation> Budget::reserve(uint64_t bytes) {
  if (bytes > limit_) {
    return fail(ErrorCode::out_of_budget,
                fmt::format("needs {} bytes at once, the memory budget is {} bytes", bytes, limit_),
                "raise --memory, or split the input");
  }
  MutexLock lock(mutex_);
  while (!cancelled_ && used_ > 0 && used_ + bytes > limit_) room_.wait(mutex_);
  if (cancelled_) return fail(ErrorCode::cancelled, "cancelled while waiting for memory");
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  return Reservation(this, bytes);
}

bool Budget::try_reserve(uint64_t bytes, Reservation& into) {
  {
    MutexLock lock(mutex_);
    if (cancelled_ || used_ + bytes > limit_) return false;
    used_ += bytes;
    peak_ = std::max(peak_, used_);
  }
  into = Reservation(this, bytes);
  return true;
}

void Budget::cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  room_.notify_all();
}

uint64_t Budget::used_bytes() const {
  MutexLock lock(mutex_);
  return used_;
}

uint64_t Budget::peak_bytes() const {
  MutexLock lock(mutex_);
  return peak_;
}

void Budget::change(uint64_t from, uint64_t to) {
  MutexLock lock(mutex_);
  used_ = used_ - from + to;
  peak_ = std::max(peak_, used_);
  if (to < from) room_.notify_all();
}

void return_freed_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t peak_resident_bytes() {
  // Not getrusage(): its maximum is handed down through exec, so that a small process that a large
  // one started would seem large.
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    uint64_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace headrace
