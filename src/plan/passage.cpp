#include "plan/passage.h"

#include <string>
#include <unordered_map>

#include "base/unicode.h"
#include "batch/source_lines.h"

namespace headrace {

namespace {

constexpr size_t kPassageBytes = 200;  // about a sentence

}  // namespace

size_t best_passage(std::string_view text, std::span<const index::MatchRange> matches) {
  const auto word = [&](const index::MatchRange& match) {
    return unicode::to_lower(text.substr(match.begin, match.end - match.begin));
  };
  std::unordered_map<std::string, size_t> inside;  // words of the window, and how often
  size_t best = 0;
  size_t most = 0;
  size_t length = 0;
  size_t first = 0;
  for (size_t last = 0; last < matches.size(); ++last) {
    const index::MatchRange& match = matches[last];
    ++inside[word(match)];
    // As short as it can be and still hold the same words, and no longer than a passage.
    while (first < last) {
      const auto left = inside.find(word(matches[first]));
      if (left->second == 1 && match.end - matches[first].begin <= kPassageBytes) break;
      if (--left->second == 0) inside.erase(left);
      ++first;
    }
    const size_t bytes = match.end - matches[first].begin;
    if (inside.size() > most || (inside.size() == most && bytes < length)) {
      most = inside.size();
      length = bytes;
      best = matches[first].begin;
    }
  }
  return best;
}

int32_t page_at(const Row& row, size_t offset) {
  int32_t page = row.page;
  for (const PageBegin& start : row.further_pages) {
    if (start.offset <= offset) page = start.page;
  }
  return page;
}

int32_t line_at(const Row& row, size_t offset) {
  if (row.line <= 0) return 0;
  LineBegin last{0, row.line};
  for (const LineBegin& begin : row.further_lines) {
    if (begin.offset <= offset) last = begin;
  }
  const std::string_view text = row.text;
  const size_t breaks = count_line_breaks(text.substr(last.offset, offset - last.offset));
  return last.line + static_cast<int32_t>(breaks);
}

}  // namespace headrace
