// Model: a loaded model as Python holds it; also what pipelines and knowledge bases are given.
//
// Threads: safe from any. Errors: as Python exceptions.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>

#include "plan/vector_model.h"
#include "runtime/cancel.h"

namespace headrace::python {

class Model {
 public:
  Model(const std::string& spec, const std::string& precision, const std::string& long_texts,
        const std::string& cache, uint32_t dimensions);
  // A Python function that makes vectors: `call(capsule or list, count)` gives a float32 matrix;
  // see callable_model.h.
  Model(const nanobind::object& call, const std::string& name, uint32_t dimension, size_t batch,
        bool as_list);

  // `cancel`: by which another thread stops this call; none: only a signal does.
  nanobind::object embed(const nanobind::list& texts, const std::string& purpose,
                         CancelToken* cancel);
  nanobind::dict info() const;
  nanobind::dict tokenize(const nanobind::str& text) const;
  // Counts of all calls so far.
  nanobind::dict counts() const;
  // Why vectors are not kept for later runs; empty where they are, or nothing was to be kept.
  std::string not_kept() const;
  const std::shared_ptr<const VectorModel>& vector_model() const { return model_; }

 private:
  struct Counts;
  std::shared_ptr<const VectorModel> model_;
  std::shared_ptr<Counts> counts_;
  std::shared_ptr<ThreadPool> pool_;
};

}  // namespace headrace::python
