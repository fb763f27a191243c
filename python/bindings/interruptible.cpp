#include "interruptible.h"

#include <chrono>

#include "base/mutex.h"
#include "runtime/thread_pool.h"

namespace nb = nanobind;

namespace headrace::python {

namespace {

struct Completion {
  Mutex mutex;
  CondVar changed;
  bool done HR_GUARDED_BY(mutex) = false;
};

bool wait_a_little(Completion& completion) {
  MutexLock lock(completion.mutex);
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  if (!completion.done) completion.changed.wait_until(completion.mutex, until);
  return completion.done;
}

}  // namespace

void run_interruptible(CancelToken& cancel, const std::function<void()>& work,
                       const std::function<void()>& tick) {
  Completion completion;
  bool signalled = false;
  {
    nb::gil_scoped_release release;
    Thread thread([&] {
      work();
      MutexLock lock(completion.mutex);
      completion.done = true;
      completion.changed.notify_all();
    });
    while (!wait_a_little(completion)) {
      if (signalled) continue;
      nb::gil_scoped_acquire acquire;
      if (PyErr_CheckSignals() != 0) {
        signalled = true;
        cancel.request();
        // Kept aside while the work stops: it may still call back into Python.
        PyErr_Clear();
      } else if (tick) {
        tick();
      }
    }
    thread.join();
  }
  if (signalled) {
    PyErr_SetNone(PyExc_KeyboardInterrupt);
    throw nb::python_error();
  }
}

}  // namespace headrace::python
