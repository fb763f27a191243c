// Whether a text is in EBCDIC, the encoding of mainframes, where no letter stands where ASCII has
// it.
//
// Threads: a pure function. Errors: none; empty when it is not.
#pragma once

#include <string>
#include <string_view>

namespace headrace::formats {

// A name that convert_to_utf8 knows ("ibm-37", "ibm-500", …), or empty.
std::string ebcdic_charset(std::string_view bytes);

}  // namespace headrace::formats
