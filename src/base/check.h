// HR_CHECK: conditions that can only be false through a bug of ours. They stay on in release.
//
// A failed check prints the condition, both operands' meaning (the message) and the place, then
// aborts: in a worker process that costs one document, elsewhere the log guarantees that nothing
// acknowledged is lost. Bad input is never a check: it is an Error.
#pragma once

#include <string_view>

namespace headrace {
[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               std::string_view message) noexcept;
}  // namespace headrace

#define HR_CHECK(condition, message)                                       \
  do {                                                                     \
    if (!(condition)) [[unlikely]]                                         \
      ::headrace::check_failed(#condition, __FILE__, __LINE__, (message)); \
  } while (false)
