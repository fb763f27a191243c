// ThreadPool: a fixed set of threads that run tasks; TaskScope: a group of tasks that is waited for
// before the scope ends, so that no task outlives what it uses. The only place that makes threads.
//
// Owns: its threads, joined on destruction. Threads: submit from any thread. A task may itself wait
// for a TaskScope or a parallel_for of the same pool: while it waits it runs queued tasks, so the
// pool cannot lock up. Errors: tasks report their own; a task must not throw (that ends the
// process).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"

namespace headrace {

// Threads this process may really use: affinity mask and cgroup quota, at least 1.
size_t usable_cpu_count();

// How threads share a core: one at a `bulk` pace keeps it longer once it has it, and any other that
// wakes up takes it from it at once.
enum class Pace : uint8_t { prompt, bulk };

class ThreadPool {
 public:
  // 0 = usable_cpu_count().
  explicit ThreadPool(size_t threads = 0, Pace pace = Pace::prompt);
  ~ThreadPool();  // finishes what was submitted, then joins
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t size() const;
  void submit(std::function<void()> task);
  // Runs body(i) for every i in [0, count) on the pool and the calling thread; returns when all
  // are done. Safe to call from several threads, and from within a task.
  void parallel_for(size_t count, const std::function<void(size_t)>& body);

 private:
  friend class TaskScope;
  struct State;
  // On one of this pool's threads: runs one queued task, if there is any.
  bool help();
  std::unique_ptr<State> state_;
};

// Runs tasks on a pool and waits for all of them at the end of its life.
class TaskScope {
 public:
  explicit TaskScope(ThreadPool& pool) : pool_(pool) {}
  ~TaskScope() { wait(); }
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  void spawn(std::function<void()> task);
  void wait();

 private:
  ThreadPool& pool_;
  Mutex mutex_;
  CondVar done_;
  size_t running_ HR_GUARDED_BY(mutex_) = 0;
};

// A dedicated thread for a long-running loop (the committer, the watcher), joined on destruction.
class Thread {
 public:
  Thread();
  explicit Thread(std::function<void()> body, Pace pace = Pace::prompt);
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&& other) noexcept;
  ~Thread();
  void join();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace
