// Text in the encodings of before Unicode (Shift-JIS, GB18030, KOI8-R, Windows code pages, …):
// detected by what they would say (escapes by uchardet), converted with ICU.
//
// Threads: pure functions after prepare_text_conversion(). Errors: unsupported (no such encoding),
// too_large.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace::formats {

// Keeps ICU from looking for files; call it once before the sandbox closes.
void prepare_text_conversion();

// `bytes` as UTF-8; sequences that the encoding does not know become U+FFFD. `charset` is a name
// from a header or a declaration, in any case.
Result<std::string> convert_to_utf8(std::string_view bytes, std::string_view charset);

// The likely encoding of `bytes`, or empty.
std::string guess_charset(std::string_view bytes);

// Text of unknown encoding: by the hint if it fits, else by guess, else Windows-1252. Line ends
// become "\n", NUL U+FFFD.
Result<std::string> decode_legacy_text(std::string_view bytes, std::string_view hint);

// The ICU name of a Windows code page number, such as "windows-1251" for 1251.
std::string code_page_charset(int code_page);

}  // namespace headrace::formats
