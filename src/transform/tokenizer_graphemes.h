// Extended grapheme clusters (UAX #29), of the Unicode version of tokenizer_characters.h.
//
// Owns: nothing. Threads: pure functions. Errors: none.
#pragma once

#include <cstddef>
#include <string_view>

namespace headrace {

// The end of the cluster that begins at `at`, which must be a cluster's beginning in valid UTF-8.
size_t grapheme_end(std::string_view text, size_t at);

}  // namespace headrace
