#include "runtime/worker_pool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"
#include "runtime/thread_pool.h"
#include "runtime/unique_fd.h"
#include "runtime/worker_location.h"
#include "runtime/worker_process.h"

namespace headrace {
namespace {

// Loading pdfium costs time and memory, so only the workers that need it do.
enum class Kind : uint8_t { plain, pdf };
constexpr size_t kKinds = 2;
size_t index_of(Kind kind) {
  return static_cast<size_t>(kind);
}

constexpr const char* kNoPdfium = "PDF files need the pdfium library, which is not installed";

// What goes to the worker as its input: a descriptor that can only be read.
struct Input {
  UniqueFd fd;
  uint64_t bytes = 0;
};

Result<Input> memory_input(std::string_view bytes) {
  Input input{UniqueFd(memfd_create("headrace-input", MFD_CLOEXEC | MFD_ALLOW_SEALING)),
              bytes.size()};
  if (!input.fd.valid()) return os_fail(errno, "make shared memory for a decoder's input");
  for (std::string_view left = bytes; !left.empty();) {
    const ssize_t written = write(input.fd.get(), left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return os_fail(errno, "fill shared memory for a decoder's input");
    left.remove_prefix(static_cast<size_t>(written));
  }
  // Nobody can change it any more, neither we while it is read nor the worker.
  if (fcntl(input.fd.get(), F_ADD_SEALS,
            F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return os_fail(errno, "seal a decoder's input");
  return input;
}

Result<Input> file_input(int fd) {
  struct stat info = {};
  if (fstat(fd, &info) != 0) return os_fail(errno, "look at a decoder's input");
  if (!S_ISREG(info.st_mode))
    return fail(ErrorCode::invalid_argument, "a decoder's input must be a regular file");
  // Opened anew, so that the worker gets no right to write and no shared position.
  std::array<char, 32> path;
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
  UniqueFd own(open(path.data(), O_RDONLY | O_CLOEXEC));
  if (!own.valid()) {
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) != O_RDONLY)
      return os_fail(errno, "open a decoder's input for reading");
    own.reset(fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!own.valid()) return os_fail(errno, "open a decoder's input for reading");
  }
  return Input{std::move(own), static_cast<uint64_t>(info.st_size)};
}

}  // namespace

struct WorkerPool::State {
  using Started = Result<std::unique_ptr<WorkerProcess>>;

  // Somebody waits for this process to be started; without a waiter it becomes an idle one.
  struct Order {
    Kind kind;
    std::shared_ptr<std::optional<Started>> result;
  };

  explicit State(WorkerPoolOptions given) : options(std::move(given)) {}

  ~State() {
    {
      MutexLock lock(mutex);
      HR_CHECK(busy == 0, "a worker pool must outlive its jobs");
      stopping = true;
      changed.notify_all();
    }
    starter.join();
  }

  // The thread that starts all processes. It lives as long as the pool, because a process dies
  // with the thread that started it.
  void start_processes() {
    for (;;) {
      Order order;
      {
        MutexLock lock(mutex);
        while (orders.empty() && !stopping) changed.wait(mutex);
        if (stopping) break;
        order = std::move(orders.front());
        orders.pop_front();
      }
      WorkerProcessOptions process{
          options.executable, order.kind == Kind::pdf ? pdfium : std::string(),
          order.kind == Kind::pdf ? std::min(options.memory_bytes_max, options.pdf_memory_bytes_max)
                                  : options.memory_bytes_max,
          options.deadline_s};
      Started started = WorkerProcess::start(process);
      MutexLock lock(mutex);
      if (!started) --alive;
      if (order.result) {
        order.result->emplace(std::move(started));
      } else if (started) {
        idle[index_of(order.kind)].push_back(std::move(*started));
      }
      changed.notify_all();
    }
    std::array<std::vector<std::unique_ptr<WorkerProcess>>, kKinds> left;
    {
      MutexLock lock(mutex);
      std::swap(left, idle);
    }
    for (auto& list : left) list.clear();
    MutexLock lock(mutex);
    alive = 0;
  }

  // One more process ahead of need, where there is room for it.
  void order_ahead(Kind kind) HR_REQUIRES(mutex) {
    if (alive >= workers_max || stopping || !idle[index_of(kind)].empty()) return;
    ++alive;
    orders.push_back({kind, nullptr});
    changed.notify_all();
  }

