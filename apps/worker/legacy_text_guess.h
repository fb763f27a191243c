// Which encoding of before Unicode a text is in, by what it would say: the text is read in every
// candidate, and the reading that looks most like a language wins. Right on a few words already,
// where detectors that count bytes need a page.
//
// Threads: pure functions after prepare_text_conversion(). Errors: none; empty when nothing fits.
#pragma once

#include <string>
#include <string_view>

namespace headrace::formats {

// A name that convert_to_utf8 knows ("windows-1252", "gb18030", …), or empty when no candidate
// gives a text that is likely at all.
std::string guess_charset_by_language(std::string_view bytes);

}  // namespace headrace::formats
