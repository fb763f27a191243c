// Long native work without the GIL that Ctrl-C still ends: the work runs on a thread of its own
// while the calling thread waits and looks for signals.
#pragma once

#include <nanobind/nanobind.h>

#include <functional>
#include <optional>

#include "base/result.h"
#include "runtime/cancel.h"

namespace headrace::python {

// Runs `work` to its end; on a signal (Ctrl-C) requests `cancel`, waits for the work to stop and
// raises what Python's handler raised. `tick`, when given, is called with the GIL a few times a
// second meanwhile (progress).
void run_interruptible(CancelToken& cancel, const std::function<void()>& work,
                       const std::function<void()>& tick = {});

template <typename T>
Result<T> run_interruptible_result(CancelToken& cancel, const std::function<Result<T>()>& work) {
  std::optional<Result<T>> result;
  run_interruptible(cancel, [&] { result.emplace(work()); });
  return std::move(*result);
}

}  // namespace headrace::python
