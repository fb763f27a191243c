// UTF-8: decoding bytes that may be anything, and writing code points back.
//
// Every room reads text from outside, so nothing here trusts its input: bytes that are not valid
// UTF-8 (stray or missing continuation bytes, overlong forms, surrogates, values past U+10FFFF)
// decode as U+FFFD, one for each bad byte, and the next byte is looked at afresh. So a text of n
// bytes has at most n code points, positions never run backwards, and "how many code points" has
// one answer everywhere in Headrace.
//
// Owns: nothing. Threads: pure functions. Errors: none; bad bytes are reported in the value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace headrace {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;
inline constexpr char32_t kCodePointMax = 0x10FFFF;

// One code point and how many bytes it took (1 to 4). `valid` tells a bad byte from a U+FFFD that
// stands in the text.
struct CodePoint {
  char32_t value = kReplacementCharacter;
  uint32_t length = 1;
  bool valid = false;
};

// The code point that begins at text[position]. `position` must be below text.size().
inline CodePoint decode_code_point(std::string_view text, size_t position) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data()) + position;
  const size_t left = text.size() - position;
  const unsigned lead = p[0];
  if (lead < 0x80) return {lead, 1, true};
  const auto follows = [p](size_t i) { return (p[i] & 0xC0) == 0x80; };
  if (lead >= 0xC2 && lead < 0xE0) {
    if (left >= 2 && follows(1)) return {((lead & 0x1F) << 6) | (p[1] & 0x3Fu), 2, true};
  } else if (lead >= 0xE0 && lead < 0xF0) {
    if (left >= 3 && follows(1) && follows(2)) {
      const char32_t value = ((lead & 0x0F) << 12) | ((p[1] & 0x3Fu) << 6) | (p[2] & 0x3Fu);
      if (value >= 0x800 && (value < 0xD800 || value > 0xDFFF)) return {value, 3, true};
    }
  } else if (lead >= 0xF0 && lead < 0xF5) {
    if (left >= 4 && follows(1) && follows(2) && follows(3)) {
      const char32_t value =
          ((lead & 0x07) << 18) | ((p[1] & 0x3Fu) << 12) | ((p[2] & 0x3Fu) << 6) | (p[3] & 0x3Fu);
      if (value >= 0x10000 && value <= kCodePointMax) return {value, 4, true};
    }
  }
  return {};
}

// Writes `value` to `out` (room for 4 bytes) and returns how many bytes it took. What is no
// Unicode scalar value (a surrogate, past U+10FFFF) is written as U+FFFD.
size_t encode_code_point(char32_t value, char* out);
// Appends `value` to `out`, under the same rule.
void append_code_point(char32_t value, std::string& out);

// How many bytes at the front of `text` are valid UTF-8 (text.size() when all are).
size_t valid_utf8_prefix(std::string_view text);
inline bool is_valid_utf8(std::string_view text) {
  return valid_utf8_prefix(text) == text.size();
}

// Whether every byte of `text` is ASCII. Many GB/s.
bool is_ascii(std::string_view text);

// How many code points `text` decodes to, one for each bad byte. Several GB/s for ASCII.
size_t count_code_points(std::string_view text);

// `text` with each bad byte replaced by U+FFFD. Valid text comes back unchanged.
std::string to_valid_utf8(std::string_view text);

// The largest position <= `position` at which a code point of `text` begins (text.size() counts as
// one): where a text may be cut without splitting a character.
size_t code_point_floor(std::string_view text, size_t position);

}  // namespace headrace
