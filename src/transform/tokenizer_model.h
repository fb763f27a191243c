// TokenModel: one word of normalized text → tokens. What tokenizer.json calls "model".
//
// Owns: its tables. Threads: const and safe from any thread; scratch memory is per thread.
// Errors: make_token_model().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_config.h"

namespace headrace {

// A token and the bytes of the word that it stands for.
struct ModelToken {
  int32_t id = 0;
  uint32_t begin = 0;
  uint32_t end = 0;
};

// Where the tokens of one of several words end in the list of all.
struct WordEnd {
  uint32_t tokens = 0;
  // The choice was so close that behind other text, from which no token reaches into the word, it
  // could be another: sums are rounded.
  bool close = false;
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the tokens of `word` (valid UTF-8, not empty). Takes time almost linear in its length.
  virtual void tokenize(std::string_view word, std::vector<ModelToken>& out) const = 0;
  // The same for several words, which may overlap in time: what is new in a text costs mostly
  // waiting for memory. Appends an end for each word.
  virtual void tokenize_words(std::span<const std::string_view> words, std::vector<ModelToken>& out,
                              std::vector<WordEnd>& ends) const {
    for (const std::string_view word : words) {
      tokenize(word, out);
      ends.push_back({static_cast<uint32_t>(out.size()), false});
    }
  }
};

Result<std::shared_ptr<const TokenModel>> make_token_model(const TokenizerConfig& config);

// The models themselves; make_token_model() chooses.
Result<std::shared_ptr<const TokenModel>> make_bpe_model(const TokenizerConfig& config);
Result<std::shared_ptr<const TokenModel>> make_unigram_model(const TokenizerConfig& config);

// The token "<0xAB>" that stands for a byte the vocabulary has no other token for.
std::string byte_token(uint8_t byte);
bool is_byte_token(std::string_view token);

}  // namespace headrace
