// PPTX (PowerPoint) → Document: slides in the order they are shown, the slide's number as page,
// titles as headings, bullets as list items, tables as rows, text of diagrams and the speaker's
// notes. Dates, footers and slide numbers are left out.
//
// Threads: pure function. Errors: damaged, encrypted, too_large.
#pragma once

#include <string_view>

#include "base/result.h"
#include "batch/document.h"

namespace headrace::formats {

Result<Document> decode_pptx(std::string_view bytes);

}  // namespace headrace::formats
