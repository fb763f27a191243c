#include "interruptible.h"

#include <chrono>
#include <memory>

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

KeptSignal::KeptSignal()
    : main_thread_(nb::cast<unsigned long>(
          nb::module_::import_("threading").attr("main_thread")().attr("ident"))) {}

KeptSignal::~KeptSignal() {
  if (!type_.is_valid()) return;
  // The last owner may be a thread of the consumer's.
  const nb::gil_scoped_acquire acquire;
  type_.reset();
  value_.reset();
  traceback_.reset();
}

bool KeptSignal::is_main_thread() const {
  return PyThread_get_thread_ident() == main_thread_;
}

bool KeptSignal::look() {
  if (PyErr_CheckSignals() == 0) return false;
  raised_ = true;
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  type_ = nb::steal(type);
  value_ = nb::steal(value);
  traceback_ = nb::steal(traceback);
  return true;
}

// False when it has been raised already.
bool KeptSignal::restore() {
  if (!type_.is_valid()) return false;
  PyErr_Restore(type_.release().ptr(), value_.release().ptr(), traceback_.release().ptr());
  return true;
}

bool KeptSignal::raise_soon(const std::shared_ptr<KeptSignal>& signal) {
  auto held = std::make_unique<std::shared_ptr<KeptSignal>>(signal);
  const auto call = [](void* pointer) {
    const std::unique_ptr<std::shared_ptr<KeptSignal>> owned(
        static_cast<std::shared_ptr<KeptSignal>*>(pointer));
    return (*owned)->restore() ? -1 : 0;
  };
  if (Py_AddPendingCall(call, held.get()) != 0) return false;
  (void)held.release();
  return true;
}

void KeptSignal::raise_if_kept() {
  if (restore()) throw nb::python_error();
}

}  // namespace headrace::python
