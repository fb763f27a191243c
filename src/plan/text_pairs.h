// TextPairs: a query beside each of many texts, as a cross-encoder reads them.
//
// Where both are too long the longer one is cut first, down to the other's length, then both: as
// "longest first" of the tokenizers that cross-encoders are trained with.
//
// Owns: the query's tokens. Threads: const and safe from any thread. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "transform/tokenizer.h"

namespace headrace {

struct TextPair {
  std::vector<int32_t> ids;  // special tokens included
  size_t second = 0;         // where the tokens of the second type begin
  bool cut = false;
};

// How many tokens stay of two texts that may have `most` together.
std::pair<size_t, size_t> longest_first(size_t first, size_t second, size_t most);

class TextPairs {
 public:
  // Pairs have at most `tokens_max` tokens.
  TextPairs(const Tokenizer& tokenizer, std::string_view query, size_t tokens_max);
  TextPair with(std::string_view text) const;

 private:
  const Tokenizer& tokenizer_;
  size_t tokens_max_;
  std::vector<int32_t> query_;
  // Special tokens around and between, with where the second type begins, counted from the end of
  // `between_`: learnt from how the tokenizer joins two short texts.
  std::vector<int32_t> before_, between_, after_;
  size_t first_type_between_ = 0;  // tokens of `between_` that are of the first type
  bool typed_ = false;             // whether there is a second type at all
};

}  // namespace headrace
