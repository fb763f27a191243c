// The tokens of a document's text around the row that is being cut. The text is tokenised once,
// from front to back in pieces of some 32 KiB, and forgotten behind the row, so that memory does
// not grow with the document.
//
// Owns: the tokens in the window; the text must outlive it. Threads: one thread at a time.
// Errors: none.
#pragma once

#include <cstddef>
#include <string_view>

#include "transform/tokenizer.h"

namespace headrace {

class ChunkWindow {
 public:
  ChunkWindow(const Tokenizer& tokenizer, std::string_view text)
      : tokenizer_(tokenizer), text_(text) {}

  // Where the text stops that begins at `begin` and holds at most `tokens` tokens and `bytes`
  // bytes: the first byte that does not belong to it, text.size() when all the rest fits.
  // `begin` never falls behind the last begin given to forget_before().
  size_t limit(size_t begin, size_t tokens, size_t bytes);
  // The begin of the token that stands `tokens` before byte `end`, but not before `begin`.
  size_t back(size_t begin, size_t end, size_t tokens);
  // The number of tokens that begin in [begin, end), which limit() has seen.
  size_t count(size_t begin, size_t end) const;
  // Tokens that end at or before `begin` are not needed any more.
  void forget_before(size_t begin);

 private:
  void encode_more();
  size_t first_token_after(size_t position) const;

  const Tokenizer& tokenizer_;
  std::string_view text_;
  Encoding tokens_;
  size_t first_ = 0;        // tokens before this index are forgotten
  size_t encoded_end_ = 0;  // text up to here is in tokens_
};

}  // namespace headrace
