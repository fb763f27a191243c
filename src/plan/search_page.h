// Between a user's search options and a request to the index: pages and their cursors, decay as
// people write it.
//
// A cursor says where a page ended: how many rows were shown and which was the last, for this very
// search. The next page begins after that row, wherever it stands by then.
//
// Owns: values. Threads: pure. Errors: invalid_argument for a cursor of another search, a page too
// deep, a decay that cannot be read.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "plan/knowledge.h"

namespace headrace {

// Rows that pages may lead through.
inline constexpr uint32_t kPageDepthMax = 100000;

struct PageStart {
  uint32_t offset = 0;
  std::string last_key;  // of the last row shown; empty on the first page
};

Result<PageStart> read_cursor(const std::string& query, const SearchOptions& options);
std::string write_cursor(const std::string& query, const SearchOptions& options, size_t shown,
                         const std::string& last_key);

// "COLUMN:HALF-LIFE", the half-life as 30d, 12h, 90m, 45s, 2w or 1y.
Result<index::Decay> parse_decay(const std::string& text);

// All of the options but filter, space, page and what belongs to one query.
Result<index::SearchRequest> make_request(const SearchOptions& options, index::SearchMode mode);

// The text that a model gets for a query.
std::string meaning_of(const std::string& query, const SearchOptions& options);

}  // namespace headrace
