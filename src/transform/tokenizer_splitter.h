// TextSplitter: the steps of a tokenizer.json's "pre_tokenizer": a normalized text → words.
//
// Owns: its steps. Threads: const after build(). Errors: build() names the step.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_regex.h"
#include "transform/tokenizer_text.h"

namespace headrace {

// The pattern by which ByteLevel itself splits (GPT-2's).
inline constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// A stretch of an AlignedText: a word, or an added token.
struct TextPiece {
  static constexpr int32_t kWord = -1;
  size_t begin = 0;
  size_t end = 0;
  int32_t id = kWord;
};

class TextSplitter {
 public:
  TextSplitter() = default;
  static Result<TextSplitter> build(const TokenizerConfig& config);

  // Splits those of `pieces` that are words. Steps that put spaces in change the text as well. A
  // text in the middle of a piece gets no space from ByteLevel.
  void apply(AlignedText& text, std::vector<TextPiece>& pieces, bool begins) const;

 private:
  struct Step {
    PreTokenizerStep config;
    std::shared_ptr<const TokenRegex> pattern;
  };
  // A match or what stands between two, as offsets into a piece.
  struct Stretch {
    size_t begin;
    size_t end;
    bool match;
  };

  static void split(const Step& step, std::string_view text, std::vector<Stretch>& out);
  static void put_spaces(const Step& step, AlignedText& text, std::vector<TextPiece>& pieces);

  std::vector<Step> steps_;
};

}  // namespace headrace
