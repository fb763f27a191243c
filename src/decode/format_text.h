// Which kind of text a text is: markup, data, mail, source code or prose.
// Threads: pure functions. Errors: none; what cannot be told is Format::text.
#pragma once

#include <string_view>

#include "decode/format.h"

namespace headrace {

// `text`: the front of the file as UTF-8 (or as the bytes of an ASCII-compatible encoding), without
// byte order mark. `complete`: it is the whole file.
Format detect_text_format(std::string_view text, std::string_view name, bool complete);

}  // namespace headrace
