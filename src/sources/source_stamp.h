// The stamp of a file: equal stamps mean "unchanged, do not even open it".
//
// Threads: pure. Errors: none.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "batch/document.h"

namespace headrace {

// Its time is the later of the content's and the entry's own: tools set the first one back (to that
// of what they copied or unpacked), but never the second.
SourceStamp stamp_of(const struct stat& info);
// Of what lies at `path` now; nothing where nothing does.
std::optional<SourceStamp> stamp_at(const std::string& path);

}  // namespace headrace
