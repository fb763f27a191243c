// The properties at the top of a Markdown file: as much of YAML and TOML as people write there.
//
// Owns: nothing. Threads: pure function. Errors: none; a line that is no property says nothing.
#pragma once

#include <string_view>
#include <vector>

#include "batch/document.h"

namespace headrace {

// "key: value" lines (separator ':' or '=') as metadata: whole numbers, fractions and true/false by
// their type, "[a, b]" and "- a" lines as lists of strings, all else (dates too) as strings.
// "title" becomes the document's title, "lang" and "language" its language where they name one.
void read_properties(const std::vector<std::string_view>& lines, char separator,
                     Document& document);

}  // namespace headrace
