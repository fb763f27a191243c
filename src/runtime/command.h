// run_command: another program from beginning to end: its input given, its output taken.
//
// Threads: safe from any; waits for the program. Errors: not_found when it is not there; timed_out
// and cancelled after it was ended (with everything that it started); os errors.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/cancel.h"

namespace headrace {

struct CommandOutput {
  int exit_code = 0;  // 128 + the signal that ended it
  std::string out;
  std::string err;
};

// `arguments[0]` is the program, looked for in PATH where it has no slash.
Result<CommandOutput> run_command(const std::vector<std::string>& arguments,
                                  const std::string& input, std::chrono::milliseconds deadline,
                                  const CancelToken& cancel);

}  // namespace headrace
