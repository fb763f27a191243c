// Mutex, MutexLock, CondVar: the only locks in Headrace, annotated so that clang's
// -Werror=thread-safety proves which lock guards which member. std::mutex is banned elsewhere
// (the lint says so) because clang cannot analyse libstdc++'s.
//
// Threads: this is what makes the others safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define HR_TSA(x) __attribute__((x))
#else
#define HR_TSA(x)
#endif

#define HR_CAPABILITY(x) HR_TSA(capability(x))
#define HR_SCOPED_CAPABILITY HR_TSA(scoped_lockable)
#define HR_GUARDED_BY(x) HR_TSA(guarded_by(x))
#define HR_PT_GUARDED_BY(x) HR_TSA(pt_guarded_by(x))
#define HR_REQUIRES(...) HR_TSA(requires_capability(__VA_ARGS__))
#define HR_EXCLUDES(...) HR_TSA(locks_excluded(__VA_ARGS__))
#define HR_ACQUIRE(...) HR_TSA(acquire_capability(__VA_ARGS__))
#define HR_RELEASE(...) HR_TSA(release_capability(__VA_ARGS__))
#define HR_NO_THREAD_SAFETY_ANALYSIS HR_TSA(no_thread_safety_analysis)

// A function's returned or stored view must not outlive this argument (clang checks it).
#if defined(__clang__)
#define HR_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define HR_LIFETIMEBOUND
#endif

namespace headrace {

class HR_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() HR_ACQUIRE() { mutex_.lock(); }
  void unlock() HR_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds the mutex from construction to destruction.
class HR_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) HR_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() HR_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits on a Mutex that the caller holds. Always wait in a loop on the condition itself.
class CondVar {
 public:
  void wait(Mutex& mutex) HR_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // Returns after a notification or at `deadline`, whichever comes first.
  void wait_until(Mutex& mutex, std::chrono::steady_clock::time_point deadline) HR_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_until(lock, deadline);
    lock.release();
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace headrace
