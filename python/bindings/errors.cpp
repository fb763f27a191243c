#include "errors.h"

#include <nanobind/stl/string.h>

#include <string>

namespace nb = nanobind;

namespace headrace::python {

void raise(const Error& error) {
  const nb::object factory = nb::module_::import_("headrace.errors").attr("make_error");
  const std::string code(error_code_name(error.code()));
  const nb::object exception = factory(code, error.message(), error.hint());
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  throw nb::python_error();
}

ErrorCode error_code_by_name(std::string_view name) {
  for (auto code = ErrorCode::invalid_argument; code != ErrorCode::internal;
       code = static_cast<ErrorCode>(static_cast<int>(code) + 1)) {
    if (error_code_name(code) == name) return code;
  }
  return ErrorCode::internal;
}

Error error_of(const nb::python_error& raised, const std::string& context) {
  const nb::object value = nb::borrow(raised.value());
  const nb::object ours = nb::module_::import_("headrace.errors").attr("Error");
  const auto text = [&](const char* name) {
    return nb::cast<std::string>(nb::str(nb::object(value.attr(name))));
  };
  if (PyObject_IsInstance(value.ptr(), ours.ptr()) == 1)
    return Error(error_code_by_name(text("code")), text("message"), text("hint"));
  const nb::object type = nb::borrow(raised.type());
  return Error(ErrorCode::invalid_argument,
               context + ": " + nb::cast<std::string>(nb::str(nb::object(type.attr("__name__")))) +
                   ": " + nb::cast<std::string>(nb::str(value)));
}

}  // namespace headrace::python
