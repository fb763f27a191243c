#include "transform/tokenizer_scan.h"

#include <array>
#include <bit>
#include <cstdint>

#include "base/utf8.h"
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

Sort sort_of(char32_t c) {
  const TextCharacter& known = text_character(c);
  if (known.category <= unicode::Category::Lo) return Sort::letter;
  if (known.category >= unicode::Category::Nd && known.category <= unicode::Category::No) {
    return Sort::number;
  }
  return (known.flags & TextCharacter::kSpace) != 0 ? Sort::space : Sort::other;
}

// The sort of the character at `at`, and its length.
Sort sort_at(std::string_view text, size_t at, size_t& length) {
  const auto byte = static_cast<uint8_t>(text[at]);
  if (byte < 0x80) [[likely]] {
    length = 1;
    return kSorts[byte];
  }
  const CodePoint point = decode_code_point(text, at);
  length = point.length;
  return sort_of(point.value);
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

size_t run_end(std::string_view text, size_t at, Sort sort) {
  while (at < text.size()) {
    size_t length = 0;
    if (sort_at(text, at, length) != sort) break;
    at += length;
  }
  return at;
}

size_t letters_end(std::string_view text, size_t at) {
  while (true) {
    at = ascii_letters(text, at);
    if (at >= text.size() || static_cast<uint8_t>(text[at]) < 0x80) return at;
    const size_t from = at;
    while (at < text.size() && static_cast<uint8_t>(text[at]) >= 0x80) {
      const CodePoint point = decode_code_point(text, at);
      if (sort_of(point.value) != Sort::letter) return at;
      at += point.length;
    }
    if (at == from) return at;
  }
}

// \s+(?!\S)|\s+ : white space, but for the last before something visible.
size_t space_end(std::string_view text, size_t at) {
  const size_t end = run_end(text, at, Sort::space);
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

bool is_line_end(char c) {
  return c == '\r' || c == '\n';
}

}  // namespace

std::optional<BytePattern> BytePattern::known(std::string_view pattern) {
  if (pattern == kByteLevelPattern) return BytePattern(true, 0);
  if (pattern == kLlama3) return BytePattern(false, 3);
  if (pattern == kQwen2) return BytePattern(false, 1);
  return std::nullopt;
}

size_t BytePattern::next_gpt2(std::string_view text, size_t at) {
  if (text[at] == '\'') {
    if (const size_t length = contraction(text, at, false)) return at + length;
  }
  size_t length = 0;
  Sort sort = sort_at(text, at, length);
  size_t from = at;
  if (text[at] == ' ' && at + 1 < text.size()) {
    const Sort after = sort_at(text, at + 1, length);
    if (after != Sort::space) {
      sort = after;
      ++from;
    }
  }
  switch (sort) {
    case Sort::letter:
      return letters_end(text, from);
    case Sort::space:
      return space_end(text, at);
    default:
      return run_end(text, from, sort);
  }
}

size_t BytePattern::next_llama(std::string_view text, size_t at) const {
  if (text[at] == '\'') {
    if (const size_t length = contraction(text, at, true)) return at + length;
  }
  size_t length = 0;
  const Sort sort = sort_at(text, at, length);
  if (sort == Sort::letter) return letters_end(text, at);
  if (sort == Sort::number) {
    size_t end = at;
    for (size_t i = 0; i < digits_ && end < text.size(); ++i) {
      if (sort_at(text, end, length) != Sort::number) break;
      end += length;
    }
    return end;
  }
  const size_t behind = at + length;
  Sort after = Sort::space;
  if (behind < text.size() && !is_line_end(text[at])) {
    after = sort_at(text, behind, length);
    if (after == Sort::letter) return letters_end(text, behind);
  }
  if (sort == Sort::other || (text[at] == ' ' && behind < text.size() && after == Sort::other)) {
    size_t end = run_end(text, behind, Sort::other);
    while (end < text.size() && is_line_end(text[end])) ++end;
    return end;
  }
  // \s*[\r\n]+ : up to the last line end of the white space.
  const size_t end = run_end(text, at, Sort::space);
  for (size_t last = end; last > at; --last) {
    if (is_line_end(text[last - 1])) return last;
  }
  return space_end(text, at);
}

}  // namespace headrace
