// TokenRegex: the regular expressions that tokenizer.json files split and replace by.
//
// The dialect is that part of Oniguruma's (Ruby syntax, Unicode) that tokenizers use: literals,
// classes, \s \d \w and \p{…}, groups, alternatives, (?i:…), look-ahead, and quantifiers (greedy,
// lazy, possessive). The first alternative that matches wins, as there. Code points are judged by
// the tables of tokenizer_characters.h. Everything else is refused by name.
//
// A search that takes many steps begins to remember from which places of the text which steps lead
// nowhere, so that no pattern takes exponential time, and hardly any quadratic: "(a+)+$" is linear.
// That takes two bits for each byte and branch, 64 MiB at most, and open choices another 200 MiB at
// most (a group repeated over megabytes). What is still beyond that, or a number of steps that
// grows with the text, ends the search: there are no further matches.
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
  struct Step;

 public:
  static Result<TokenRegex> compile(std::string_view pattern);

  static constexpr size_t kNone = SIZE_MAX;
  static constexpr uint32_t kEndless = UINT32_MAX;  // repeats
  // The matches in one text, which must stay.
  class Search {
   public:
    // Without patience it remembers from the first step on, for tests.
    Search(const TokenRegex& regex, std::string_view text, bool patient = true)
        : regex_(regex), text_(text), patient_(patient) {}
    size_t match(size_t at);

   private:
    struct Choice;
    size_t run(size_t at, uint32_t step, bool looks);
    enum class Outcome : uint8_t { nowhere, open, match };
    Outcome repeat(uint32_t step, size_t& at);
    bool take_up(size_t floor, size_t& at, uint32_t& step);
    bool extend(Choice& choice, size_t below);
    bool may_go_on();
    void give_up();
    void remember(size_t at);
    void keep_alive(size_t floor);
    bool has(const std::vector<uint64_t>& bits, const Step& step, size_t at) const;
    bool is_dead(const Step& step, size_t at) const { return has(dead_, step, at); }
    bool is_alive(const Step& step, size_t at) const { return has(alive_, step, at); }
    void put(std::vector<uint64_t>& bits, const Step& step, size_t from, size_t to) const;
    size_t most_steps() const;

    const TokenRegex& regex_;
    std::string_view text_;
    bool patient_;
    size_t start_ = 0;                        // of the match
    std::vector<Choice>* choices_ = nullptr;  // the thread's
    size_t used_ = 0;                         // steps
    size_t limit_ = 0;                        // of them, before the next look at what to do
    bool remembers_ = false;                  // the searches from now on
    // Bit: nothing that begins with this branch at this place of the text leads to a match. For an
    // endless repeat: with its least number of characters before the place.
    std::vector<uint64_t> dead_;
    std::vector<uint64_t> alive_;  // the same, within a look-ahead: it leads to its end
    size_t window_begin_ = 0;      // the places that there are bits for
    size_t window_size_ = 0;
  };

  // The end of the match that begins at `at`, or kNone. `text` is valid UTF-8.
  size_t match(std::string_view text, size_t at) const { return Search(*this, text).match(at); }

  // Calls `found(begin, end)` for each match, leftmost first, without overlap.
  template <typename Found>
  void each_match(std::string_view text, Found&& found) const {
    Search search(*this, text);
    size_t last_end = kNone;
    for (size_t at = 0; at <= text.size();) {
      size_t end = kNone;
      if (at == text.size() || starts_[static_cast<uint8_t>(text[at])]) end = search.match(at);
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
    uint32_t branch = 0;  // split, repeat: its number among them
  };

  TokenRegex() = default;

  std::vector<Step> steps_;
  uint32_t branches_ = 0;
  std::vector<RegexSet> sets_;
  std::array<bool, 256> starts_{};  // bytes that a match can begin with
};

}  // namespace headrace
