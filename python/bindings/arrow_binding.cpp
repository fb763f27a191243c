#include "arrow_binding.h"

#include <nanobind/stl/string.h>

#include "errors.h"

namespace nb = nanobind;

namespace headrace::python {

nb::capsule stream_capsule(std::vector<Field> fields, BatchSource next) {
  auto stream = std::make_unique<ArrowArrayStream>();
  export_stream(std::move(fields), std::move(next), stream.get());
  return nb::capsule(stream.release(), "arrow_array_stream", [](void* pointer) noexcept {
    const std::unique_ptr<ArrowArrayStream> owned(static_cast<ArrowArrayStream*>(pointer));
    if (owned->release != nullptr) owned->release(owned.get());
  });
}

std::unique_ptr<ArrowReader> open_stream(nb::handle object) {
  const nb::object capsule = object.attr("__arrow_c_stream__")();
  auto* stream =
      static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule.ptr(), "arrow_array_stream"));
  if (stream == nullptr) throw nb::python_error();
  return unwrap(ArrowReader::open(stream));
}

}  // namespace headrace::python
