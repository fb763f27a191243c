// WorkerProcess: one sandboxed process of a WorkerPool, seen from the parent: started with
// posix_spawn, given one job at a time, killed and waited for.
//
// Owns: the process (killed and reaped on destruction), its control socket and its slab. Threads:
// one at a time. The thread that calls start() must live as long as the process: Linux sends the
// parent-death signal when that thread ends. Errors: of run(): crashed, timed_out, out_of_budget,
// changed, cancelled, damaged (the worker broke the protocol) and the job's own.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/cancel.h"
#include "runtime/processor_allowance.h"
#include "runtime/unique_fd.h"
#include "runtime/worker_protocol.h"

namespace headrace {

struct WorkerProcessOptions {
  std::string executable;
  std::string pdfium_library;  // empty: a worker without it
  uint64_t memory_bytes_max = 0;
  double deadline_s = 0;
};

// A job whose input is already a descriptor that may only be read.
struct WorkerJob {
  std::string_view op;
  std::string_view params;
  int input_fd = -1;
  uint64_t input_bytes = 0;
  bool input_is_file = false;  // somebody else may truncate it while it is read
  ProcessorLimits processor;
};

class WorkerProcess {
 public:
  using FrameHandler = std::function<Status(uint32_t kind, std::string_view bytes)>;

  static Result<std::unique_ptr<WorkerProcess>> start(const WorkerProcessOptions& options);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  // Sends the job. False: the process is gone, and has not seen the job.
  bool send(const WorkerJob& job);
  // Reads the job's output to its end. Of a process that dies or is killed at a limit, what it had
  // put together by then is taken first.
  Status finish(const WorkerJob& job, const FrameHandler& on_frame, const CancelToken* cancel);

  // Ends a process that did not take its job.
  void discard() { kill_and_reap(); }
  // After finish(): false when the process must be replaced (it died, was interrupted, holds much
  // memory, or has done many jobs).
  bool reusable() const { return reusable_; }
  bool sandboxed() const { return sandboxed_; }
  pid_t pid() const { return pid_; }

 private:
  WorkerProcess() = default;
  enum class Waited { message, hung_up, cancelled, timed_out, no_progress, used_up };
  Waited wait_for_message(const WorkerJob& job, const CancelToken* cancel);
  // Measures what the process has used; message while it is within the job's limits.
  Waited check_processor(const WorkerJob& job);
  std::chrono::nanoseconds processor_time() const;
  Status time_over(Waited waited, const WorkerJob& job) const;
  Status take_unsent(const FrameHandler& on_frame);
  Status take_half(const WorkerHeader& header, const FrameHandler& on_frame);
  Status take_record(const SlabRecord& record, std::string_view bytes,
                     const FrameHandler& on_frame);
  Status job_status(const WorkerHeader& header, std::string_view texts);
  Status death(const WorkerJob& job, const FrameHandler& on_frame);
  void kill_and_reap();
  void kill_process();
  int reap();
  Status protocol_error(std::string_view what);

  pid_t pid_ = -1;
  UniqueFd pid_fd_;
  UniqueFd control_;
  char* slab_ = nullptr;
  uint64_t memory_bytes_max_ = 0;
  double deadline_s_ = 0;
  bool ready_ = false;
  bool sandboxed_ = false;
  bool reusable_ = true;
  uint64_t jobs_ = 0;
  // Of the job that runs.
  std::chrono::steady_clock::duration waited_{};  // for this worker since it last showed progress
  std::chrono::steady_clock::duration waited_in_all_{};
  std::chrono::nanoseconds processor_at_{};    // of the process, when it was last measured
  std::chrono::nanoseconds processor_idle_{};  // used since it last showed progress
  std::string frame_;                          // pieces of a frame that came in several records
  bool in_frame_ = false;
  uint32_t frame_kind_ = 0;
  uint64_t frame_bytes_max_ = 0;
};

}  // namespace headrace
