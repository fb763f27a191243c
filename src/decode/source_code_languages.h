// What source code in a programming language looks like, as far as finding its definitions needs.
//
// Owns: constant tables. Threads: pure functions. Errors: none; an unknown name gives nullptr.
#pragma once

#include <string_view>

namespace headrace {

enum class CodeFamily : unsigned char {
  braces,       // C, C++, Java, Go, Rust, JavaScript …: { } nest, definitions stand before a "{"
  indentation,  // Python: definitions by a keyword, bodies by indentation
  keywords,     // Ruby, Lua, shell, SQL …: definitions by a keyword in front of a line
  plain,        // known to be code, cut at empty lines
};

struct CodeLanguage {
  std::string_view name;        // "python"
  std::string_view extensions;  // " .py .pyi " : each between spaces
  CodeFamily family;
  std::string_view line_comments;  // "# //": each begins a comment to the end of the line
  std::string_view definitions;    // " def class ": words that begin a definition
  std::string_view containers;     // " class namespace ": words whose braces hold definitions
  bool backtick_strings = false;
  bool single_quote_strings = true;   // 'text'; false where ' is something else (Rust lifetimes)
  bool lines_end_statements = false;  // no ";" is needed (Go, JavaScript, Kotlin, Swift …)
};

// By the ending of `name`, or by the whole name ("Makefile"); nullptr when it is not known as code.
const CodeLanguage* code_language_by_name(std::string_view name);
// By the interpreter in a "#!" line; nullptr when there is none that we know.
const CodeLanguage* code_language_by_first_line(std::string_view text);

}  // namespace headrace
