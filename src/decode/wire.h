// How a decoded Document travels from a worker process: a flat little-endian encoding, checked on
// arrival as if a stranger had written it (workers read hostile bytes). Members and problems, which
// `sources` needs too, are packed by batch/member.h.
//
// The encoding has a version in its head; between programs of different versions it is refused, and
// the message says so.
//
// Threads: pure functions. Errors: damaged.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "batch/document.h"
#include "batch/member.h"

namespace headrace {

std::string pack_document(const Document& document);
// What comes back fulfils what batch/document.h promises: valid UTF-8 without NUL, blocks and links
// in order and on code point borders, lines in order.
Result<Document> unpack_document(std::string_view bytes);

}  // namespace headrace
