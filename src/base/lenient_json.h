// JSON as Python's json module writes and many tools do, made valid: NaN and Infinity, numbers
// beyond a double, halves of surrogate pairs, whole numbers beyond 64 bits.
//
// Threads: pure function. Errors: none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace headrace {

// NaN becomes null, lone surrogate escapes U+FFFD; what no number can hold becomes its text:
// Infinity, numbers too large for a double, whole numbers of more than 64 bits. Nothing when there
// is nothing to change.
std::optional<std::string> lenient_json(std::string_view json);

}  // namespace headrace
