#include "transform/tokenizer_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "base/utf8.h"
#include "transform/tokenizer_blocks.h"
#include "transform/tokenizer_characters.h"
#include "transform/tokenizer_splitter.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace headrace {
namespace {

enum class Sort : uint8_t { letter, number, space, other };

constexpr std::array<Sort, 128> make_sorts() {
  std::array<Sort, 128> out{};
  for (size_t c = 0; c < out.size(); ++c) {
    const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    out[c] = letter                                 ? Sort::letter
             : c >= '0' && c <= '9'                 ? Sort::number
             : c == ' ' || (c >= '\t' && c <= '\r') ? Sort::space
                                                    : Sort::other;
  }
  return out;
}
constexpr std::array<Sort, 128> kSorts = make_sorts();

Sort look_up_sort(char32_t c) {
  const TextCharacter& known = text_character(c);
  if (known.category <= unicode::Category::Lo) return Sort::letter;
  if (known.category >= unicode::Category::Nd && known.category <= unicode::Category::No) {
    return Sort::number;
  }
  return (known.flags & TextCharacter::kSpace) != 0 ? Sort::space : Sort::other;
}

// The sorts of the first 65,536 code points.
const Sort* sort_table() {
  static const std::vector<Sort> table = [] {
    std::vector<Sort> out(0x10000);
    for (char32_t c = 0; c < out.size(); ++c) out[c] = look_up_sort(c);
    return out;
  }();
  return table.data();
}

// The sort of the character at `p`, which is valid UTF-8 and not ASCII, and its length.
inline Sort sort_beyond(const Sort* table, const char* p, size_t& length) {
  const auto byte = [p](size_t i) { return static_cast<uint8_t>(p[i]) & 0x3Fu; };
  const auto lead = static_cast<uint8_t>(*p);
  if (lead < 0xE0) {
    length = 2;
    return table[(lead & 0x1Fu) << 6 | byte(1)];
  }
  if (lead < 0xF0) {
    length = 3;
    return table[(lead & 0x0Fu) << 12 | byte(1) << 6 | byte(2)];
  }
  length = 4;
  return look_up_sort((lead & 0x07u) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3));
}

size_t ascii_letters(std::string_view text, size_t at) {
#if defined(__SSE2__)
  while (text.size() - at >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const __m128i small = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    // As signed bytes: 'a' … 'z' become the 26 smallest.
    const __m128i moved = _mm_add_epi8(small, _mm_set1_epi8(static_cast<char>(-128 - 'a')));
    const __m128i found = _mm_cmplt_epi8(moved, _mm_set1_epi8(-128 + 26));
    const auto mask = static_cast<uint32_t>(_mm_movemask_epi8(found));
    const int run = std::countr_one(mask);
    at += static_cast<size_t>(run);
    if (run < 16) return at;
  }
#endif
  while (at < text.size() && static_cast<uint8_t>(text[at]) < 0x80 &&
         kSorts[static_cast<uint8_t>(text[at])] == Sort::letter) {
    ++at;
  }
  return at;
}

// The sort of the character at `at`, and its length.
inline Sort sort_at(const Sort* table, std::string_view text, size_t at, size_t& length) {
  const auto byte = static_cast<uint8_t>(text.data()[at]);
  if (byte < 0x80) [[likely]] {
    length = 1;
    return kSorts[byte];
  }
  return sort_beyond(table, text.data() + at, length);
}

size_t run_end(const Sort* table, std::string_view text, size_t at, Sort sort) {
  while (at < text.size()) {
    size_t length = 0;
    if (sort_at(table, text, at, length) != sort) break;
    at += length;
  }
  return at;
}

size_t letters_end(const Sort* table, std::string_view text, size_t at) {
  while (true) {
    at = ascii_letters(text, at);
    if (at >= text.size() || static_cast<uint8_t>(text[at]) < 0x80) return at;
    while (at < text.size() && static_cast<uint8_t>(text.data()[at]) >= 0x80) {
      size_t length = 0;
      if (sort_beyond(table, text.data() + at, length) != Sort::letter) return at;
      at += length;
    }
  }
}

// \s+(?!\S)|\s+ : white space, but for the last before something visible.
size_t space_end(const Sort* table, std::string_view text, size_t at) {
  const size_t end = run_end(table, text, at, Sort::space);
  if (end == text.size()) return end;
  const size_t last = code_point_floor(text, end - 1);
  return last == at ? end : last;
}

// The length of a contraction behind an apostrophe, with it; 0: none.
size_t contraction(std::string_view text, size_t at, bool any_case) {
  if (at + 1 >= text.size()) return 0;
  const auto letter = [&](size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  };
  const char first = letter(at + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const char second = letter(at + 2);
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
      (first == 'l' && second == 'l')) {
    return 3;
  }
  // U+017F is an "s" without regard to case.
  return any_case && text.substr(at + 1).starts_with("\xC5\xBF") ? 3 : 0;
}

constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Where o200k's letters and marks stand: at the beginning of a word (capitals), behind that, or
// both.
struct Case {
  bool begins = false;
  bool follows = false;
};
Case case_of(char32_t c) {
  using unicode::Category;
  const Category k =
      c < 0x80 && kSorts[c] != Sort::letter ? Category::Zs : text_character(c).category;
  const bool both = k == Category::Lm || k == Category::Lo || k == Category::Mn ||
                    k == Category::Mc || k == Category::Me;
  return {both || k == Category::Lu || k == Category::Lt, both || k == Category::Ll};
}

// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ from `at`; `at` when it does not
// match. `begins_end`: where the run of what can begin a word ends.
size_t cased_end(std::string_view text, size_t at, size_t& begins_end) {
  size_t end = at;
  size_t last_both = at;  // where the last character ends that may stand in both parts
  while (end < text.size()) {
    const CodePoint point = decode_code_point(text, end);
    const Case known = case_of(point.value);
    if (!known.begins) break;
    end += point.length;
    if (known.follows) last_both = end;
  }
  begins_end = end;
  const size_t second = end;
  while (end < text.size()) {
    const CodePoint point = decode_code_point(text, end);
    if (!case_of(point.value).follows) break;
    end += point.length;
  }
  // Without a second part the first gives back what it needs.
  return end > second ? end : last_both;
}

bool is_line_end(char c) {
  return c == '\r' || c == '\n';
}

// Bits below `count`, which is at most 64.
uint64_t bits_below(size_t count) {
  return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

// 's|'t|'re|'ve|'m|'ll|'d|␣?\p{L}+|␣?\p{N}+|␣?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
uint64_t gpt2_starts(const ByteSorts& is) {
  const uint64_t others = is.others();
  const uint64_t runs = (is.letters & ~(is.letters << 1)) | (is.digits & ~(is.digits << 1)) |
                        (others & ~(others << 1));
  // A blank joins what follows. White space begins a word, and so does its last character when
  // something visible follows.
  return (runs & ~(is.blanks << 1)) | (is.white & ~(is.white << 1)) | (is.white & ~(is.white >> 1));
}

// The parts of Llama 3's pattern but for the contractions. `known` is how many bytes are ASCII;
// it shrinks where what follows decides.
uint64_t llama_starts(const ByteSorts& is, bool each_digit, size_t& known) {
  const uint64_t others = is.others();
  const uint64_t inner = is.white & ~is.line_ends;
  // [^\r\n\p{L}\p{N}]?\p{L}+ : white space that ends no line joins the letters behind it, and so
  // does another character when a match begins with it.
  const uint64_t other_starts = others & ~(others << 1) & ~(is.blanks << 1);
  const uint64_t letter_runs = is.letters & ~(is.letters << 1);
  uint64_t out = other_starts | (letter_runs & ~((inner | other_starts) << 1));
  // \p{N}{1,3} or \p{N}
  if (each_digit) {
    out |= is.digits;
  } else {
    const uint64_t third = is.digits & (is.digits << 1) & (is.digits << 2);
    uint64_t group = is.digits & ~(is.digits << 1);
    for (; group != 0; group = (group << 3) & third) out |= group;
  }
  // ␣?[^\s\p{L}\p{N}]+[\r\n]* : the sum carries through the line ends behind other characters.
  const uint64_t taken = is.line_ends & ~(is.line_ends + (is.line_ends & (others << 1)));
  // \s*[\r\n]+|\s+(?!\S)|\s+
  const uint64_t white = is.white & ~taken;
  out |= (white & ~(white << 1)) | (inner & ~(is.white >> 1));
  // Behind the last line end of a run of white space something new begins.
  for (uint64_t after = inner & (is.line_ends << 1); after != 0; after &= after - 1) {
    const auto from = static_cast<size_t>(std::countr_zero(after));
    const size_t end = from + static_cast<size_t>(std::countr_one(inner >> from));
    if (end >= known) {
      known = std::min(known, from + 1);
      break;
    }
    if (((is.line_ends >> end) & 1) == 0) out |= uint64_t{1} << from;
  }
  return out;
}

// o200k's contractions end the words before them.
uint64_t with_endings(const ByteSorts& is, std::string_view ascii, uint64_t out) {
  size_t ended = 0;  // where the last of them ends: there a word begins
  for (uint64_t quotes = is.quotes & is.letters << 1 & out; quotes != 0; quotes &= quotes - 1) {
    const auto at = static_cast<size_t>(std::countr_zero(quotes));
    if (at == ended) continue;
    if (at + 3 > ascii.size()) return out & bits_below(at);
    const size_t length = contraction(ascii, at, true);
    if (length == 0) continue;
    ended = at + length;
    out &= ~(bits_below(ended) & ~bits_below(at));
    if (ended < BytePattern::kBlock) out |= uint64_t{1} << ended;
  }
  return out;
}

}  // namespace

