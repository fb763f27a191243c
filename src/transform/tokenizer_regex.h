// TokenRegex: the regular expressions that tokenizer.json files split and replace by.
//
// The dialect is that part of Oniguruma's (Ruby syntax, Unicode) that tokenizers use: literals,
// classes, \s \d \w and \p{…}, groups, alternatives, (?i:…), look-ahead, and quantifiers (greedy,
// lazy, possessive). The first alternative that matches wins, as there. Code points are judged by
// the tables of tokenizer_characters.h. Everything else is refused by name.
//
// A match takes memory for its open choices only, and gives up (no match) after a fixed number of
// steps, so that no pattern can run for ever.
//
// Owns: its program. Threads: const after compile(). Errors: compile(): unsupported.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/utf8.h"

namespace headrace {

// A set of code points.
struct RegexSet {
  struct Range {
    char32_t first;
    char32_t last;
  };
  bool negate = false;
  bool ignore_case = false;
  uint32_t categories = 0;  // bit: unicode::Category
  uint8_t flags = 0;        // of TextCharacter: any of them
  uint8_t not_flags = 0;    // any of them missing
  std::vector<Range> ranges;
  std::array<uint64_t, 2> ascii{};  // filled by finish()

  void finish();
  bool has(char32_t c) const {
    if (c < 0x80) return (ascii[c >> 6] >> (c & 63)) & 1;
    return has_slow(c);
  }
  bool has_slow(char32_t c) const;
  bool lists(char32_t c) const;  // negation and case aside
};

class TokenRegex {
 public:
  static Result<TokenRegex> compile(std::string_view pattern);

  static constexpr size_t kNone = SIZE_MAX;
  // The end of the match that begins at `at`, or kNone. `text` is valid UTF-8.
  size_t match(std::string_view text, size_t at) const;

  // Calls `found(begin, end)` for each match, leftmost first, without overlap.
  template <typename Found>
  void each_match(std::string_view text, Found&& found) const {
    size_t last_end = kNone;
    for (size_t at = 0; at <= text.size();) {
      size_t end = kNone;
      if (at == text.size() || starts_[static_cast<uint8_t>(text[at])]) end = match(text, at);
      const size_t step =
          at < text.size() ? decode_code_point(text, at).length : 1;  // to the next character
      // An empty match right behind a match is none.
      if (end == kNone || (end == at && last_end == at)) {
        at += step;
        continue;
      }
      found(at, end);
      last_end = end;
      at = end;
    }
  }

 private:
  friend class RegexParser;
  struct Step {
    enum class Kind : uint8_t {
      set,         // one character of `set`
      repeat,      // min to max characters of `set`; mode
      split,       // goes on at `to`, and if that fails at `other`
      jump,        // to `to`
      look_ahead,  // what follows up to its accept must match (negate: must not), then `to`
      line_begin,
      line_end,
      accept,
    };
    enum class Mode : uint8_t { greedy, lazy, possessive };
    Kind kind = Kind::accept;
    Mode mode = Mode::greedy;
    bool negate = false;
    uint32_t set = 0;
    uint32_t min = 0;
    uint32_t max = 0;
    uint32_t to = 0;
    uint32_t other = 0;
  };
  struct Run;

  TokenRegex() = default;
  size_t run(std::string_view text, size_t at, uint32_t step, Run& state) const;

  std::vector<Step> steps_;
  std::vector<RegexSet> sets_;
  std::array<bool, 256> starts_{};  // bytes that a match can begin with
};

}  // namespace headrace
