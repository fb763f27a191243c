// Errors of the engine as Python exceptions with the same code and hint.
#pragma once

#include <nanobind/nanobind.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace headrace::python {

// Raises the Python exception for `error` (class by code; .code, .hint set by headrace.errors).
[[noreturn]] void raise(const Error& error);

// The code of that name; internal where there is none.
ErrorCode error_code_by_name(std::string_view name);

// What Python raised, on the engine's way: code, message and hint where it is one of
// headrace.errors, else "context: Type: message" as invalid_argument. Needs the GIL.
Error error_of(const nanobind::python_error& raised, const std::string& context);

template <typename T>
T unwrap(Result<T>&& result) {
  if (!result) raise(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace headrace::python