uint64_t BytePattern::starts(const char* block) const {
  const ByteSorts is = sorts_of_block(block);
  auto known = static_cast<size_t>(std::countr_zero(is.beyond));
  if (known < 2) return 1;
  const size_t ascii = known;
  uint64_t out = 1;
  if (kind_ == Kind::gpt2) {
    out |= gpt2_starts(is);
  } else {
    out |= llama_starts(is, digits_ == 1, known);
  }
  if (kind_ == Kind::o200k) {
    out |= is.capitals & ((is.letters & ~is.capitals) << 1);
    // A slash behind line ends may belong to what stands before them.
    known = std::min(known, static_cast<size_t>(std::countr_zero(is.slashes & is.line_ends << 1)));
    if (known < 2) return 1;
  }
  // The last one depends on what follows.
  out &= bits_below(known - 1);
  if (kind_ == Kind::o200k) return with_endings(is, {block, ascii}, out);
  for (uint64_t quotes = is.quotes & out; quotes != 0; quotes &= quotes - 1) {
    const auto at = static_cast<size_t>(std::countr_zero(quotes));
    if (at + 3 > ascii) {
      out &= bits_below(at + 1);
      break;
    }
    const size_t length = contraction({block, ascii}, at, kind_ == Kind::llama);
    if (length == 0) continue;
    out &= ~(bits_below(at + length) & ~bits_below(at + 1));
    if (at + length < kBlock) out |= uint64_t{1} << (at + length);
  }
  return out;
}

std::optional<BytePattern> BytePattern::known(std::string_view pattern) {
  if (pattern == kByteLevelPattern) return BytePattern(Kind::gpt2, 0);
  if (pattern == kLlama3) return BytePattern(Kind::llama, 3);
  if (pattern == kQwen2) return BytePattern(Kind::llama, 1);
  if (pattern == kO200k) return BytePattern(Kind::o200k, 3);
  return std::nullopt;
}

size_t BytePattern::next_gpt2(std::string_view text, size_t at) {
  const Sort* table = sort_table();
  if (text[at] == '\'') {
    if (const size_t length = contraction(text, at, false)) return at + length;
  }
  size_t length = 0;
  Sort sort = sort_at(table, text, at, length);
  size_t from = at;
  if (text[at] == ' ' && at + 1 < text.size()) {
    const Sort after = sort_at(table, text, at + 1, length);
    if (after != Sort::space) {
      sort = after;
      ++from;
    }
  }
  switch (sort) {
    case Sort::letter:
      return letters_end(table, text, from);
    case Sort::space:
      return space_end(table, text, at);
    default:
      return run_end(table, text, from, sort);
  }
}

size_t BytePattern::next_llama(std::string_view text, size_t at) const {
  const Sort* table = sort_table();
  if (text[at] == '\'') {
    if (const size_t length = contraction(text, at, true)) return at + length;
  }
  size_t length = 0;
  const Sort sort = sort_at(table, text, at, length);
  if (sort == Sort::letter) return letters_end(table, text, at);
  const size_t behind = at + length;
  if (sort != Sort::number && behind < text.size() && !is_line_end(text[at]) &&
      sort_at(table, text, behind, length) == Sort::letter) {
    return letters_end(table, text, behind);
  }
  return next_other(text, at, false);
}

size_t BytePattern::next_o200k(std::string_view text, size_t at) const {
  size_t length = 0;
  const Sort sort = sort_at(sort_table(), text, at, length);
  if (sort == Sort::number) return next_other(text, at, true);
  const auto with_ending = [text](size_t end) {
    const bool quoted = end < text.size() && text[end] == '\'';
    return quoted ? end + contraction(text, end, true) : end;
  };
  // Small letters at the end if that can be, and something before the word if that can be.
  const size_t behind = sort == Sort::letter || is_line_end(text[at]) ? at : at + length;
  size_t capitals_behind = behind;
  size_t capitals = at;
  if (const size_t end = cased_end(text, behind, capitals_behind); end > behind) {
    return with_ending(end);
  }
  if (const size_t end = cased_end(text, at, capitals); end > at) return with_ending(end);
  if (capitals_behind > behind) return with_ending(capitals_behind);
  if (capitals > at) return with_ending(capitals);
  return next_other(text, at, true);
}

size_t BytePattern::next_other(std::string_view text, size_t at, bool slashes) const {
  const Sort* table = sort_table();
  size_t length = 0;
  const Sort sort = sort_at(table, text, at, length);
  if (sort == Sort::number) {
    size_t end = at;
    for (size_t i = 0; i < digits_ && end < text.size(); ++i) {
      if (sort_at(table, text, end, length) != Sort::number) break;
      end += length;
    }
    return end;
  }
  const size_t behind = at + length;
  const bool joins = text[at] == ' ' && behind < text.size() &&
                     sort_at(table, text, behind, length) == Sort::other;
  if (sort == Sort::other || joins) {
    size_t end = run_end(table, text, behind, Sort::other);
    while (end < text.size() && (is_line_end(text[end]) || (slashes && text[end] == '/'))) ++end;
    return end;
  }
  // \s*[\r\n]+ : up to the last line end of the white space.
  const size_t end = run_end(table, text, at, Sort::space);
  for (size_t last = end; last > at; --last) {
    if (is_line_end(text[last - 1])) return last;
  }
  return space_end(table, text, at);
}

}  // namespace headrace
