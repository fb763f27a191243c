// RegexSource: the pattern of a TokenRegex as it is read, character by character and class by
// class.
//
// Owns: nothing; the pattern must stay. Threads: one. Errors: unsupported, by the name of what is.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "transform/tokenizer_regex.h"

namespace headrace {

class RegexSource {
 public:
  explicit RegexSource(std::string_view pattern) : pattern_(pattern) {}

  bool at_end() const { return at_ >= pattern_.size(); }
  bool next_is(char c) const { return at_ < pattern_.size() && pattern_[at_] == c; }
  bool take(std::string_view text);
  std::optional<uint32_t> take_number();
  char32_t take_character();
  // Behind "[", up to its "]".
  Status take_bracket(RegexSet& set);
  // Behind "\\".
  Status take_escape(RegexSet& set) { return escape(set, nullptr); }

  // Only cases that the fold of RegexSet knows are accepted.
  Status check_case(const RegexSet& set) const;
  std::unexpected<Error> refuse(std::string_view what) const;

 private:
  // Behind "\\". With `range` (in a class) a single character goes there instead of into `set`;
  // its first is no character when the escape was a class of its own.
  Status escape(RegexSet& set, RegexSet::Range* range);
  static Status put_character(RegexSet& set, RegexSet::Range* range, char32_t value);
  // \xHH, \x{H…}, \uHHHH
  Status hexadecimal(char kind, char32_t& value);
  // At "p{…}" or "P{…}".
  Status property(RegexSet& set, RegexSet::Range* range, bool negate);

  std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace headrace
