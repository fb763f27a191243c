// ModelBeside: a model that is loaded on a thread of its own while a run goes on: a static one may
// first have to be distilled, which takes seconds that no document should wait for.
//
// Owns: the thread; ends when it has ended. Threads: one, beside its own. Errors: those of loading;
// cancelled.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "plan/vector_model.h"
#include "runtime/thread_pool.h"

namespace headrace {

class ModelBeside {
 public:
  // `options.cancel` must outlive it.
  ModelBeside(std::string spec, ModelOptions options)
      : loaded_(fail(ErrorCode::internal, "the model is not loaded yet")),
        thread_([this, spec = std::move(spec), options = std::move(options)] {
          loaded_ = load_vector_model(spec, options);
          ready_.store(true);
        }) {}
  ModelBeside(const ModelBeside&) = delete;
  ModelBeside& operator=(const ModelBeside&) = delete;

  bool ready() const { return ready_.load(); }
  // Waits until it is loaded. Once.
  Result<std::shared_ptr<const VectorModel>> take() {
    thread_.join();
    return std::move(loaded_);
  }

 private:
  std::atomic<bool> ready_ = false;
  Result<std::shared_ptr<const VectorModel>> loaded_;  // the thread's until it is ready
  Thread thread_;
};

}  // namespace headrace
