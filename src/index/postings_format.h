// The constants and codes of docs/formats/postings.md.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>

namespace headrace::index {

inline constexpr uint32_t kPostingsMagic = 0x4F505248;  // "HRPO"
inline constexpr uint32_t kPostingsVersion = 2;
inline constexpr uint32_t kPostingsVersionMin = 1;
inline constexpr uint32_t kFeaturePositions = 1;
inline constexpr uint32_t kAnalyzerVersion = 1;
inline constexpr size_t kPostingsHeadBytes = 8;
inline constexpr size_t kPostingsTrailerBytes = 96;
inline constexpr size_t kTermsPerBlock = 32;
inline constexpr size_t kBlockIndexBytes = 20;
inline constexpr size_t kLanguageBytes = 16;

inline constexpr uint32_t kBlockRows = 128;
inline constexpr size_t kListImpacts = 8;
inline constexpr size_t kBlockImpacts = 3;
inline constexpr size_t kListHeadBytes = 2 * kListImpacts;
inline constexpr size_t kBlockRecordBytes = 20;
inline constexpr uint8_t kShortBlockBits = 255;

// Before the words of a title alone; no word begins with it.
inline constexpr char kTitleMark = '\x01';
// Between the positions of a title and those of the text: no phrase reaches over it.
inline constexpr uint32_t kTitleGap = 64;

// The largest (tf, length) pairs of a block: see "Impacts".
struct Impact {
  uint8_t tf = 1;
  uint8_t length_code = 0;
  bool operator==(const Impact&) const = default;
};

constexpr uint32_t decode_length(uint8_t code) {
  if (code < 64) return code;
  const uint32_t exponent = (code - 64u) / 16u;
  return (16u + (code - 64u) % 16u) << (exponent + 2);
}

// The code nearest to `length`, ties up.
constexpr uint8_t encode_length(uint32_t length) {
  if (length < 64) return static_cast<uint8_t>(length);
  const auto shift = static_cast<uint32_t>(std::bit_width(length)) - 5;  // 5 leading bits are kept
  const uint64_t rounded = (uint64_t{length} + (uint64_t{1} << (shift - 1))) >> shift;
  const uint64_t code = 64 + (uint64_t{shift} - 2) * 16 + (rounded - 16);
  return static_cast<uint8_t>(std::min<uint64_t>(code, 255));
}

}  // namespace headrace::index
