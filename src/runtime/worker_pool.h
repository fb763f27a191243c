// WorkerPool: sandboxed processes that decode hostile bytes. Each runs `headrace-worker`, a small
// executable of ours, started ahead of need with posix_spawn (never forked from a process with
// threads), reused for many jobs. A worker has no file system, no network and no new processes
// (seccomp), a memory limit and a deadline for each job; results come back through a shared memory
// slab. A crash or a hang costs the one job it happened in: the worker is replaced.
//
// Owns: its processes; all are gone when the pool is (they also die with their parent).
// Threads: run() from any thread; it waits for a free worker. Errors: crashed, timed_out,
// out_of_budget (the job hit its memory limit), cancelled, and whatever the job itself reports.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/cancel.h"
#include "runtime/processor_allowance.h"
#include "runtime/unique_fd.h"

namespace headrace {

struct WorkerPoolOptions {
  // Path of headrace-worker; empty: $HEADRACE_WORKER, beside the running executable, or beside the
  // shared library that holds this code (the Python extension).
  std::string executable;
  // Most processes at once (started as jobs come); 0 = usable_cpu_count().
  size_t workers_max = 0;
  // Memory that a worker may use for one job beyond its input; for PDFs, whose pages large real
  // files decode within, never more than this.
  uint64_t memory_bytes_max = 1ULL << 30;
  uint64_t pdf_memory_bytes_max = 768ULL << 20;
  // Wall time after which a job is killed that neither finishes nor delivers output.
  double deadline_s = 60;
  // Where libpdfium.so lies; empty: $HEADRACE_PDFIUM, then Python packages (pypdfium2_raw).
  std::string pdfium_library;
};

// One job: `op` names the decoder in the worker ("pdf", "archive", "office", …).
struct WorkerRequest {
  std::string op;
  std::string params;      // op's own, small (under 64 KiB)
  std::string_view input;  // the bytes; copied into sealed shared memory
  int input_fd = -1;       // or an open file instead (input empty): the worker may only read it
  ProcessorLimits processor{};
};

class WorkerPool {
 public:
  static Result<std::unique_ptr<WorkerPool>> create(WorkerPoolOptions options);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Runs one job to its end. `on_frame(kind, bytes)` is called on this thread for each piece the
  // worker emits, in order, also for those that it had emitted before it died; the bytes are only
  // valid during the call and are hostile: parse them with checks. An error from on_frame stops the
  // job.
  using FrameHandler = std::function<Status(uint32_t kind, std::string_view bytes)>;
  Status run(const WorkerRequest& request, const FrameHandler& on_frame,
             const CancelToken* cancel = nullptr);

  // The bytes in sealed shared memory, to be the input_fd of several jobs.
  static Result<UniqueFd> share(std::string_view bytes);

  // Processes alive now (for tests: none may be left behind).
  size_t alive() const;
  // False when a worker has run without the system-call filter, because the system has none (some
  // containers) or this is a build with sanitizers. The limits of memory and time hold even then.
  bool sandboxed() const;

 private:
  struct State;
  explicit WorkerPool(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace headrace
