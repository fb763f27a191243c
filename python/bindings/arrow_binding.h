// Arrow capsules: the PyCapsule protocol over the Arrow C interfaces.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "batch/arrow_export.h"
#include "batch/arrow_import.h"
#include "value_binding.h"

namespace headrace::python {

// "arrow_array_stream" capsule that owns the stream.
nanobind::capsule stream_capsule(std::vector<Field> fields, BatchSource next);
// Calls __arrow_c_stream__ of `object` and takes the stream.
std::unique_ptr<ArrowReader> open_stream(nanobind::handle object);

}  // namespace headrace::python
