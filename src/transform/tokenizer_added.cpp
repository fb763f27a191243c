#include "transform/tokenizer_added.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/unicode.h"
#include "base/utf8.h"

namespace headrace {
namespace {

struct WordRange {
  char32_t first;
  char32_t last;
};

#include "transform/tokenizer_word_ranges.inc"

char32_t last_before(std::string_view text, size_t end) {
  return decode_code_point(text, code_point_floor(text, end - 1)).value;
}

size_t trim_back(std::string_view text, size_t begin) {
  while (begin > 0 && unicode::is_white_space(last_before(text, begin))) {
    begin = code_point_floor(text, begin - 1);
  }
  return begin;
}

size_t trim_forward(std::string_view text, size_t end) {
  while (end < text.size()) {
    const CodePoint point = decode_code_point(text, end);
    if (!unicode::is_white_space(point.value)) break;
    end += point.length;
  }
  return end;
}

}  // namespace

bool is_word_character(char32_t c) {
  const auto* after =
      std::upper_bound(std::begin(kWordRanges), std::end(kWordRanges), c,
                       [](char32_t value, const WordRange& range) { return value < range.first; });
  return after != std::begin(kWordRanges) && c <= (after - 1)->last;
}

Result<AddedTokens> AddedTokens::build(std::vector<AddedToken> tokens,
                                       const std::vector<std::string>& patterns) {
  AddedTokens out;
  int starts = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string& pattern = patterns[i];
    if (pattern.empty()) continue;
    const ByteTrie::Match known = out.trie_.longest(pattern.data(), pattern.size());
    if (known.length == pattern.size()) continue;
    if (!out.trie_.insert(pattern, static_cast<int32_t>(i))) {
      return fail(ErrorCode::too_large, "the added tokens are too large together");
    }
    const auto first = static_cast<uint8_t>(pattern.front());
    if (!out.starts_[first]) ++starts;
    out.starts_[first] = true;
    out.single_start_ = first;
  }
  if (starts != 1) out.single_start_ = -1;
  out.tokens_ = std::move(tokens);
  return out;
}

size_t AddedTokens::next_candidate(std::string_view text, size_t from) const {
  if (from >= text.size()) return text.size();
  if (single_start_ >= 0) {
    const void* found = std::memchr(text.data() + from, single_start_, text.size() - from);
    return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : text.size();
  }
  const bool* starts = starts_.data();
  const char* bytes = text.data();
  while (from < text.size() && !starts[static_cast<uint8_t>(bytes[from])]) ++from;
  return from;
}

bool AddedTokens::find(std::string_view text, size_t done, size_t& from, Match& match) const {
  while ((from = next_candidate(text, from)) < text.size()) {
    const ByteTrie::Match found = trie_.longest(text.data() + from, text.size() - from);
    if (found.length == 0) {
      ++from;
      continue;
    }
    size_t begin = from;
    size_t end = from + found.length;
    from = end;  // also when it is discarded below: matches do not overlap
    const AddedToken& token = tokens_[static_cast<size_t>(found.value)];
    if (token.single_word) {
      const bool free_before = begin == 0 || !is_word_character(last_before(text, begin));
      const bool free_after =
          end == text.size() || !is_word_character(decode_code_point(text, end).value);
      if (!free_before || !free_after) continue;
    }
    if (token.lstrip) begin = std::max(trim_back(text, begin), done);
    if (token.rstrip) end = trim_forward(text, end);
    match = {begin, end, token.id};
    return true;
  }
  return false;
}

}  // namespace headrace
