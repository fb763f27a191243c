// The analyzers that queries and highlights use.
//
// Owns: the analyzers of each thread. Threads: safe. Errors: none; an unknown
// language is searched without stemming.
#pragma once

#include <string_view>

#include "index/analyzer.h"

namespace headrace::index {

// Beyond this many different terms a query is cut.
inline constexpr size_t kQueryTermsMax = 1024;

// This thread's analyzer for the language; valid until the thread ends.
Analyzer& thread_analyzer(std::string_view language);

}  // namespace headrace::index
