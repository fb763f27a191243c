#include "legacy_text_guess.h"

#include <unicode/ucnv.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "base/unicode.h"
#include "legacy_text_languages.h"

namespace headrace::formats {
namespace {

// A few hundred characters beyond ASCII decide; more only cost time.
constexpr size_t kSampleBytesMax = 4096;
constexpr size_t kSampleCharactersMax = 1500;

// Natural logarithms of how likely a character is, given a language.
constexpr double kImpossible = -14;     // no character at all
constexpr double kForeign = -10;        // a letter that the language does not have
constexpr double kPunctuation = -4.5;   // what typographers set
constexpr double kSymbol = -8.5;        // other signs
constexpr double kRareIdeograph = -12;  // outside of the set that schools teach
constexpr double kIdeograph = -8.5;
constexpr double kFrequentIdeograph = -5;
// A text whose characters are less likely than this on average is in no encoding we know.
constexpr double kHopeless = -9.5;

struct ConverterCloser {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};

// A character, the first byte it was made of, and how many there were.
struct Unit {
  char32_t c = 0;
  unsigned char lead = 0;
  unsigned char bytes = 1;
};

bool is_high(char byte) {
  return static_cast<unsigned char>(byte) >= 0x80;
}

// A part of `bytes` that has characters beyond ASCII, begun at a word.
std::string_view sample_of(std::string_view bytes) {
  const auto first =
      static_cast<size_t>(std::find_if(bytes.begin(), bytes.end(), is_high) - bytes.begin());
  size_t from = first - std::min<size_t>(first, 16);
  if (from > 0) {
    const size_t space = bytes.substr(0, first).find_first_of(" \n\t", from);
    from = space == std::string_view::npos ? first : space;
  }
  return bytes.substr(from, kSampleBytesMax);
}

std::vector<Unit> read_as(std::string_view bytes, std::string_view charset) {
  std::vector<Unit> units;
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, ConverterCloser> converter(
      ucnv_open(std::string(charset).c_str(), &status));
  if (U_FAILURE(status) || !converter) return units;
  std::vector<char16_t> text(bytes.size() * 2 + 16);
  std::vector<int32_t> offsets(text.size());
  char16_t* target = text.data();
  const char* source = bytes.data();
  status = U_ZERO_ERROR;
  ucnv_toUnicode(converter.get(), &target, text.data() + text.size(), &source,
                 bytes.data() + bytes.size(), offsets.data(), /*flush=*/true, &status);
  if (U_FAILURE(status)) return units;
  const auto count = static_cast<size_t>(target - text.data());
  units.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    char32_t c = text[i];
    const auto offset = static_cast<size_t>(std::max(offsets[i], 0));
    if (c >= 0xD800 && c < 0xDC00 && i + 1 < count) {
      c = 0x10000 + ((c - 0xD800) << 10) + (text[i + 1] - 0xDC00u);
      ++i;
    }
    const size_t next =
        i + 1 < count ? static_cast<size_t>(std::max(offsets[i + 1], 0)) : bytes.size();
    const size_t length = next > offset ? next - offset : 1;
    const char lead = bytes[std::min(offset, bytes.size() - 1)];
    if (c == 0x1A && is_high(lead)) c = 0xFFFD;  // what ICU puts where a byte means nothing
    units.push_back({c, static_cast<unsigned char>(lead),
                     static_cast<unsigned char>(std::min<size_t>(length, 4))});
  }
  // What the end of the sample cut.
  if (bytes.size() == kSampleBytesMax && !units.empty() && units.back().c == 0xFFFD)
    units.pop_back();
  return units;
}

bool is_impossible(char32_t c) {
  return c == 0xFFFD || (c >= 0x80 && c < 0xA0) || (c >= 0xE000 && c < 0xF900) || c >= 0xF0000;
}

bool is_usual_punctuation(char32_t c) {
  static constexpr std::u32string_view kUsual = U"“”‘’„‚«»‹›–—…•€§©®°·×\u00A0№ºª¿¡£´";
  return kUsual.find(c) != std::u32string_view::npos;
}

// Likelihoods of a language's letters: falling with their rank.
double letter_likelihood(std::u32string_view letters, size_t rank) {
  double total = 0;
  for (size_t k = 0; k < letters.size(); ++k) total += 1.0 / static_cast<double>(k + 3);
  return std::log(1.0 / static_cast<double>(rank + 3) / total);
}

// What stands around letter `i` of a text in an alphabet: upper case inside of a word, signs
// between letters, two scripts in one word.
double context_likelihood(const std::vector<Unit>& units, size_t i, bool upper, bool latin) {
  const char32_t before = i == 0 ? ' ' : units[i - 1].c;
  const char32_t after = i + 1 < units.size() ? units[i + 1].c : ' ';
  const bool letter_before = unicode::is_letter(before);
  double sum = 0;
  if (upper) sum += !letter_before ? -1.5 : unicode::is_upper(before) ? -1 : -6;
  if (!upper && letter_before && unicode::is_upper(before) && i > 1 &&
      unicode::is_upper(units[i - 2].c))
    sum -= 2;
  if (latin) {
    if (before >= 0x80 && letter_before) sum -= 1.5;
    if (!letter_before && !unicode::is_letter(after)) sum -= 1;
  } else {
    if (before < 0x80 && letter_before) sum -= 4;
    if (after < 0x80 && unicode::is_letter(after)) sum -= 4;
  }
  return sum;
}

// A tone mark of Vietnamese stands behind a vowel and nowhere else.
double tone_likelihood(char32_t before) {
  static constexpr std::u32string_view kVowels = U"aeiouyâêôăơư";
  return kVowels.find(unicode::to_lower(before)) != std::u32string_view::npos ? 1 : -8;
}

// Thai has a strict order within a syllable, which other texts read as Thai do not keep: marks and
// vowels at the end follow a consonant, vowels at the front are followed by one.
double thai_likelihood(char32_t before, char32_t c, char32_t after) {
  const auto is_consonant = [](char32_t letter) { return letter >= 0xE01 && letter <= 0xE2E; };
  const auto is_mark = [](char32_t letter) {
    return letter == 0xE31 || (letter >= 0xE34 && letter <= 0xE3A) ||
           (letter >= 0xE47 && letter <= 0xE4E);
  };
  if (is_mark(c) || c == 0xE30 || c == 0xE32 || c == 0xE33)
    return is_consonant(before) || is_mark(before) ? 1 : -6;
  if (c >= 0xE40 && c <= 0xE44) return is_consonant(after) ? 1 : -6;
  return 0;
}

double alphabet_score(const std::vector<Unit>& units, std::u32string_view letters, bool latin) {
  std::array<double, 96> likelihoods{};
  for (size_t k = 0; k < letters.size() && k < likelihoods.size(); ++k)
    likelihoods[k] = letter_likelihood(letters, k);
  double sum = 0;
  for (size_t i = 0; i < units.size(); ++i) {
    const char32_t c = units[i].c;
    if (c < 0x80) continue;
    if (is_impossible(c)) {
      sum += kImpossible;
      continue;
    }
    if (unicode::is_letter(c) || letters.find(c) != std::u32string_view::npos) {
      const char32_t small = unicode::to_lower(c);
      const size_t rank = letters.find(c == U'İ' ? U'i' : small);
      sum += rank != std::u32string_view::npos && rank < likelihoods.size() ? likelihoods[rank]
             : c == U'İ' && letters.find(U'ı') != std::u32string_view::npos ? -3
                                                                            : kForeign;
      const char32_t before = i == 0 ? ' ' : units[i - 1].c;
      if (c >= 0x300 && c < 0x370) {
        sum += tone_likelihood(before);
        continue;
      }
      if (c >= 0xE00 && c < 0xE80)
        sum += thai_likelihood(before, c, i + 1 < units.size() ? units[i + 1].c : ' ');
      sum += context_likelihood(units, i, unicode::is_upper(c), latin);
    } else if (is_usual_punctuation(c)) {
      sum += kPunctuation;
      const bool between = i > 0 && i + 1 < units.size() && unicode::is_letter(units[i - 1].c) &&
                           unicode::is_letter(units[i + 1].c);
      if (between && c != U'’' && c != U'·' && c != 0xA0) sum -= 4;
    } else {
      sum += kSymbol;
    }
  }
  return sum;
}

// Whether a double byte is one of the characters that the national standard holds to be usual.
bool is_first_level(const Unit& unit, Script script) {
  switch (script) {
    case Script::simplified:
    case Script::japanese:  // EUC-JP B0–CF, Shift-JIS 88–97
      return (unit.lead >= 0xB0 && unit.lead <= 0xD7) || (unit.lead >= 0x88 && unit.lead <= 0x97);
    case Script::traditional:
      return unit.lead >= 0xA4 && unit.lead <= 0xC6;
    default:
      return unit.lead >= 0xB0 && unit.lead <= 0xC8;
  }
}

double ideograph_score(const std::vector<Unit>& units, Script script) {
  const std::u32string_view frequent = frequent_characters(script);
  double sum = 0;
  for (const Unit& unit : units) {
    const char32_t c = unit.c;
    if (c < 0x80) continue;
    const bool wide = unit.bytes >= 2;
    if (is_impossible(c)) {
      sum += kImpossible;
    } else if (c >= 0x3041 && c <= 0x3096) {
      sum += script == Script::japanese ? -4 : kRareIdeograph;
    } else if (c >= 0x30A0 && c <= 0x30FF) {
      sum += script == Script::japanese ? -5.5 : kRareIdeograph;
    } else if (c >= 0xFF61 && c <= 0xFF9F) {
      sum += -8;
    } else if ((c >= 0x3000 && c < 0x3020) || (c >= 0xFF01 && c <= 0xFF5E)) {
      sum += -5.5;
    } else if (c >= 0xAC00 && c <= 0xD7A3) {
      sum += script != Script::korean                        ? kRareIdeograph
             : frequent.find(c) != std::u32string_view::npos ? kFrequentIdeograph
             : unit.lead >= 0xB0 && unit.lead <= 0xC8        ? kIdeograph
                                                             : kRareIdeograph;
    } else if (unicode::is_cjk_ideograph(c)) {
      sum += script == Script::korean                        ? kRareIdeograph - 1
             : frequent.find(c) != std::u32string_view::npos ? kFrequentIdeograph
             : wide && is_first_level(unit, script)          ? kIdeograph
                                                             : kRareIdeograph;
    } else {
      sum += is_usual_punctuation(c) ? -7 : kRareIdeograph;
    }
  }
  return sum;
}

double score_of(const std::vector<Unit>& units, const CharsetCandidate& candidate) {
  if (candidate.script != Script::latin && candidate.script != Script::other)
    return ideograph_score(units, candidate.script);
  double best = -1e18;
  for (const LanguageLetters& language : alphabet_languages()) {
    const std::string name = " " + std::string(language.name) + " ";
    if (candidate.languages.find(name) == std::string_view::npos) continue;
    best =
        std::max(best, alphabet_score(units, language.letters, candidate.script == Script::latin));
  }
  return best;
}

}  // namespace

std::string guess_charset_by_language(std::string_view bytes) {
  std::string_view sample = sample_of(bytes);
  size_t high = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    high += is_high(sample[i]);
    if (high >= kSampleCharactersMax) {
      sample = sample.substr(0, std::min(sample.find_first_of(" \n", i), sample.size()));
      break;
    }
  }
  if (high == 0) return {};
  double best = kHopeless * static_cast<double>(high);
  std::string_view found;
  for (const CharsetCandidate& candidate : charset_candidates()) {
    const std::vector<Unit> units = read_as(sample, candidate.charset);
    if (units.empty()) continue;
    const double score = score_of(units, candidate) + candidate.prior;
    if (score > best) {
      best = score;
      found = candidate.charset;
    }
  }
  return std::string(found);
}

}  // namespace headrace::formats
