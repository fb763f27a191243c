#include "base/utf8.h"

#include <bit>
#include <cstring>

namespace headrace {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080ULL;

uint64_t load_word(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

// How many ASCII bytes follow from `position`.
size_t ascii_run(std::string_view text, size_t position) {
  size_t at = position;
  while (at + 32 <= text.size()) {
    const char* p = text.data() + at;
    const uint64_t any = load_word(p) | load_word(p + 8) | load_word(p + 16) | load_word(p + 24);
    if (any & kHighBits) break;
    at += 32;
  }
  while (at + 8 <= text.size()) {
    const uint64_t high = load_word(text.data() + at) & kHighBits;
    if (high) {
      if constexpr (std::endian::native == std::endian::little) {
        return at + static_cast<size_t>(std::countr_zero(high)) / 8 - position;
      }
      break;
    }
    at += 8;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at - position;
}

}  // namespace

size_t encode_code_point(char32_t value, char* out) {
  if (value < 0x80) {
    out[0] = static_cast<char>(value);
    return 1;
  }
  if (value < 0x800) {
    out[0] = static_cast<char>(0xC0 | (value >> 6));
    out[1] = static_cast<char>(0x80 | (value & 0x3F));
    return 2;
  }
  if (value > kCodePointMax || (value >= 0xD800 && value <= 0xDFFF)) value = kReplacementCharacter;
  if (value < 0x10000) {
    out[0] = static_cast<char>(0xE0 | (value >> 12));
    out[1] = static_cast<char>(0x80 | ((value >> 6) & 0x3F));
    out[2] = static_cast<char>(0x80 | (value & 0x3F));
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | (value >> 18));
  out[1] = static_cast<char>(0x80 | ((value >> 12) & 0x3F));
  out[2] = static_cast<char>(0x80 | ((value >> 6) & 0x3F));
  out[3] = static_cast<char>(0x80 | (value & 0x3F));
  return 4;
}

void append_code_point(char32_t value, std::string& out) {
  char bytes[4];
  out.append(bytes, encode_code_point(value, bytes));
}

bool is_ascii(std::string_view text) {
  return ascii_run(text, 0) == text.size();
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      at += ascii_run(text, at);
      continue;
    }
    const CodePoint point = decode_code_point(text, at);
    if (!point.valid) return at;
    at += point.length;
  }
  return at;
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      const size_t run = ascii_run(text, at);
      count += run;
      at += run;
      continue;
    }
    at += decode_code_point(text, at).length;
    ++count;
  }
  return count;
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  size_t at = valid_utf8_prefix(text);
  out.assign(text.substr(0, at));
  while (at < text.size()) {
    append_code_point(kReplacementCharacter, out);
    ++at;
    const size_t good = valid_utf8_prefix(text.substr(at));
    out.append(text.substr(at, good));
    at += good;
  }
  return out;
}

size_t code_point_floor(std::string_view text, size_t position) {
  if (position >= text.size()) return text.size();
  // A code point that covers `position` begins at most three bytes before it. Only a start that
  // truly decodes across `position` counts: a stray continuation byte is a code point of its own.
  for (size_t back = 1; back <= 3 && back <= position; ++back) {
    const CodePoint point = decode_code_point(text, position - back);
    if (point.valid && point.length > back) return position - back;
  }
  return position;
}

}  // namespace headrace
