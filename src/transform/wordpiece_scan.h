// Finding the words of ASCII text, 64 bytes at a time.
//
// classify_block() answers for 64 bytes at once which are letters or digits, which are white space
// and which need another way (not ASCII, or control characters); what is left is punctuation, each
// a word of its own. ScanMasks turns the bytes of one such word into its WordKey without a branch.
//
// Owns: nothing. Threads: pure functions. Errors: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "transform/byte_sorts_sse2.h"
#include "transform/wordpiece_vocabulary.h"

namespace headrace {

inline constexpr size_t kScanBlockBytes = 64;

// Bit i: byte i of the block.
struct ScanBlock {
  uint64_t word = 0;   // ASCII letters and digits
  uint64_t space = 0;  // blank, tab, line breaks
  uint64_t other = 0;  // not ASCII, other control characters
};

// One byte at a time: for machines without SSE2, and to test the other against.
inline ScanBlock classify_block_scalar(const char* p) {
  ScanBlock out;
  for (size_t i = 0; i < kScanBlockBytes; ++i) {
    const auto byte = static_cast<uint8_t>(p[i]);
    const uint64_t bit = uint64_t{1} << i;
    if (static_cast<uint8_t>((byte | 0x20) - 'a') < 26 || static_cast<uint8_t>(byte - '0') < 10) {
      out.word |= bit;
    } else if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
      out.space |= bit;
    } else if (byte < 0x20 || byte >= 0x7F) {
      out.other |= bit;
    }
  }
  return out;
}

// Reads 64 bytes at `p`.
inline ScanBlock classify_block(const char* p) {
#if defined(__SSE2__)
  using sse2::bits, sse2::equal, sse2::within;
  ScanBlock out;
  for (int i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p) + i);
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    const __m128i word = _mm_or_si128(within(folded, 'a', 26), within(bytes, '0', 10));
    // Tab and line feed are neighbours.
    const __m128i space =
        _mm_or_si128(_mm_or_si128(equal(bytes, ' '), equal(bytes, '\r')), within(bytes, '\t', 2));
    // Signed: everything past ASCII is below the blank too.
    const __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    const __m128i other = _mm_or_si128(_mm_andnot_si128(space, low), equal(bytes, 0x7F));
    out.word |= bits(word) << (16 * i);
    out.space |= bits(space) << (16 * i);
    out.other |= bits(other) << (16 * i);
  }
  return out;
#else
  return classify_block_scalar(p);
#endif
}

// Bytes → WordKey for words of 1 to 16 bytes that are letters and digits, or one punctuation mark.
class ScanMasks {
 public:
  explicit ScanMasks(bool lowercase) {
    // Setting bit 5 makes letters small and leaves digits alone, but would change punctuation:
    // the first half of the masks, for punctuation, sets nothing.
    for (size_t size = 0; size <= kWordKeyBytes; ++size) {
      for (size_t i = 0; i < size; ++i) {
        keep_[size][i] = 0xFF;
        if (lowercase) set_[1][size][i] = 0x20;
      }
    }
  }

  // Reads 16 bytes at `p`.
  WordKey key(const char* p, size_t size, bool is_word) const {
    WordKey out;
#if defined(__SSE2__)
    const auto load = [](const void* from) {
      return _mm_loadu_si128(static_cast<const __m128i*>(from));
    };
    const __m128i bytes =
        _mm_or_si128(_mm_and_si128(load(p), load(keep_[size])), load(set_[is_word ? 1 : 0][size]));
    out.low = static_cast<uint64_t>(_mm_cvtsi128_si64(bytes));
    out.high = static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(bytes, bytes)));
#else
    const auto part = [&](size_t from) {
      uint64_t bytes;
      uint64_t keep;
      uint64_t set;
      std::memcpy(&bytes, p + from, 8);
      std::memcpy(&keep, keep_[size] + from, 8);
      std::memcpy(&set, set_[is_word ? 1 : 0][size] + from, 8);
      return (bytes & keep) | set;
    };
    out.low = part(0);
    out.high = part(8);
#endif
    return out;
  }

 private:
  alignas(64) uint8_t keep_[kWordKeyBytes + 1][kWordKeyBytes] = {};
  alignas(64) uint8_t set_[2][kWordKeyBytes + 1][kWordKeyBytes] = {};
};

}  // namespace headrace
