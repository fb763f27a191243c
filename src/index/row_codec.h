// How one Row becomes bytes: its "blob" (everything but source, key and position), the same in the
// log and in the row store of a segment (docs/formats/segment.md, "rows"), and its 16-byte key.
//
// Owns: nothing. Threads: pure functions. Errors: decode_row gives false for bytes that are no
// blob.
#pragma once

#include <string>
#include <string_view>

#include "base/hash.h"
#include "batch/document.h"

namespace headrace::index {

// 32 lower- or upper-case hex digits → 16 bytes; false when it is something else.
bool parse_row_key(std::string_view text, Hash128& key);

void encode_row_blob(const Row& row, std::string& out);
// Fills all of `row` but source, key and position.
bool decode_row_blob(std::string_view blob, Row& row);

}  // namespace headrace::index
