#include "index/search_query_terms.h"

#include <map>
#include <memory>
#include <string>

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

}  // namespace headrace::index
