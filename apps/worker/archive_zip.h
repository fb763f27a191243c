// zip: members by the central directory; where that is missing (a truncated file), by the local
// headers from the front.
//
// Threads: one. Errors: of the pool; what is wrong with the archive becomes a problem.
#pragma once

#include <string_view>

#include "archive_output.h"
#include "archive_streams.h"

namespace headrace::archive {

Status read_zip(std::string_view bytes, const ExpansionGuard& guard, MemberOutput& output);

// The fallback, for files whose directory is lost.
Status read_zip_from_front(std::string_view bytes, const ExpansionGuard& guard,
                           MemberOutput& output);

}  // namespace headrace::archive
