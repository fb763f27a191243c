// What texts in the languages of legacy encodings are made of: letters by how often they occur.
//
// Threads: constants.
#pragma once

#include <span>
#include <string_view>

namespace headrace::formats {

enum class Script : unsigned char { latin, other, japanese, simplified, traditional, korean };

// A language that an alphabet writes: its letters beyond ASCII, lower case, most frequent first.
struct LanguageLetters {
  std::string_view name;
  std::u32string_view letters;
};

// An encoding and the languages that are written in it. `prior` is how much likelier than others it
// has to look (natural logarithm).
struct CharsetCandidate {
  std::string_view charset;
  Script script;
  std::string_view languages;  // names between spaces
  double prior;
};

std::span<const LanguageLetters> alphabet_languages();
std::span<const CharsetCandidate> charset_candidates();
// The most frequent characters (kanji, hanzi, syllables) of a script.
std::u32string_view frequent_characters(Script script);

}  // namespace headrace::formats
