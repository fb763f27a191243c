#include <string>
#include <unordered_set>

#include "index/search.h"
#include "index/search_query_terms.h"

namespace headrace::index {

std::vector<MatchRange> highlight(std::string_view query, std::string_view text,
                                  std::string_view language) {
  std::unordered_set<std::string> wanted;
  for (QueryTerm& term : query_terms(query, language)) wanted.insert(std::move(term.text));
  std::vector<MatchRange> ranges;
  if (wanted.empty()) return ranges;
  for (const TermSpan& span : thread_analyzer(language).analyze_with_spans(text)) {
    if (!wanted.contains(span.term)) continue;
    if (!ranges.empty() && span.begin <= ranges.back().end) {
      ranges.back().end = std::max(ranges.back().end, span.end);
    } else {
      ranges.push_back({span.begin, span.end});
    }
  }
  return ranges;
}

}  // namespace headrace::index
