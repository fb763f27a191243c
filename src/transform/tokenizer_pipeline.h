// TextPipeline: normalizer, normalized added tokens, pre-tokenizer and model one after another,
// over any stretch of a text. The general way: exact for every setting, and not in a hurry; the
// tokenizers over it remember what it said about short stretches.
//
// Owns: its steps. Threads: const and safe from any thread. Errors: build() names what it cannot
// do.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_added.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_model.h"
#include "transform/tokenizer_normalizer.h"
#include "transform/tokenizer_splitter.h"
#include "transform/tokenizer_text.h"

namespace headrace {

// A token and the bytes of the original text that it stands for.
struct PlacedToken {
  int32_t id = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
};

// Leaves white space at the edges of tokens out of their offsets, as byte-level post-processors do.
class OffsetTrim {
 public:
  OffsetTrim() = default;
  explicit OffsetTrim(std::vector<bool> passes) : passes_(std::move(passes)) {}
  bool empty() const { return passes_.empty(); }

  // `leading` and `trailing`: how many white characters `token` begins and ends with. `first`: it
  // is the first of its text.
  void apply(std::string_view text, size_t leading, size_t trailing, bool first,
             PlacedToken& token) const;
  // The same for a token whose text is given: Unicode white space counts.
  void apply(std::string_view text, std::string_view token_text, bool first,
             PlacedToken& token) const;

 private:
  std::vector<bool> passes_;
};

class TextPipeline {
 public:
  static Result<TextPipeline> build(const TokenizerConfig& config);

  // Where a stretch stands: a piece (what lies between two added tokens) can get a space or a
  // prefix where it begins, and be stripped at its edges.
  struct Place {
    bool begins = true;
    bool ends = true;
    bool first = true;  // nothing came before it in the text
  };

  // Appends the tokens of text[begin, end).
  void encode(std::string_view text, size_t begin, size_t end, Place place,
              std::vector<PlacedToken>& out) const;

  // What the model sees instead of text[begin, end). `unit`: so many bytes of it stand for each
  // byte of the text; 0: all of it stands for all.
  struct Lead {
    std::string_view text;
    size_t unit = 0;
    size_t begin = 0;
    size_t end = 0;
  };
  // text[begin, end), which the model sees as it is, behind a lead if there is one. Valid UTF-8,
  // not empty.
  struct Word {
    size_t begin = 0;
    size_t end = 0;
    Lead lead = {};
  };
  // Appends the tokens of a word that needs no normalizing or splitting. `first`: it is the first
  // of its text.
  void encode_word(std::string_view text, const Word& word, bool first,
                   std::vector<PlacedToken>& out) const;
  // The same for several that are not first: see TokenModel::tokenize_words().
  void encode_words(std::string_view text, std::span<const Word> words,
                    std::vector<PlacedToken>& out, std::vector<WordEnd>& ends) const;

  // What the model sees of text[begin, end) in the middle of a piece, when that is one word.
  std::optional<AlignedText> only_word(std::string_view text, size_t begin, size_t end) const;

  // Added tokens that look otherwise in normalized text.
  const std::vector<std::pair<int32_t, std::string>>& normalized() const { return normalized_; }
  bool has_normalized_added() const { return !added_.empty(); }
  const TextNormalizer& normalizer() const { return normalizer_; }
  const OffsetTrim& trim() const { return trim_; }

 private:
  void put_word(std::string_view text, const AlignedText& aligned, size_t begin, size_t end,
                bool first, std::vector<PlacedToken>& out) const;
  void put_tokens(std::string_view text, const Word& word, std::span<const ModelToken> tokens,
                  bool first, std::vector<PlacedToken>& out) const;
  void trim_blanks(std::string_view text, std::string_view part, bool first,
                   PlacedToken& token) const;
  void trim_made(std::string_view text, std::string_view part, bool first,
                 PlacedToken& token) const;
  void find_white(const TokenizerConfig& config);
  explicit TextPipeline(AddedTokens added) : added_(std::move(added)) {}

  TextNormalizer normalizer_;
  AddedTokens added_;  // matched in normalized text
  TextSplitter splitter_;
  std::shared_ptr<const TokenModel> model_;
  OffsetTrim trim_;
  bool reads_bytes_ = false;
  bool maps_bytes_ = false;  // the model sees the symbols that stand for bytes
  // How many white characters a token begins and ends with.
  struct White {
    uint32_t leading = 0;
    uint32_t trailing = 0;
  };
  std::unordered_map<int32_t, White> white_;  // of those with any, when offsets are trimmed
  // Unigram's tokens are what they stand for, but for those of single bytes.
  bool trims_as_text_ = false;
  std::vector<std::pair<int32_t, std::string>> normalized_;
};

// The added tokens of `config` that are matched in the text as given.
Result<AddedTokens> raw_added_tokens(const TokenizerConfig& config);

}  // namespace headrace
