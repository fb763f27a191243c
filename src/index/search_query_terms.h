// The terms of a query, as the analyzer of the rows gives them.
//
// Owns: values. Threads: safe; analyzers are kept for each thread. Errors: none; an unknown
// language is searched without stemming.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "index/analyzer.h"

namespace headrace::index {

struct QueryTerm {
  std::string text;
  uint32_t count = 0;  // how often it is in the query
};

// Beyond this many different terms a query is cut.
inline constexpr size_t kQueryTermsMax = 1024;

// This thread's analyzer for the language; valid until the thread ends.
Analyzer& thread_analyzer(std::string_view language);

// Different terms in order of first occurrence.
std::vector<QueryTerm> query_terms(std::string_view text, std::string_view language);

}  // namespace headrace::index
