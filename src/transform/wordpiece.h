// WordPieceTokenizer: BERT's tokenizer (normalizer, pre-tokenizer, WordPiece, added tokens).
//
// Three ways through a text, all with the same result:
//   1. ASCII words of up to 16 bytes: found in blocks of 64 bytes, put into lower case at
//      once, then one probe of a table. This is nearly all of English text.
//   2. Other words whose code points map one by one (accents, Cyrillic, quotes, ideographs).
//   3. BertStream, for everything else: marks that sort, unusual options, normalized added tokens.
//
// Owns: its vocabulary. Threads: const and safe from any thread; scratch memory is per thread.
// Errors: build(). Texts must be shorter than 4 GiB (offsets have 32 bits).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer.h"
#include "transform/tokenizer_added.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_frame.h"
#include "transform/wordpiece_scan.h"
#include "transform/wordpiece_vocabulary.h"

namespace headrace {

class WordPieceTokenizer final : public FramedTokenizer {
 public:
  // Whether this class does what the file asks: BERT's normalizer or none, BERT's splitting.
  static bool takes(const TokenizerConfig& config);
  static Result<std::shared_ptr<const Tokenizer>> build(TokenizerConfig config);

  // For build(): not ready for use before prepare().
  WordPieceTokenizer(WordPieceVocabulary vocabulary, AddedTokens raw, AddedTokens normalized,
                     const BertOptions& bert)
      : vocabulary_(std::move(vocabulary)),
        added_(std::move(raw)),
        added_normalized_(std::move(normalized)),
        bert_(bert),
        masks_(bert.lowercase) {}

  void encode(std::string_view text, Encoding& out) const override;
  size_t encode_ids(std::string_view text, size_t limit, std::vector<int32_t>& out) const override;

 private:
  // What the main loop does with a byte; kBeyond: not ASCII.
  enum class Kind : uint8_t { kWord, kSpace, kPunctuation, kDrop, kBeyond };

  void prepare(const TokenizerConfig& config);

  template <typename Sink>
  class Run;  // one call's state

  WordPieceVocabulary vocabulary_;
  AddedTokens added_;             // matched in the text as given
  AddedTokens added_normalized_;  // matched in the normalized text
  BertOptions bert_;
  bool fast_ = false;  // the options are those of BERT uncased or cased: ways 1 and 2 apply
  ScanMasks masks_;
  std::array<Kind, 256> kinds_{};
  std::array<int32_t, 128> punctuation_ids_{};  // of one ASCII character as a word
};

}  // namespace headrace
