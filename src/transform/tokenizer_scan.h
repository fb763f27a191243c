// BytePattern: the patterns by which byte-level tokenizers split, written out by hand.
//
// Known are GPT-2's (also RoBERTa's) and Llama 3's with up to 3 digits or one (Qwen's). Others are
// left to TokenRegex; the two agree (tokenizer_scan_test.cpp).
//
// Owns: nothing. Threads: const. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace headrace {

class BytePattern {
 public:
  // Nothing when the pattern is none of the known ones.
  static std::optional<BytePattern> known(std::string_view pattern);

  // The end of the word that begins at text[at]. `text` is valid UTF-8.
  size_t next(std::string_view text, size_t at) const {
    return gpt2_ ? next_gpt2(text, at) : next_llama(text, at);
  }

  // Which of the 64 bytes at `block`, where a word begins, begin words; bit 0 is always set. What
  // is not certain (near the end, and from the first byte that is not ASCII on) is left out, but
  // between two of the starts there is no other. Needs 64 bytes of the same text.
  static constexpr size_t kBlock = 64;
  uint64_t starts(const char* block) const;

  // Whether a line that begins with no white space can be split by itself.
  bool splits_lines() const { return !gpt2_; }

 private:
  BytePattern(bool gpt2, size_t digits) : gpt2_(gpt2), digits_(digits) {}
  static size_t next_gpt2(std::string_view text, size_t at);
  size_t next_llama(std::string_view text, size_t at) const;

  bool gpt2_;
  size_t digits_;  // how many in one word
};

}  // namespace headrace
