// AddedTokens: finds a tokenizer's added tokens ("[MASK]", "<|user|>") in a text.
//
// Matches are leftmost, then longest, and do not overlap, with the single_word, lstrip and rstrip
// rules of Hugging Face `tokenizers`. One object serves one kind of text: the text as given, or
// the normalized text.
//
// Owns: its patterns. Threads: const after construction. Errors: build() refuses what cannot be
// matched.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_trie.h"

namespace headrace {

// What `tokenizers` takes for part of a word (\w of the regular expressions it uses for that).
bool is_word_character(char32_t c);

class AddedTokens {
 public:
  // patterns[i] is what stands in the text for tokens[i] (its content, or that normalized). Of
  // equal patterns the first counts (in `tokenizers` it is now one, now another), and empty ones
  // do not.
  static Result<AddedTokens> build(std::vector<AddedToken> tokens,
                                   const std::vector<std::string>& patterns);

  struct Match {
    size_t begin = 0;
    size_t end = 0;
    int32_t id = 0;
  };

  bool empty() const { return tokens_.empty(); }

  // Calls `piece(begin, end)` for each non-empty stretch without added tokens and `token(match)`
  // for each added token, in order.
  template <typename Piece, typename Token>
  void split(std::string_view text, Piece&& piece, Token&& token) const {
    size_t done = 0;
    size_t from = 0;
    Match match;
    while (!tokens_.empty() && find(text, done, from, match)) {
      if (done < match.begin) piece(done, match.begin);
      token(match);
      done = match.end;
    }
    if (done < text.size()) piece(done, text.size());
  }

 private:
  AddedTokens() = default;
  // The next match at or after `from` (moved behind it). `done` is the end of the match before.
  bool find(std::string_view text, size_t done, size_t& from, Match& match) const;
  size_t next_candidate(std::string_view text, size_t from) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;                   // pattern → place in tokens_
  std::array<bool, 256> starts_{};  // first bytes of patterns
  int single_start_ = -1;           // the first byte, when all patterns share it
};

}  // namespace headrace
