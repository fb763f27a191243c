#include "plan/text_pairs.h"

#include <algorithm>
#include <limits>

namespace headrace {

std::pair<size_t, size_t> longest_first(size_t first, size_t second, size_t most) {
  if (first + second <= most) return {first, second};
  const size_t shorter = std::min(first, second);
  // The longer gives way, but not below the shorter one; then they share.
  const size_t longer = std::max(shorter, most - std::min(most, shorter));
  size_t small = shorter;
  size_t large = longer;
  if (small + large > most) {
    small = most / 2;
    large = small + most % 2;
  }
  return first <= second ? std::pair{small, large} : std::pair{large, small};
}

TextPairs::TextPairs(const Tokenizer& tokenizer, std::string_view query, size_t tokens_max)
    : tokenizer_(tokenizer), tokens_max_(tokens_max) {
  Encoding encoded;
  tokenizer.encode(query, encoded);
  query_ = encoded.ids;
  // Special tokens cover no text.
  Encoding pair;
  tokenizer.encode_pair("a", "a", pair);
  int texts_seen = 0;
  bool in_text = false;
  for (size_t i = 0; i < pair.ids.size(); ++i) {
    if (pair.ends[i] > pair.begins[i]) {
      // Two texts without a special token between them lie side by side.
      if (!in_text || pair.begins[i] == 0) ++texts_seen;
      in_text = true;
      continue;
    }
    in_text = false;
    const int32_t type = i < pair.types.size() ? pair.types[i] : 0;
    if (texts_seen == 0) {
      before_.push_back(pair.ids[i]);
    } else if (texts_seen == 1) {
      between_.push_back(pair.ids[i]);
      if (type == 0) ++first_type_between_;
    } else {
      after_.push_back(pair.ids[i]);
    }
  }
  typed_ = std::ranges::find(pair.types, 1) != pair.types.end();
}

TextPair TextPairs::with(std::string_view text) const {
  Encoding encoded;
  tokenizer_.encode(text, encoded);
  const size_t special = before_.size() + between_.size() + after_.size();
  const size_t most = tokens_max_ > special ? tokens_max_ - special : 0;
  const auto [first, second] = longest_first(query_.size(), encoded.ids.size(), most);
  TextPair pair;
  pair.cut = first < query_.size() || second < encoded.ids.size();
  pair.ids.reserve(special + first + second);
  const auto add = [&](const std::vector<int32_t>& ids, size_t count) {
    const size_t from = tokenizer_.cuts_beginning() ? ids.size() - count : 0;
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(from);
    pair.ids.insert(pair.ids.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  };
  add(before_, before_.size());
  add(query_, first);
  pair.second = typed_ ? pair.ids.size() + first_type_between_ : std::numeric_limits<size_t>::max();
  add(between_, between_.size());
  add(encoded.ids, second);
  add(after_, after_.size());
  return pair;
}

}  // namespace headrace
