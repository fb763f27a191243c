#include "index/search_query_terms.h"

#include <map>
#include <unordered_map>

#include "base/check.h"

namespace headrace::index {

Analyzer& thread_analyzer(std::string_view language) {
  thread_local std::map<std::string, std::unique_ptr<Analyzer>, std::less<>> analyzers;
  const auto found = analyzers.find(language);
  if (found != analyzers.end()) return *found->second;
  auto made = Analyzer::create(language);
  if (!made) made = Analyzer::create("none");
  HR_CHECK(made.has_value(), "the language \"none\" always exists");
  return *(analyzers[std::string(language)] = std::move(*made));
}

std::vector<QueryTerm> query_terms(std::string_view text, std::string_view language) {
  std::vector<QueryTerm> terms;
  std::unordered_map<std::string, size_t> places;
  thread_analyzer(language).analyze(text, [&](std::string_view term) {
    std::string key(term);
    const auto found = places.find(key);
    if (found != places.end()) {
      ++terms[found->second].count;
    } else if (terms.size() < kQueryTermsMax) {
      places.emplace(key, terms.size());
      terms.push_back({std::move(key), 1});
    }
  });
  return terms;
}

}  // namespace headrace::index
