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

  // Cuts in the 64 bytes at `at`, where a stretch or a part of one begins: bit i stands for a cut
  // before byte i. What lies behind the last one is left for the next block; none: the stretch is
  // longer than the block. Between the others stand stretches, whole ones, and their parts.
  struct Cuts {
    uint64_t all = 0;
    uint64_t stretches = 0;  // those of `all` where a stretch begins
  };
  static constexpr size_t kBlock = 64;
  Cuts cuts_of_block(std::string_view text, size_t at) const;

  // The same one at a time, for what is left of text[at, end): where the stretch ends, and the
  // places where it may be cut inside.
  struct Stretch {
    size_t end = 0;
    size_t inner_count = 0;
    std::array<size_t, 16> inner;
    std::span<const size_t> cuts() const { return {inner.data(), inner_count}; }
  };
  void find_stretch(std::string_view text, size_t at, size_t end, Stretch& out) const;

 private:
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
  bool parts_are_free_ = false;   // see find_inner_cuts()
  std::vector<char32_t> joined_;  // characters that a token holds before a space, sorted
};

}  // namespace headrace
