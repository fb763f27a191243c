#include "transform/sentence.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/unicode.h"
#include "base/utf8.h"

namespace headrace {
namespace {

// Closing quotes and brackets that may follow a terminator, and how many at most.
constexpr int kClosersMax = 6;

bool is_ascii_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

enum class Terminator : uint8_t { none, spaced, unspaced };

// unspaced: ends a sentence whatever follows (full-width scripts).
Terminator terminator_kind(char32_t c) {
  switch (c) {
    case U'.':
    case U'!':
    case U'?':
    case 0x2026:  // …
    case 0x203C:
    case 0x203D:
    case 0x2047:
    case 0x2048:
    case 0x2049:
    case 0x061F:
    case 0x06D4:  // Arabic question mark, Urdu full stop
    case 0x0964:
    case 0x0965:  // Devanagari danda, double danda
    case 0x0589:  // Armenian full stop
    case 0x1362:
    case 0x1367:
    case 0x1368:  // Ethiopic
    case 0x17D4:
    case 0x17D5:  // Khmer
    case 0x104A:
    case 0x104B:  // Burmese
      return Terminator::spaced;
    case 0x3002:
    case 0xFF01:
    case 0xFF1F:
    case 0xFF61:
    case 0xFF0E:
      return Terminator::unspaced;
    default:
      return Terminator::none;
  }
}

bool is_closer(char32_t c) {
  switch (c) {
    case U'"':
    case U'\'':
    case U')':
    case U']':
    case U'}':
    case 0xBB:
    case 0x2019:
    case 0x201D:
    case 0x203A:
    case 0x300D:
    case 0x300F:
    case 0x3011:
    case 0x3009:
    case 0x300B:
    case 0xFF09:
      return true;
    default:
      return false;
  }
}

// Which bytes may begin a terminator or a clause mark: others are passed over without decoding.
constexpr std::array<bool, 256> lead_table(std::string_view ascii,
                                           std::initializer_list<unsigned> leads) {
  std::array<bool, 256> table{};
  for (const char c : ascii) table[static_cast<unsigned char>(c)] = true;
  for (const unsigned lead : leads) table[lead] = true;
  return table;
}
constexpr auto kTerminatorLead =
    lead_table(".!?", {0xD6, 0xD8, 0xDB, 0xE0, 0xE1, 0xE2, 0xE3, 0xEF});
constexpr auto kClauseLead = lead_table(",;:)\n", {0xD8, 0xE2, 0xE3, 0xEF});

// Lower case, without the dot, sorted. Words that also stand at the end of sentences often ("etc",
// "inc") are here too: a missed border costs little, a wrong one splits a name.
constexpr std::array<std::string_view, 67> kAbbreviations = {
    "abb",  "abs",  "al",   "approx", "apr", "art",  "aug", "ave",  "bd",   "bzw", "ca",  "cap",
    "capt", "cf",   "ch",   "co",     "col", "corp", "dec", "dept", "dr",   "ed",  "eds", "eq",
    "eqs",  "etc",  "evtl", "feb",    "fig", "figs", "gen", "ggf",  "gov",  "hr",  "inc", "jan",
    "jr",   "jul",  "jun",  "lt",     "ltd", "mar",  "max", "min",  "mme",  "mr",  "mrs", "ms",
    "mt",   "no",   "nos",  "nov",    "nr",  "oct",  "op",  "pp",   "prof", "ref", "rev", "sec",
    "sep",  "sept", "sr",   "st",     "tab", "vol",  "vs"};

static_assert(std::is_sorted(kAbbreviations.begin(), kAbbreviations.end()));

bool is_abbreviation(std::string_view word) {
  if (word.empty() || word.size() > 6) return false;
  std::array<char, 6> lower{};
  for (size_t i = 0; i < word.size(); ++i) {
    if (!is_ascii_letter(word[i])) return false;
    lower[i] = static_cast<char>(word[i] | 0x20);
  }
  return std::binary_search(kAbbreviations.begin(), kAbbreviations.end(),
                            std::string_view(lower.data(), word.size()));
}

// The '.' at `dot` belongs to an abbreviation, an initial or a list number.
bool dot_is_inside_sentence(std::string_view text, size_t dot) {
  size_t begin = dot;
  while (begin > 0 && dot - begin < 8 &&
         (is_ascii_letter(text[begin - 1]) || is_digit(text[begin - 1])))
    --begin;
  const std::string_view word = text.substr(begin, dot - begin);
  if (word.empty()) return false;
  const bool word_begins = begin == 0 || is_ascii_space(text[begin - 1]) ||
                           text[begin - 1] == '(' || text[begin - 1] == '"';
  if (word.size() == 1 && is_ascii_letter(word[0])) {
    // An initial ("J. Smith") or part of one ("e.g."); "I." ends sentences too rarely to matter.
    return word_begins || text[begin - 1] == '.';
  }
  if (!word_begins) return false;
  if (std::all_of(word.begin(), word.end(), is_digit)) {
    const bool line_begins = begin == 0 || text[begin - 1] == '\n';
    return line_begins && word.size() <= 3;
  }
  return is_abbreviation(word);
}

// Whether a sentence may begin with what stands at `position` (white space before it is skipped).
bool sentence_may_begin(std::string_view text, size_t position) {
  size_t i = position;
  int skipped = 0;
  while (i < text.size() && skipped < 64 && is_ascii_space(text[i])) ++i, ++skipped;
  if (i >= text.size()) return true;
  const char32_t c = decode_code_point(text, i).value;
  if (c < 0x80) return !(c >= U'a' && c <= U'z') && c != U',' && c != U';';
  return unicode::category(c) != unicode::Category::Ll;
}

// The terminator character at `at` ends a sentence: where its last closer ends; else 0.
size_t sentence_end_at(std::string_view text, size_t at) {
  const CodePoint mark = decode_code_point(text, at);
  const Terminator kind = terminator_kind(mark.value);
  if (kind == Terminator::none) return 0;
  size_t end = at + mark.length;
  for (int i = 0; i < kClosersMax && end < text.size(); ++i) {
    const CodePoint next = decode_code_point(text, end);
    if (terminator_kind(next.value) != Terminator::none)
      return 0;  // the last of "?!" or "..." ends
    if (!is_closer(next.value)) break;
    end += next.length;
  }
  if (kind == Terminator::unspaced || end >= text.size()) return end;
  if (!is_ascii_space(text[end])) {
    const char32_t next = decode_code_point(text, end).value;
    if (next < 0x80 || !unicode::is_white_space(next)) return 0;
  }
  if (mark.value == U'.' && end == at + 1 && dot_is_inside_sentence(text, at)) return 0;
  return sentence_may_begin(text, end) ? end : 0;
}

size_t clause_end_at(std::string_view text, size_t at) {
  const CodePoint mark = decode_code_point(text, at);
  const size_t end = at + mark.length;
  switch (mark.value) {
    case U'\n':
      return at;
    case U',':
    case U';':
    case U':':
    case U')':
    case 0x2013:
    case 0x2014:
    case 0x060C:
    case 0x061B:
      return end >= text.size() || is_ascii_space(text[end]) ? end : 0;
    case 0x3001:
    case 0xFF0C:
    case 0xFF1B:
    case 0xFF1A:
    case 0xFF09:
    case 0x3009:
    case 0x300D:
      return end;
    default:
      return 0;
  }
}

// The white space character that begins at `position` has this many bytes; 0 if it is none.
uint32_t white_space_at(std::string_view text, size_t position) {
  const unsigned char c = static_cast<unsigned char>(text[position]);
  if (c < 0x80) return is_ascii_space(text[position]) ? 1 : 0;
  if (c != 0xC2 && c != 0xE1 && c != 0xE2 && c != 0xE3) return 0;
  const CodePoint point = decode_code_point(text, position);
  return point.valid && unicode::is_white_space(point.value) ? point.length : 0;
}

// The code point that ends at `position` > 0.
CodePoint code_point_before(std::string_view text, size_t position) {
  return decode_code_point(text, code_point_floor(text, position - 1));
}

bool is_word_end(std::string_view text, size_t position) {
  if (position == 0 || position > text.size()) return false;
  const auto before = static_cast<unsigned char>(text[position - 1]);
  if (position == text.size()) return !is_ascii_space(text[position - 1]);
  const auto after = static_cast<unsigned char>(text[position]);
  if (before < 0x80 && after < 0x80) {
    return is_ascii_space(static_cast<char>(after)) && !is_ascii_space(static_cast<char>(before));
  }
  if ((after & 0xC0) == 0x80) return false;  // inside a code point
  const char32_t left = code_point_before(text, position).value;
  if (unicode::is_white_space(left)) return false;
  const char32_t right = decode_code_point(text, position).value;
  if (unicode::is_white_space(right)) return true;
  if (!unicode::is_unspaced_script(left) && !unicode::is_unspaced_script(right)) return false;
  // Not before a mark or a closing sign, not after an opening one.
  const unicode::Category before_kind = unicode::category(left);
  if (before_kind == unicode::Category::Ps || before_kind == unicode::Category::Pi) return false;
  return unicode::is_letter(right) || unicode::is_number(right);
}

}  // namespace

size_t last_sentence_end(std::string_view text, size_t low, size_t high) {
  high = std::min(high, text.size());
  for (size_t i = high; i-- > low;) {
    if (!kTerminatorLead[static_cast<unsigned char>(text[i])]) continue;
    const size_t end = sentence_end_at(text, i);
    if (end > low && end <= high) return end;
  }
  return 0;
}

size_t first_sentence_end(std::string_view text, size_t low, size_t high) {
  high = std::min(high, text.size());
  for (size_t i = low; i < high; ++i) {
    if (!kTerminatorLead[static_cast<unsigned char>(text[i])]) continue;
    const size_t end = sentence_end_at(text, i);
    if (end > low && end <= high) return end;
  }
  return 0;
}

size_t last_clause_end(std::string_view text, size_t low, size_t high) {
  high = std::min(high, text.size());
  for (size_t i = std::min(high + 1, text.size()); i-- > low;) {
    if (!kClauseLead[static_cast<unsigned char>(text[i])]) continue;
    const size_t end = clause_end_at(text, i);
    if (end > low && end <= high) return end;
  }
  return 0;
}

size_t last_word_end(std::string_view text, size_t low, size_t high) {
  for (size_t i = std::min(high, text.size()); i > low; --i) {
    if (is_word_end(text, i)) return i;
  }
  return 0;
}

size_t first_word_end(std::string_view text, size_t low, size_t high) {
  high = std::min(high, text.size());
  for (size_t i = low + 1; i <= high; ++i) {
    if (is_word_end(text, i)) return i;
  }
  return 0;
}

size_t last_line_end(std::string_view text, size_t low, size_t high) {
  for (size_t i = std::min(high, text.size()); i > low; --i) {
    if (i < text.size() && text[i] == '\n' && text[i - 1] != '\n') return i;
  }
  return 0;
}

size_t last_blank_line(std::string_view text, size_t low, size_t high) {
  for (size_t i = std::min(high, text.size()); i > low; --i) {
    if (i + 1 < text.size() && text[i] == '\n' && text[i + 1] == '\n' && text[i - 1] != '\n')
      return i;
  }
  return 0;
}

size_t skip_white_space(std::string_view text, size_t position, size_t end) {
  while (position < end) {
    const uint32_t length = white_space_at(text, position);
    if (length == 0) break;
    position += length;
  }
  return std::min(position, end);
}

size_t trim_white_space(std::string_view text, size_t begin, size_t end) {
  while (end > begin) {
    const size_t last = code_point_floor(text, end - 1);
    if (white_space_at(text, last) == 0) break;
    end = last;
  }
  return std::max(begin, end);
}

}  // namespace headrace
