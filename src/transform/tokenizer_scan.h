// BytePattern: the patterns by which byte-level tokenizers split, written out by hand.
//
// Known are GPT-2's (also RoBERTa's), Llama 3's with up to 3 digits or one (Qwen's), and that of
// o200k (GPT-4o's), which tells capitals from small letters. Others are left to TokenRegex; the two
// agree (tokenizer_regex_test.cpp).
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
    switch (kind_) {
      case Kind::gpt2:
        return next_gpt2(text, at);
      case Kind::llama:
        return next_llama(text, at);
      case Kind::o200k:
        break;
    }
    return next_o200k(text, at);
  }

  // Which of the 64 bytes at `block`, where a word begins, begin words; bit 0 is always set. What
  // is not certain (near the end, and from the first byte that is not ASCII on) is left out, but
  // between two of the starts there is no other. Needs 64 bytes of the same text.
  static constexpr size_t kBlock = 64;
  uint64_t starts(const char* block) const;

  // Whether a line that begins with no white space can be split by itself.
  bool splits_lines() const { return kind_ == Kind::llama; }

 private:
  enum class Kind : uint8_t { gpt2, llama, o200k };
  BytePattern(Kind kind, size_t digits) : kind_(kind), digits_(digits) {}
  static size_t next_gpt2(std::string_view text, size_t at);
  size_t next_llama(std::string_view text, size_t at) const;
  size_t next_o200k(std::string_view text, size_t at) const;
  // What begins with no letter, and with nothing that could stand before letters.
  size_t next_other(std::string_view text, size_t at, bool slashes) const;

  Kind kind_;
  size_t digits_;  // how many in one word
};

}  // namespace headrace
