// CallableModel: a Python function as a VectorModel: batches of texts, sorted by length, longest
// first; the order is restored afterwards.
//
// Threads: safe from any thread that does not hold the GIL; the function is called by one thread at
// a time, with the GIL. Errors: invalid_argument with what the function raised, or what is wrong
// with its answer.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>

#include "plan/vector_model.h"

namespace headrace::python {

struct CallableOptions {
  std::string name;
  uint32_t dimension = 0;
  size_t batch = 256;
  // Whether the function is given a list of strings instead of an Arrow stream of one batch.
  bool as_list = false;
};

// `call(texts, count)`: texts is an "arrow_array_stream" capsule with one batch (a column "text"),
// or a list; the answer is a C-contiguous float32 array [count, dimension].
std::shared_ptr<const VectorModel> make_callable_model(const nanobind::object& call,
                                                       CallableOptions options);

}  // namespace headrace::python
