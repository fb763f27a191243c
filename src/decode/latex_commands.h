// What the commands and environments of LaTeX do to the text around them.
// Threads: pure functions. Errors: none; what is unknown gives nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace headrace {

// The level of the heading that a command begins ("section" → 2); 0: it begins none.
uint8_t latex_heading_level(std::string_view command);
// With how many arguments a command vanishes ("label" → 1); nothing where its arguments are text.
std::optional<int> latex_dropped_arguments(std::string_view command);

// What the body of an environment is.
enum class LatexBody : uint8_t { text, list, table, verbatim, math, dropped };
LatexBody latex_body(std::string_view environment);

}  // namespace headrace
