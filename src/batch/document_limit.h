// The most bytes that one document may have, however much memory there is: beyond it more memory is
// no remedy.
//
// Threads: constants. Errors: none.
#pragma once

#include <cstdint>
#include <string_view>

namespace headrace {

inline constexpr uint64_t kDocumentBytesMax = 1ULL << 30;

// What to do about a document that is larger than `limit`, which comes of the memory budget or is
// that of all.
constexpr std::string_view too_large_hint(uint64_t limit) {
  return limit >= kDocumentBytesMax ? "split the file" : "raise --memory, or split the file";
}

}  // namespace headrace
