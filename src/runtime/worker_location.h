// Where headrace-worker and libpdfium.so lie on this machine.
//
// Threads: pure reads of the environment and the file system. Errors: not_found, with a hint.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace headrace {

// Absolute path of the executable: `given`, $HEADRACE_WORKER, beside the running executable, or
// beside the shared library that holds this code.
Result<std::string> find_worker_executable(const std::string& given);

// Path of libpdfium.so: `given`, $HEADRACE_PDFIUM, or the Python package pypdfium2_raw in the
// virtual environment, beside this library (inside a wheel), beside the executable (bin/../lib and
// ../.venv) or in an environment whose python3 is on the PATH. Empty when it is nowhere.
std::string find_pdfium_library(const std::string& given);

// The folders that find_pdfium_library looks for the package in, best first.
std::vector<std::string> python_package_folders();

}  // namespace headrace
