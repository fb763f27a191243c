// What the regular expressions, normal forms and grapheme clusters of Hugging Face `tokenizers`
// think of a code point; generated tables hold them all (tools/make_tokenizer_tables.py).
//
// Owns: constant tables. Threads: pure functions. Errors: none.
#pragma once

#include <cstdint>

#include "base/unicode.h"

namespace headrace {

// Grapheme_Cluster_Break.
enum class Cluster : uint8_t {
  kOther,
  kCR,
  kLF,
  kControl,
  kExtend,
  kZWJ,
  kRegionalIndicator,
  kPrepend,
  kSpacingMark,
  kL,
  kV,
  kT,
  kLV,
  kLVT,
};

// Indic_Conjunct_Break.
enum class Conjunct : uint8_t { kNone, kLinker, kConsonant, kExtend };

struct TextCharacter {
  static constexpr uint8_t kSpace = 1;             // \s
  static constexpr uint8_t kWord = 2;              // \w
  static constexpr uint8_t kHan = 4;               // \p{Han}
  static constexpr uint8_t kNumeric = 8;           // the pre-tokenizer Digits
  static constexpr uint8_t kMark = 16;             // the normalizer StripAccents removes it
  static constexpr uint8_t kNoCompatibility = 32;  // NFKD leaves it as NFD does
  static constexpr uint8_t kPictograph = 64;       // Extended_Pictographic

  unicode::Category category;
  uint8_t flags;
  Cluster cluster;
  Conjunct conjunct;
};

const TextCharacter& text_character(char32_t c);

}  // namespace headrace
