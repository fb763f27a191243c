// What a zip container holds, as far as telling documents from archives needs.
// Threads: pure function. Errors: none; what cannot be told is Format::zip.
#pragma once

#include <string_view>

#include "decode/format.h"

namespace headrace {

// `bytes` begin with a zip signature; they may be only the front of the file.
Format detect_zip_format(std::string_view bytes, std::string_view name);

}  // namespace headrace
