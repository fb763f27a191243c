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
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_normalizer.h"
#include "transform/tokenizer_pipeline.h"

namespace headrace {

class SpacedChunks {
 public:
  // Nothing when the settings allow no such cuts.
  static std::optional<SpacedChunks> find(const TokenizerConfig& config,
                                          const TextNormalizer& normalizer);

  // Learns which parts the model sees as they are, but for the blank that they begin with.
  void find_plain(const TokenizerConfig& config, const TextPipeline& pipeline);
  // Where in `part`, valid UTF-8 that begins with white space, the characters begin that the model
  // sees as they are; 0: it does not see all of them so.
  size_t plain_from(std::string_view part) const;
  // What the model sees instead of the white space in front of `plain`, a place in `text`.
  TextPipeline::Lead lead(std::string_view text, size_t plain) const {
    if (!lead_is_character_) return {lead_, plain - 1, plain};
    return {lead_, plain, plain + decode_code_point(text, plain).length};
  }

  // Whether a piece that begins so may be cut: what a precompiled map removes at the beginning
  // moves the offsets of all that follows (a quirk of the reference that must be kept).
  bool may_begin(std::string_view piece, const TextNormalizer& normalizer) const;

  // Calls cut(place) for each cut inside text[begin, end), in order. `text` is valid UTF-8.
  template <typename Cut>
  void each_cut(std::string_view text, size_t begin, size_t end, Cut&& cut) const {
    size_t at = begin;
    bool spaced = true;  // no cut at the beginning
    while (end - at >= kBlock) {
      const uint64_t spaces = space_bits(text.data() + at);
      uint64_t starts = spaces & ~(spaces << 1 | (spaced ? 1 : 0));
      spaced = (spaces >> (kBlock - 1)) != 0;
      for (; starts != 0; starts &= starts - 1) {
        const size_t place = at + static_cast<size_t>(std::countr_zero(starts));
        if (may_follow(text, place)) cut(place);
      }
      at += kBlock;
    }
    for (; at < end; ++at) {
      const bool space = spaces_[static_cast<uint8_t>(text[at])];
      if (space && !spaced && may_follow(text, at)) cut(at);
      spaced = space;
    }
  }

 private:
  static constexpr size_t kBlock = 64;
  enum class After : uint8_t { no, yes, look };

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
  std::string lead_;
  bool lead_is_character_ = false;  // it stands for the first character behind the blank
  std::vector<char32_t> joined_;    // characters that a token holds before a space, sorted
};

}  // namespace headrace
