// `headrace models check`: our vectors beside those of sentence-transformers, which is asked in a
// Python of its own: $HEADRACE_PYTHON, else that of the active environment, else python3.
//
// Threads: one. Errors: unsupported where there is nothing to compare with.
#pragma once

#include <string>

#include "base/result.h"

namespace headrace::cli {

// Exit code 0 when every cosine is at least what the precision promises, else 1.
Result<int> check_model(const std::string& model, bool json);

}  // namespace headrace::cli
