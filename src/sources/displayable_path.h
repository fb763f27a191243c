// Paths as text: names of files are bytes, what is shown and stored of them is UTF-8.
//
// Threads: pure functions. Errors: none.
#pragma once

#include <string>
#include <string_view>

namespace headrace {

// A path as valid UTF-8: bad bytes as \xNN. Where a name has such letters itself its backslash is
// written as \x5c, so that no two paths are shown as one.
std::string displayable_path(std::string_view path);

// The path that is shown so.
std::string path_of_displayed(std::string_view shown);

}  // namespace headrace
