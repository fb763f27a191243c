// Long native work without the GIL that Ctrl-C still ends: the work runs on a thread of its own
// while the calling thread waits and looks for signals.
#pragma once

#include <nanobind/nanobind.h>

#include <functional>
#include <memory>
#include <optional>

#include "base/result.h"
#include "runtime/cancel.h"

namespace headrace::python {

// Runs `work` to its end; on a signal (Ctrl-C) requests `cancel`, waits for the work to stop and
// raises what Python's handler raised. `tick`, when given, is called with the GIL a few times a
// second meanwhile (progress).
void run_interruptible(CancelToken& cancel, const std::function<void()>& work,
                       const std::function<void()>& tick = {});

// A signal that came while Python's main thread waited inside of a consumer that has no way to pass
// on an exception (pyarrow, through Arrow's C interface): what the handler raised is kept, and
// raised as soon as that thread is back in Python.
//
// Threads: where Python's lock is held. Errors: none.
class KeptSignal {
 public:
  KeptSignal();
  ~KeptSignal();
  KeptSignal(const KeptSignal&) = delete;
  KeptSignal& operator=(const KeptSignal&) = delete;

  // Whether this is the thread that handles signals; needs no lock.
  bool is_main_thread() const;
  // Runs the handlers of signals that came; true when one of them raises.
  bool look();
  // Whether one raised, now or before.
  bool has_raised() const { return raised_; }
  // Once it has raised. False when Python takes no more calls now.
  static bool raise_soon(const std::shared_ptr<KeptSignal>& signal);
  // Raises it, where that has not been done.
  void raise_if_kept();

 private:
  bool restore();

  unsigned long main_thread_;
  bool raised_ = false;
  nanobind::object type_, value_, traceback_;
};

template <typename T>
Result<T> run_interruptible_result(CancelToken& cancel, const std::function<Result<T>()>& work) {
  std::optional<Result<T>> result;
  run_interruptible(cancel, [&] { result.emplace(work()); });
  return std::move(*result);
}

}  // namespace headrace::python
