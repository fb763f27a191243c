// SpacedChunks: where a text can be cut before white space so that each part can be normalized,
// split and tokenized by itself, for tokenizers of SentencePiece's kind.
//
// A cut stands before a space (or line end, where the normalizer makes one of it) that follows a
// visible character. It is right when the normalizer treats each side alone, and when the
// pre-tokenizer splits there, or no token of a BPE vocabulary reaches across.
//
// Owns: small tables. Threads: const after find(). Errors: none.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "transform/tokenizer_blocks.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_inner_cuts.h"
#include "transform/tokenizer_normalizer.h"
#include "transform/tokenizer_pipeline.h"

namespace headrace {

class SpacedChunks {
 public:
  // Nothing when the settings allow no such cuts.
  static std::optional<SpacedChunks> find(const TokenizerConfig& config,
                                          const TextNormalizer& normalizer);

  // Learns which parts the model sees as they are, but for the blank that they begin with, and then
  // where stretches may be cut inside.
  void find_plain(const TokenizerConfig& config, const TextPipeline& pipeline);
  void find_inner_cuts(const TokenizerConfig& config);
  // What of text[begin, end), valid UTF-8, the model sees as it is, and what it sees instead of
  // white space before that. Nothing: it does not see all of it so.
  std::optional<TextPipeline::Word> plain_word(std::string_view text, size_t begin,
                                               size_t end) const;

  // Whether a piece that begins so may be cut: what a precompiled map removes at the beginning
  // moves the offsets of all that follows (a quirk of the reference that must be kept).
  bool may_begin(std::string_view piece, const TextNormalizer& normalizer) const;

  // Calls put(from, to, inner) for each stretch between cuts in text[begin, end), in order, with
  // the places where the stretch may be cut inside (all but the first and the last begin with white
  // space). `text` is valid UTF-8.
  template <typename Put>
  void each_stretch(std::string_view text, size_t begin, size_t end, Put&& put) const {
    size_t from = begin;
    bool spaced = true;  // no cut at the beginning
    bool clean = true;
    size_t inner[kInnerMost];
    size_t count = 0;
    const auto cut = [&](size_t at) {
      put(from, at, std::span<const size_t>(inner, clean && count < kInnerMost ? count : 0));
      from = at;
      clean = true;
      count = 0;
    };
    InnerCuts::Carry carry;
    size_t at = begin;
    for (; end - at >= kBlock; at += kBlock) {
      const uint64_t spaces = space_bits(text.data() + at);
      const uint64_t starts = spaces & ~(spaces << 1 | (spaced ? 1 : 0));
      spaced = (spaces >> (kBlock - 1)) != 0;
      uint64_t places = starts;
      uint64_t unclean = 0;
      if (inner_.any()) {
        const ByteSorts is = sorts_of_block(text.data() + at);
        places |= inner_.candidates(is, carry);
        unclean = inner_.unclean(is) & ~spaces;
      }
      size_t seen = 0;  // how many bytes of the block have been looked at for being unclean
      for (; places != 0; places &= places - 1) {
        const auto bit = static_cast<size_t>(std::countr_zero(places));
        if (((starts >> bit) & 1) == 0) {
          if (at + bit == begin || !inner_.between(text[at + bit - 1], text[at + bit])) continue;
          if (count < kInnerMost) inner[count++] = at + bit;
        } else if (may_follow(text, at + bit)) {
          clean = clean && (unclean & bits_below(bit) & ~bits_below(seen)) == 0;
          seen = bit;
          cut(at + bit);
        }
      }
      clean = clean && (unclean & ~bits_below(seen)) == 0;
    }
    for (; at < end; ++at) {
      const bool space = spaces_[static_cast<uint8_t>(text[at])];
      if (space && !spaced && may_follow(text, at)) cut(at);
      spaced = space;
      clean = clean && (space || inner_.is_clean(text[at]));
    }
    cut(end);
  }

 private:
  static constexpr size_t kBlock = 64;
  static constexpr size_t kInnerMost = 16;
  static uint64_t bits_below(size_t count) { return (uint64_t{1} << count) - 1; }  // of 0 to 63
  enum class After : uint8_t { no, yes, look };

  bool stands_for_each_blank(const TextPipeline& pipeline) const;
  uint64_t space_bits(const char* p) const;
  bool may_follow(std::string_view text, size_t at) const {
    const After after = after_[static_cast<uint8_t>(text[at - 1])];
    return after == After::yes || (after == After::look && may_follow_slow(text, at));
  }
  bool may_follow_slow(std::string_view text, size_t at) const;

  bool has_map_ = false;
  std::array<bool, 256> spaces_{};
  std::array<char, 4> space_list_{};  // the same, filled up with repeats
  std::array<After, 256> after_{};    // of the byte before
  // Code points below 65,536 that no step changes, whatever stands around them; empty: none.
  std::vector<uint64_t> plain_;
  std::string lead_;   // what stands for one blank
  std::string leads_;  // for blanks_most_, one for each
  size_t blanks_most_ = 16;
  bool lead_is_character_ = false;  // it stands for the first character behind the blank
  InnerCuts inner_;
  std::vector<char32_t> joined_;  // characters that a token holds before a space, sorted
};

}  // namespace headrace
