// Errors of the engine as Python exceptions with the same code and hint.
#pragma once

#include <nanobind/nanobind.h>

#include "base/result.h"

namespace headrace::python {

// Raises the Python exception for `error` (class by code; .code, .hint set by headrace.errors).
[[noreturn]] void raise(const Error& error);

template <typename T>
T unwrap(Result<T>&& result) {
  if (!result) raise(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace headrace::python
