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

}  // namespace headrace::python
