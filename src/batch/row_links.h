// The links of a row: those of its document whose text begins in the row's, as the metadata
// `links`, a list in the order of the text, each once. Bounds: 64 links and 8 KiB of them a row;
// the rest is left out.
//
// Threads: pure function. Errors: none.
#pragma once

#include <cstddef>

#include "batch/document.h"

namespace headrace {

inline constexpr size_t kRowLinksMax = 64;
inline constexpr size_t kRowLinkBytesMax = size_t{8} << 10;

// Sets metadata["links"] of the row that is [begin, end) of document.text (bytes). Nothing where it
// has none, or where the document came with a column of that name.
void set_row_links(const Document& document, size_t begin, size_t end, Metadata& metadata);

}  // namespace headrace
