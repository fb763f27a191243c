// What belongs together in the source of LaTeX: arguments, math, verbatim text, conditions. Each
// takes what begins at `at` and moves behind it; how far it looks for an end is bounded.
//
// Threads: pure functions. Errors: none; what has no end is not taken.
#pragma once

#include <optional>
#include <string_view>

namespace headrace {

// Math that is longer is read as text.
inline constexpr size_t kLatexMathBytesMax = 64 << 10;

inline bool is_latex_letter(char c) {
  return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}
// The whole character here, of several bytes or of one.
std::string_view take_latex_character(std::string_view in, size_t& at);
// The inside of "[…]" after a command.
std::string_view take_latex_option(std::string_view in, size_t& at);
// The inside of "{…}" as it stands; empty when there is none.
std::string_view take_latex_argument(std::string_view in, size_t& at);
// "$…$" and "$$…$$" with what is inside; nothing where the "$" is a lone character.
std::optional<std::string_view> take_latex_math(std::string_view in, size_t& at);
// Behind "\verb": any character may part what is verbatim from the rest.
std::optional<std::string_view> take_latex_verbatim(std::string_view in, size_t& at);
// Behind "\iffalse": what stands before its \fi (or \else) is never set.
void skip_latex_condition(std::string_view in, size_t& at);

}  // namespace headrace
