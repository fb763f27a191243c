#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "index/query.h"
#include "index/search.h"
#include "index/search_query_terms.h"

namespace headrace::index {
namespace {

void mark(const TermSpan& span, std::vector<MatchRange>& ranges) {
  if (!ranges.empty() && span.begin <= ranges.back().end) {
    ranges.back().end = std::max(ranges.back().end, span.end);
  } else {
    ranges.push_back({span.begin, span.end});
  }
}

}  // namespace

// Words of a phrase that is asked for are marked wherever they stand, as plain words are.
std::vector<MatchRange> highlight(std::string_view text_of_query, std::string_view text,
                                  std::string_view language) {
  Analyzer& analyzer = thread_analyzer(language);
  std::unordered_set<std::string> wanted;
  std::vector<std::string> prefixes;
  const Query query = parse_query(text_of_query);
  const auto want = [&](std::string_view words) {
    analyzer.analyze(words, [&](std::string_view term, uint32_t) { wanted.emplace(term); });
  };
  want(query.words);
  for (const QueryClause& clause : query.clauses) {
    if (clause.need == QueryNeed::excluded) continue;
    const std::vector<TermSpan> spans = analyzer.analyze_with_spans(clause.text);
    if (clause.kind == QueryClause::Kind::prefix && !spans.empty() &&
        spans[0].end == clause.text.size()) {
      prefixes.push_back(spans[0].word);
    } else {
      want(clause.text);
    }
  }
  std::vector<MatchRange> ranges;
  if (wanted.empty() && prefixes.empty()) return ranges;
  for (const TermSpan& span : analyzer.analyze_with_spans(text)) {
    const bool begins = std::ranges::any_of(
        prefixes, [&](const std::string& prefix) { return span.word.starts_with(prefix); });
    if (begins || wanted.contains(span.term)) mark(span, ranges);
  }
  return ranges;
}

}  // namespace headrace::index
