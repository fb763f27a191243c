// The part of a hit's row that answers the query best: what is shown of it, and the page and line
// that a person opens.
//
// Owns: nothing. Threads: pure. Errors: none.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "batch/document.h"
#include "index/search.h"

namespace headrace {

// Where, in bytes, the passage of `text` begins that holds the most different words of the query in
// the least room; the begin of the text where there is no word of it. `matches` ascend.
size_t best_passage(std::string_view text, std::span<const index::MatchRange> matches);

// The page and the line that a byte of the row's text stands on; 0 where it has none.
int32_t page_at(const Row& row, size_t offset);
int32_t line_at(const Row& row, size_t offset);

}  // namespace headrace
