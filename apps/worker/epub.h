// EPUB → Document: the chapters in the order of the spine, each through the HTML decoder; title,
// author, language, publisher and date from the package file. The navigation document is left out.
//
// Threads: pure function. Errors: damaged, encrypted (content protected by DRM), too_large. A
// chapter that cannot be read is a problem; the book goes on.
#pragma once

#include <string_view>

#include "base/result.h"
#include "office_blocks.h"

namespace headrace::formats {

Result<DecodedFile> decode_epub(std::string_view bytes);

}  // namespace headrace::formats
