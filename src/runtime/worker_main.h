// The inside of a worker process: reads jobs from its control socket, runs the handler of each op,
// sends frames back through the slab. Single-threaded. Used by apps/worker and by tests.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace {

// What a handler sees of its job.
class WorkerCall {
 public:
  virtual ~WorkerCall() = default;
  virtual std::string_view params() const = 0;
  // The whole input, mapped read-only.
  virtual std::string_view input() const = 0;
  // Sends one frame (any size; larger than the slab is sent in pieces and joined by the parent).
  // Fails when the parent no longer wants more.
  virtual Status emit(uint32_t kind, std::string_view bytes) = 0;
};

using WorkerHandler = std::function<Status(WorkerCall&)>;

// `prepare` runs once before the sandbox is closed (load libraries, tables, locale); then seccomp
// and limits are applied and jobs are served until the parent hangs up. Returns the exit status.
int worker_main(int argc, char** argv, const std::map<std::string, WorkerHandler>& handlers,
                const std::function<void()>& prepare);

}  // namespace headrace