  Result<std::unique_ptr<WorkerProcess>> acquire(Kind kind, const CancelToken* cancel) {
    std::shared_ptr<std::optional<Started>> ordered;
    std::unique_ptr<WorkerProcess> evicted;
    for (;;) {
      // Outside the lock: this waits for the process to be gone.
      evicted.reset();
      MutexLock lock(mutex);
      if (ordered) {
        while (!*ordered) changed.wait(mutex);
        if (!**ordered) return std::unexpected(std::move(**ordered).error());
        ++busy;
        if (busy > 1) order_ahead(kind);
        return std::move(***ordered);
      }
      if (auto& mine = idle[index_of(kind)]; !mine.empty()) {
        auto worker = std::move(mine.back());
        mine.pop_back();
        ++busy;
        return worker;
      }
      if (cancel != nullptr) HR_TRY(cancel->check());
      if (alive < workers_max) {
        ++alive;
        ordered = std::make_shared<std::optional<Started>>();
        orders.push_back({kind, ordered});
        changed.notify_all();
        continue;
      }
      auto& others = idle[index_of(kind == Kind::pdf ? Kind::plain : Kind::pdf)];
      if (!others.empty()) {
        evicted = std::move(others.back());
        others.pop_back();
        --alive;
        continue;
      }
      changed.wait_until(mutex, std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
    }
  }

  void release(Kind kind, std::unique_ptr<WorkerProcess> worker) {
    const bool keep = worker->reusable();
    if (!keep) worker.reset();  // outside the lock: waits for the process to be gone
    MutexLock lock(mutex);
    --busy;
    if (keep) {
      idle[index_of(kind)].push_back(std::move(worker));
    } else {
      --alive;
      order_ahead(kind);
    }
    changed.notify_all();
  }

  WorkerPoolOptions options;
  size_t workers_max = 1;
  std::string pdfium;

  Mutex mutex;
  CondVar changed;
  std::array<std::vector<std::unique_ptr<WorkerProcess>>, kKinds> idle HR_GUARDED_BY(mutex);
  std::deque<Order> orders HR_GUARDED_BY(mutex);
  size_t alive HR_GUARDED_BY(mutex) = 0;  // processes, and those ordered
  size_t busy HR_GUARDED_BY(mutex) = 0;
  bool stopping HR_GUARDED_BY(mutex) = false;
  std::atomic<bool> sandboxed{true};
  Thread starter;
};

WorkerPool::WorkerPool(std::unique_ptr<State> state) : state_(std::move(state)) {}
WorkerPool::~WorkerPool() = default;

Result<std::unique_ptr<WorkerPool>> WorkerPool::create(WorkerPoolOptions options) {
  if (!(options.deadline_s > 0) || options.memory_bytes_max < (1u << 20))
    return fail(ErrorCode::invalid_argument,
                "decoder processes need a deadline above 0 s and at least 1 MiB of memory");
  HR_ASSIGN(options.executable, find_worker_executable(options.executable));
  auto state = std::make_unique<State>(std::move(options));
  state->workers_max =
      state->options.workers_max == 0 ? usable_cpu_count() : state->options.workers_max;
  state->pdfium = find_pdfium_library(state->options.pdfium_library);
  state->starter = Thread([s = state.get()] { s->start_processes(); });
  return std::unique_ptr<WorkerPool>(new WorkerPool(std::move(state)));
}

Status WorkerPool::run(const WorkerRequest& request, const FrameHandler& on_frame,
                       const CancelToken* cancel) {
  if (request.op.size() > 256 || request.params.size() > kWorkerParamsBytesMax)
    return fail(ErrorCode::invalid_argument, "a worker's parameters are too long");
  const Kind kind = request.op == "pdf" ? Kind::pdf : Kind::plain;
  if (kind == Kind::pdf && state_->pdfium.empty())
    return fail(ErrorCode::unsupported, kNoPdfium,
                "pip install pypdfium2, or set HEADRACE_PDFIUM to libpdfium.so");
  Input input;
  if (request.input_fd >= 0) {
    HR_ASSIGN(input, file_input(request.input_fd));
  } else if (!request.input.empty()) {
    HR_ASSIGN(input, memory_input(request.input));
  }
  const WorkerJob job{request.op,  request.params,        input.fd.get(),
                      input.bytes, request.input_fd >= 0, request.processor};
  // An idle worker may have died meanwhile (killed from outside): another one gets the job then.
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    HR_ASSIGN(auto worker, state_->acquire(kind, cancel));
    Status status = fail(ErrorCode::internal, "not sent");
    const bool sent = worker->send(job);
    if (sent) {
      status = worker->finish(job, on_frame, cancel);
      if (!worker->sandboxed()) state_->sandboxed.store(false, std::memory_order_relaxed);
    } else {
      worker->discard();
    }
    state_->release(kind, std::move(worker));
    if (sent) return status;
  }
  return fail(ErrorCode::internal, "decoder processes end before they take a job",
              "run it with HEADRACE_WORKER_DEBUG=1 to see why; reinstall headrace");
}

Result<UniqueFd> WorkerPool::share(std::string_view bytes) {
  HR_ASSIGN(Input input, memory_input(bytes));
  return std::move(input.fd);
}

size_t WorkerPool::alive() const {
  MutexLock lock(state_->mutex);
  return state_->alive;
}

bool WorkerPool::sandboxed() const {
  return state_->sandboxed.load(std::memory_order_relaxed);
}

}  // namespace headrace
