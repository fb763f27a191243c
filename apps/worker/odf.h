// OpenDocument (ODT, ODS, ODP) → Document: headings, paragraphs, lists with their depth, tables as
// rows, notes after their paragraph, sheets under their names, slides with their number as page.
// Tracked deletions, comments and generated indexes are left out; repeated cells and rows are
// bounded.
//
// Threads: pure function. Errors: damaged, encrypted, too_large.
#pragma once

#include <string_view>

#include "base/result.h"
#include "batch/document.h"

namespace headrace::formats {

// `kind`: "odt", "ods" or "odp", for the media type and messages; the content decides the rest.
Result<Document> decode_odf(std::string_view bytes, std::string_view kind);

}  // namespace headrace::formats
