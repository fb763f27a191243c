// The sorts of 64 bytes of text at once, as the patterns that split texts ask for them.
//
// Owns: nothing. Threads: pure functions. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>

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

// What the processor has, chosen when first asked for; each reads 64 bytes at `p`.
void sorts_of_block_sse2(const char* p, ByteSorts* out);
void sorts_of_block_avx2(const char* p, ByteSorts* out);
void sorts_of_block_avx512(const char* p, ByteSorts* out);
extern void (*const sorts_of_block_best)(const char* p, ByteSorts* out);

inline ByteSorts sorts_of_block(const char* p) {
  ByteSorts out;
  sorts_of_block_best(p, &out);
  return out;
}

}  // namespace headrace
