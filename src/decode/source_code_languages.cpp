#include "decode/source_code_languages.h"

#include <algorithm>
#include <array>
#include <string>

namespace headrace {
namespace {

using enum CodeFamily;

constexpr std::string_view kCppContainers =
    " namespace class struct union enum extern interface trait impl mod module object record "
    "protocol extension actor companion package ";

constexpr auto kLanguages = std::to_array<CodeLanguage>({
    {"c", " .c ", braces, "//", "", kCppContainers},
    {"cpp", " .cc .cpp .cxx .c++ .h .hh .hpp .hxx .inl .ipp .cu .cuh .ino ", braces, "//", "",
     kCppContainers},
    {"objective-c", " .m .mm ", braces, "//", "", kCppContainers},
    {"java", " .java ", braces, "//", "", kCppContainers},
    {"csharp", " .cs ", braces, "//", "", kCppContainers},
    {"kotlin", " .kt .kts ", braces, "//", " fun ", kCppContainers, false, true, true},
    {"scala", " .scala .sc ", braces, "//", " def ", kCppContainers, false, true, true},
    {"swift", " .swift ", braces, "//", " func init ", kCppContainers, false, true, true},
    {"go", " .go ", braces, "//", " func type ", " ", true, true, true},
    {"rust", " .rs ", braces, "//", " fn ", " mod impl trait extern ", false, false},
    {"javascript", " .js .mjs .cjs .jsx ", braces, "//", " function ", " class ", true, true, true},
    {"typescript", " .ts .tsx .mts .cts ", braces, "//", " function type ",
     " class interface namespace module enum ", true, true, true},
    {"dart", " .dart ", braces, "//", "", " class mixin extension enum "},
    {"php", " .php .phtml ", braces, "// #", " function ", " class interface trait namespace "},
    {"zig", " .zig ", braces, "//", " fn ", " struct union enum "},
    {"proto", " .proto .thrift ", braces, "//", " message service ", " package "},
    {"css", " .css .scss .less ", braces, "", "", " @media "},
    {"perl", " .pl .pm ", keywords, "#", " sub package ", ""},
    {"python", " .py .pyi .pyw .pyx ", indentation, "#", " def class async ", ""},
    {"ruby", " .rb .rake ", keywords, "#", " def class module ", ""},
    {"lua", " .lua ", keywords, "--", " function local ", ""},
    {"shell", " .sh .bash .zsh .ksh .fish ", keywords, "#", " function ", ""},
    {"powershell", " .ps1 .psm1 ", keywords, "#", " function class ", ""},
    {"sql", " .sql .ddl ", keywords, "--", " create alter CREATE ALTER ", ""},
    {"r", " .r .R ", keywords, "#", "", ""},
    {"julia", " .jl ", keywords, "#", " function struct module macro ", ""},
    {"elixir", " .ex .exs ", keywords, "#", " defmodule def defp ", ""},
    {"haskell", " .hs ", plain, "--", "", ""},
    {"fortran", " .f .f90 .f95 .for ", keywords, "!", " subroutine function module program ", ""},
    {"pascal", " .pas ", keywords, "//", " procedure function unit ", ""},
    {"makefile", " .mk makefile gnumakefile ", plain, "#", "", ""},
    {"cmake", " .cmake cmakelists.txt ", keywords, "#", " function macro ", ""},
    {"dockerfile", " dockerfile ", plain, "#", "", ""},
    {"config",
     " .toml .ini .cfg .conf .yaml .yml .properties .gradle .tf .bat .cmd .asm .s .v .vhd .nix .el "
     ".lisp .clj .erl .ml .fs .vb .groovy .diff .patch ",
     plain, "#", "", ""},
});

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

const CodeLanguage* find_extension(std::string_view wanted) {
  for (const CodeLanguage& language : kLanguages) {
    if (language.extensions.find(wanted) != std::string_view::npos) return &language;
  }
  return nullptr;
}

}  // namespace

const CodeLanguage* code_language_by_name(std::string_view name) {
  const size_t slash = name.find_last_of("/\\!");
  if (slash != std::string_view::npos) name = name.substr(slash + 1);
  if (name.empty() || name.size() > 255 || name.find(' ') != std::string_view::npos) return nullptr;
  const std::string whole = " " + lower(name) + " ";
  if (const CodeLanguage* language = find_extension(whole); language && name[0] != '.')
    return language;
  const size_t dot = whole.rfind('.');
  if (dot == std::string::npos || dot <= 1) return nullptr;
  return find_extension(" " + whole.substr(dot));
}

const CodeLanguage* code_language_by_first_line(std::string_view text) {
  if (!text.starts_with("#!")) return nullptr;
  const std::string_view line = text.substr(0, std::min<size_t>(text.find('\n'), 200));
  struct Interpreter {
    std::string_view word;
    std::string_view extension;
  };
  static constexpr std::array<Interpreter, 8> kInterpreters = {{{"python", " .py "},
                                                                {"perl", " .pl "},
                                                                {"ruby", " .rb "},
                                                                {"node", " .js "},
                                                                {"lua", " .lua "},
                                                                {"Rscript", " .r "},
                                                                {"php", " .php "},
                                                                {"sh", " .sh "}}};
  for (const Interpreter& interpreter : kInterpreters) {
    if (line.find(interpreter.word) != std::string_view::npos)
      return find_extension(interpreter.extension);
  }
  return nullptr;
}

}  // namespace headrace
