// GeneralTokenizer: any tokenizer.json that TextPipeline can do, WordPiece of BERT aside (that has
// a class of its own, wordpiece.h).
//
// Three ways through a text, all with the same result:
//   1. Byte-level tokenizers: words by a pattern, each looked up among those the thread has seen.
//   2. SentencePiece's kind: the stretches between two spaces, looked up as they stand in the text,
//      before any normalizing.
//   3. TextPipeline over whole pieces, for everything else; it also answers what the look-ups miss.
//
// Owns: its pipeline and vocabulary. Threads: const and safe from any thread; scratch memory is per
// thread. Errors: build(). Texts must be shorter than 1 GiB.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_added.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_frame.h"
#include "transform/tokenizer_pipeline.h"
#include "transform/tokenizer_regex.h"
#include "transform/tokenizer_scan.h"
#include "transform/tokenizer_spaced.h"

namespace headrace {

class GeneralTokenizer final : public FramedTokenizer {
 public:
  static Result<std::shared_ptr<const Tokenizer>> build(TokenizerConfig config);

  // For build().
  GeneralTokenizer(AddedTokens added, TextPipeline pipeline)
      : added_(std::move(added)), pipeline_(std::move(pipeline)) {}

  void encode(std::string_view text, Encoding& out) const override;
  size_t encode_ids(std::string_view text, size_t limit, std::vector<int32_t>& out) const override;

 private:
  template <typename Sink>
  class Run;  // one call's state

  void choose_way(const TokenizerConfig& config);
  bool is_fast() const { return bytes_ || regex_ || spaced_; }

  AddedTokens added_;  // matched in the text as given
  TextPipeline pipeline_;
  // Way 1: one of these.
  std::optional<BytePattern> bytes_;
  std::shared_ptr<const TokenRegex> regex_;
  bool drops_gaps_ = false;  // what `regex_` does not match is no word
  bool prefix_ = false;      // a piece that begins with no space gets one
  bool nfc_ = false;
  // Way 2.
  std::optional<SpacedChunks> spaced_;
  uint64_t serial_ = 0;  // tells the tokenizers of a process apart, for the cache
};

}  // namespace headrace
