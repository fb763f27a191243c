// RTF → Document: paragraphs, headings by style or outline level, list items, tables as rows,
// footnotes after their paragraph; characters in any code page and as \u; title, author and dates.
// Deleted and hidden text, pictures, headers, footers and field codes are left out.
//
// Threads: pure function. Errors: damaged (not RTF, ends inside a group), too_large (groups nested
// deeper than kRtfDepthMax).
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "batch/document.h"

namespace headrace::formats {

inline constexpr size_t kRtfDepthMax = 10'000;

Result<Document> decode_rtf(std::string_view bytes);

}  // namespace headrace::formats
