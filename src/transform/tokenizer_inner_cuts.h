// InnerCuts: where a stretch of plain ASCII can be cut inside, for models of SentencePiece's kind:
// between two characters that no token holds side by side.
//
// "word," and "(word" become parts that other stretches have as well, so that fewer are new. BPE
// merges the parts as it would merge the whole. Unigram adds up scores from the beginning of the
// whole, and sums are rounded: it must say when its choice could depend on that.
//
// Owns: small tables. Threads: const after find(). Errors: none.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "transform/tokenizer_blocks.h"
#include "transform/tokenizer_config.h"

namespace headrace {

class InnerCuts {
 public:
  // `plain`: the ASCII characters that the model sees as they are, whatever stands around them.
  static InnerCuts find(const TokenizerConfig& config, const std::array<bool, 128>& plain);

  bool any() const { return any_; }
  // Whether a stretch with this byte may be cut, anywhere.
  bool is_clean(char byte) const { return clean_[static_cast<uint8_t>(byte)]; }
  bool between(char before, char after) const {
    const auto from = static_cast<uint8_t>(before);
    const auto to = static_cast<uint8_t>(after);
    return from < 128 && to < 128 && ((apart_[from][to / 64] >> (to % 64)) & 1) != 0;
  }

  // Bytes of a block before which there may be a cut, but for the first: between() must say so.
  uint64_t candidates(const ByteSorts& is) const {
    const uint64_t inside =
        (is.letters & is.letters << 1) | (digits_apart_ ? 0 : is.digits & is.digits << 1);
    const uint64_t never = is.blanks | is.beyond;
    return ~(inside | never | never << 1 | 1);
  }
  // Bytes with which a stretch must not be cut.
  uint64_t unclean(const ByteSorts& is) const {
    return is.beyond | is.controls | (white_clean_ ? 0 : is.white & ~is.blanks);
  }

 private:
  bool any_ = false;
  bool digits_apart_ = false;
  bool white_clean_ = false;  // tabs and line ends are plain
  std::array<bool, 256> clean_{};
  std::array<std::array<uint64_t, 2>, 128> apart_{};
};

}  // namespace headrace
