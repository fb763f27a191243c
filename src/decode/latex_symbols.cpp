#include "decode/latex_symbols.h"

#include <array>

namespace headrace {
namespace {

struct Symbol {
  std::string_view command;
  std::string_view text;
};
constexpr auto kSymbols = std::to_array<Symbol>({
    {"ldots", "…"},
    {"dots", "…"},
    {"textellipsis", "…"},
    {"LaTeX", "LaTeX"},
    {"TeX", "TeX"},
    {"BibTeX", "BibTeX"},
    {"LaTeXe", "LaTeX2e"},
    {"ss", "ß"},
    {"ae", "æ"},
    {"AE", "Æ"},
    {"oe", "œ"},
    {"OE", "Œ"},
    {"o", "ø"},
    {"O", "Ø"},
    {"aa", "å"},
    {"AA", "Å"},
    {"l", "ł"},
    {"L", "Ł"},
    {"i", "i"},
    {"j", "j"},
    {"S", "§"},
    {"P", "¶"},
    {"copyright", "©"},
    {"textcopyright", "©"},
    {"textregistered", "®"},
    {"texttrademark", "™"},
    {"pounds", "£"},
    {"euro", "€"},
    {"texteuro", "€"},
    {"textdegree", "°"},
    {"textbackslash", "\\"},
    {"textasciitilde", "~"},
    {"textasciicircum", "^"},
    {"textbar", "|"},
    {"textless", "<"},
    {"textgreater", ">"},
    {"textbullet", "•"},
    {"textendash", "–"},
    {"textemdash", "—"},
    {"quad", " "},
    {"qquad", " "},
    {"slash", "/"},
    {"textunderscore", "_"},
    {"textquotesingle", "'"},
    {"dag", "†"},
    {"ddag", "‡"},
    {"textmu", "µ"},
    {"textmarkdown", "~"},
    {"lbrack", "["},
    {"rbrack", "]"},
    {"textdollar", "$"},
    {"textpercent", "%"},
});

}  // namespace

std::string_view latex_symbol(std::string_view command) {
  for (const Symbol& symbol : kSymbols) {
    if (symbol.command == command) return symbol.text;
  }
  return {};
}

char32_t latex_accent(std::string_view command) {
  if (command.size() != 1) return 0;
  switch (command[0]) {
    case '`':
      return 0x300;
    case '\'':
      return 0x301;
    case '^':
      return 0x302;
    case '~':
      return 0x303;
    case '=':
      return 0x304;
    case 'u':
      return 0x306;
    case '.':
      return 0x307;
    case '"':
      return 0x308;
    case 'r':
      return 0x30A;
    case 'H':
      return 0x30B;
    case 'v':
      return 0x30C;
    case 'd':
      return 0x323;
    case 'c':
      return 0x327;
    case 'k':
      return 0x328;
    default:
      return 0;
  }
}

}  // namespace headrace
