// The commands of LaTeX that stand for characters.
// Threads: pure functions. Errors: none; what is unknown gives empty or 0.
#pragma once

#include <string_view>

namespace headrace {

// "ldots" → "…", "ss" → "ß", …; empty when the command is no symbol.
std::string_view latex_symbol(std::string_view command);
// The combining character for an accent command ("'", "\"", "c", "v" …), or 0.
char32_t latex_accent(std::string_view command);

}  // namespace headrace
