// RowFunction: Python's map and filter after chunk(), applied to the rows of a run before they are
// written.
//
// Owns: a reference to the function. Threads: the run's writing thread calls it; it takes the GIL.
// Errors: invalid_argument for what the function raises, and for an answer without a "key" column.
#pragma once

#include <nanobind/nanobind.h>

#include <functional>
#include <vector>

#include "index/knowledge_base.h"

namespace headrace::python {

// `function` takes an "arrow_array_stream" capsule of rows (the columns of an export) and returns
// an object with __arrow_c_stream__, or None for no rows. Rows are recognised by "key": those that
// do not come back are dropped, text, title and heading may change, columns that a row does not
// have become metadata.
std::function<Status(std::vector<index::DocumentWrite>&)> row_function(
    const nanobind::object& function);

}  // namespace headrace::python
