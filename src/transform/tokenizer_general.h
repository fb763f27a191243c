// GeneralTokenizer: any tokenizer.json that TextPipeline can do, WordPiece of BERT aside (that has
// a class of its own, wordpiece.h).
//
// Owns: its pipeline and vocabulary. Threads: const and safe from any thread; scratch memory is per
// thread. Errors: build().
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_added.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_frame.h"
#include "transform/tokenizer_pipeline.h"

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
  void encode_into(std::string_view text, Sink& sink) const;

  AddedTokens added_;  // matched in the text as given
  TextPipeline pipeline_;
};

}  // namespace headrace
