// The formats that our own code decodes in this process: text in the Unicode encodings and
// Latin-1/Windows-1252, Markdown, JSON, CSV, LaTeX, reStructuredText, source code. Input is any
// bytes; output text is valid UTF-8 with "\n" line ends and no NUL.
//
// Threads: pure functions. Errors: damaged or too_large, naming the reason; lenient by default: bad
// bytes become U+FFFD.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "batch/document.h"
#include "decode/format.h"

namespace headrace {

// Byte order marks, UTF-8 validity, zero-byte patterns of UTF-16/32 (also without BOM), and a hint
// (charset from HTTP, <meta>, XML declaration; may be empty). `needs_worker` is set when the bytes
// are in a legacy encoding that must be detected and converted there (Shift-JIS, GB18030, KOI8-R…).
struct TextEncoding {
  std::string name;  // "utf-8", "utf-16le", "windows-1252", …; empty when needs_worker
  bool needs_worker = false;
};
TextEncoding detect_encoding(std::string_view bytes, std::string_view hint);
// UTF-16 or UTF-32: lines cannot be found before it is converted.
bool is_wide(const TextEncoding& encoding);
// Converts; strips the BOM; line ends to "\n"; NUL and bad sequences to U+FFFD.
std::string to_utf8(std::string_view bytes, const TextEncoding& encoding);

// `utf8` as to_utf8 gives it. `name` gives the language of source code by its ending.
Document decode_plain_text(std::string utf8);  // becomes the document's text without a copy
Document decode_markdown(std::string_view utf8);
Document decode_source_code(std::string_view utf8, std::string_view name);
Document decode_latex(std::string_view utf8);
Document decode_rst(std::string_view utf8);
// One value or one a line; what is no JSON is text. Errors: damaged (JSON that is cut off),
// too_large (nested deeper than kJsonDepthMax).
Result<Document> decode_json(std::string_view utf8);
// Nothing where the JSON is no Jupyter notebook.
std::optional<Document> decode_notebook(std::string_view utf8);
Document decode_csv(std::string_view utf8);  // rows as table rows

}  // namespace headrace
