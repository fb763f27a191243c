#include "runtime/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <utility>

#include "base/check.h"
#include "runtime/long_slices.h"

namespace headrace {
namespace {

// The pool whose thread this is, so that waiting inside a task can help instead of blocking.
thread_local const void* current_pool = nullptr;

// Without a thread nothing can be done, nor waited for: what is acknowledged is safe.
[[noreturn]] void no_more_threads() {
  std::fputs(
      "headrace: the system starts no further thread\n"
      "  raise the limit of processes (ulimit -u), or run less beside it\n",
      stderr);
  std::_Exit(1);
}

}  // namespace

struct ThreadPool::State {
  Mutex mutex;
  CondVar ready;
  std::deque<std::function<void()>> tasks HR_GUARDED_BY(mutex);
  bool stopping HR_GUARDED_BY(mutex) = false;
  std::vector<std::thread> threads;

  void work() noexcept {
    current_pool = this;
    for (;;) {
      std::function<void()> task;
      {
        MutexLock lock(mutex);
        while (tasks.empty() && !stopping) ready.wait(mutex);
        if (tasks.empty()) return;
        task = std::move(tasks.front());
        tasks.pop_front();
      }
      task();
    }
  }
};

ThreadPool::ThreadPool(size_t threads, Pace pace) : state_(std::make_unique<State>()) {
  if (threads == 0) threads = usable_cpu_count();
  state_->threads.reserve(threads);
  for (size_t i = 0; i < threads; ++i) {
    try {
      state_->threads.emplace_back([state = state_.get(), pace] {
        if (pace == Pace::bulk) take_long_slices();
        state->work();
      });
    } catch (const std::system_error&) {
      if (state_->threads.empty()) no_more_threads();
      break;  // fewer do the same work
    }
  }
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(state_->mutex);
    state_->stopping = true;
    state_->ready.notify_all();
  }
  for (std::thread& thread : state_->threads) thread.join();
}

size_t ThreadPool::size() const {
  return state_->threads.size();
}

void ThreadPool::submit(std::function<void()> task) {
  HR_CHECK(task, "an empty task");
  MutexLock lock(state_->mutex);
  state_->tasks.push_back(std::move(task));
  state_->ready.notify_one();
}

bool ThreadPool::help() {
  if (current_pool != state_.get()) return false;
  std::function<void()> task;
  {
    MutexLock lock(state_->mutex);
    if (state_->tasks.empty()) return false;
    task = std::move(state_->tasks.front());
    state_->tasks.pop_front();
  }
  task();
  return true;
}

namespace {

// Shared by the caller of parallel_for and its helpers. A helper that the pool starts only after
// everything is done finds no index left and never touches `body`, which may be gone by then.
struct Loop {
  Loop(size_t n, const std::function<void(size_t)>& b) : count(n), body(&b) {}

  const size_t count;
  const std::function<void(size_t)>* const body;
  std::atomic<size_t> next{0};
  Mutex mutex;
  CondVar finished;
  size_t done HR_GUARDED_BY(mutex) = 0;

  void run() {
    size_t mine = 0;
    for (;;) {
      const size_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= count) break;
      (*body)(i);
      ++mine;
    }
    if (mine == 0) return;
    MutexLock lock(mutex);
    done += mine;
    if (done == count) finished.notify_all();
  }
};

}  // namespace

void ThreadPool::parallel_for(size_t count, const std::function<void(size_t)>& body) {
  if (count == 0) return;
  if (count == 1) {
    body(0);
    return;
  }
  // The caller does every index that no helper takes, so nobody waits for a task that is still in
  // the queue: nested loops cannot lock up.
  const auto loop = std::make_shared<Loop>(count, body);
  // One of as many threads as the pool has: more would only take CPUs and memory from each other.
  const size_t helpers = std::min(size(), count) - 1;
  for (size_t i = 0; i < helpers; ++i) submit([loop] { loop->run(); });
  loop->run();
  MutexLock lock(loop->mutex);
  while (loop->done < count) loop->finished.wait(loop->mutex);
}

void TaskScope::spawn(std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    ++running_;
  }
  pool_.submit([this, task = std::move(task)]() mutable {
    task();
    task = nullptr;  // what it holds goes before the scope is told
    MutexLock lock(mutex_);
    if (--running_ == 0) done_.notify_all();
  });
}

void TaskScope::wait() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (running_ == 0) return;
    }
    if (!pool_.help()) break;
  }
  // Nothing is queued any more (or this is no thread of the pool): all tasks of this scope that
  // are left are running on other threads.
  MutexLock lock(mutex_);
  while (running_ > 0) done_.wait(mutex_);
}

struct Thread::State {
  std::thread thread;
};

Thread::Thread() = default;
Thread::Thread(std::function<void()> body, Pace pace) : state_(std::make_unique<State>()) {
  try {
    state_->thread = std::thread([body = std::move(body), pace]() noexcept {
      if (pace == Pace::bulk) take_long_slices();
      body();
    });
  } catch (const std::system_error&) {
    no_more_threads();
  }
}
Thread::Thread(Thread&& other) noexcept = default;
Thread& Thread::operator=(Thread&& other) noexcept {
  if (this != &other) {
    join();
    state_ = std::move(other.state_);
  }
  return *this;
}
Thread::~Thread() {
  join();
}

void Thread::join() {
  if (state_ && state_->thread.joinable()) state_->thread.join();
}

}  // namespace headrace
