// TokenDecoder: tokens → text, by the steps of a tokenizer.json's "decoder".
//
// Owns: its steps. Threads: const after build(). Errors: build() names a pattern it cannot use.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_regex.h"

namespace headrace {

class TokenDecoder {
 public:
  TokenDecoder() = default;
  static Result<TokenDecoder> build(const TokenizerConfig& config);

  // Consumes `tokens`. Without a decoder they are joined by spaces.
  std::string decode(std::vector<std::string> tokens) const;

 private:
  struct Step {
    DecoderStep config;
    std::shared_ptr<const TokenRegex> pattern;  // replace by regular expression
  };

  bool joins_by_space_ = true;
  std::vector<Step> steps_;
};

}  // namespace headrace
