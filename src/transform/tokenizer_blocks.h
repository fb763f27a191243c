// The sorts of 64 bytes of text at once, as the patterns that split texts ask for them.
//
// Owns: nothing. Threads: pure functions. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace headrace {

// Bit i: byte i of the block.
struct ByteSorts {
  uint64_t letters = 0;  // of ASCII, as are all others
  uint64_t capitals = 0;
  uint64_t digits = 0;
  uint64_t white = 0;   // blank, and tab to carriage return
  uint64_t blanks = 0;  // U+0020
  uint64_t line_ends = 0;
  uint64_t slashes = 0;
  uint64_t quotes = 0;    // '
  uint64_t controls = 0;  // below the blank but not white, and U+007F
  uint64_t beyond = 0;    // no ASCII

  uint64_t others() const { return ~(letters | digits | white | beyond); }
};

// One byte at a time: for machines without SSE2, and to test the other against.
inline ByteSorts sorts_of_block_scalar(const char* p) {
  ByteSorts out;
  for (size_t i = 0; i < 64; ++i) {
    const auto byte = static_cast<uint8_t>(p[i]);
    const uint64_t bit = uint64_t{1} << i;
    if (static_cast<uint8_t>((byte | 0x20) - 'a') < 26) out.letters |= bit;
    if (static_cast<uint8_t>(byte - 'A') < 26) out.capitals |= bit;
    if (static_cast<uint8_t>(byte - '0') < 10) out.digits |= bit;
    if (byte == ' ' || (byte >= '\t' && byte <= '\r')) out.white |= bit;
    if (byte == ' ') out.blanks |= bit;
    if (byte == '\n' || byte == '\r') out.line_ends |= bit;
    if (byte == '/') out.slashes |= bit;
    if (byte == '\'') out.quotes |= bit;
    const bool white = byte >= '\t' && byte <= '\r';
    if ((byte < ' ' && !white) || byte == 0x7F) out.controls |= bit;
    if (byte >= 0x80) out.beyond |= bit;
  }
  return out;
}

// Reads 64 bytes at `p`.
inline ByteSorts sorts_of_block(const char* p) {
#if defined(__SSE2__)
  // Unsigned "x - low < count" by a shift into the signed range.
  const auto within = [](__m128i x, int low, int count) {
    const __m128i moved = _mm_add_epi8(x, _mm_set1_epi8(static_cast<char>(-128 - low)));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8(static_cast<char>(-128 + count)));
  };
  const auto equal = [](__m128i x, char c) { return _mm_cmpeq_epi8(x, _mm_set1_epi8(c)); };
  const auto bits = [](__m128i x) {
    return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(x)));
  };
  ByteSorts out;
  for (int i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p) + i);
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const __m128i blanks = equal(bytes, ' ');
    const int shift = 16 * i;
    out.letters |= bits(within(folded, 'a', 26)) << shift;
    out.capitals |= bits(within(bytes, 'A', 26)) << shift;
    out.digits |= bits(within(bytes, '0', 10)) << shift;
    const __m128i tabs = within(bytes, '\t', 5);
    out.white |= bits(_mm_or_si128(blanks, tabs)) << shift;
    out.blanks |= bits(blanks) << shift;
    out.line_ends |= bits(_mm_or_si128(equal(bytes, '\n'), equal(bytes, '\r'))) << shift;
    out.slashes |= bits(equal(bytes, '/')) << shift;
    out.quotes |= bits(equal(bytes, '\'')) << shift;
    out.controls |=
        bits(_mm_or_si128(_mm_andnot_si128(tabs, within(bytes, 0, ' ')), equal(bytes, 0x7F)))
        << shift;
    out.beyond |= bits(bytes) << shift;
  }
  return out;
#else
  return sorts_of_block_scalar(p);
#endif
}

}  // namespace headrace
