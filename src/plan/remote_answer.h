// What an embeddings endpoint answers, read and checked.
//
// Threads: plain functions. Errors: damaged, saying what is wrong with the answer.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace {

struct RemoteVectors {
  std::vector<float> values;  // [texts, dimension]
  uint32_t dimension = 0;
  uint64_t tokens = 0;  // as the server counted; 0: it did not say
};

// `dimension` 0: whatever it is.
Result<RemoteVectors> parse_remote_answer(std::string_view json, size_t texts, uint32_t dimension,
                                          const std::string& url);
// The server's own words for an error; the beginning of the body where it is no JSON.
std::string remote_error_text(std::string_view body);
// Seconds from a Retry-After header: a number or an HTTP date; negative: neither.
double retry_after_seconds(std::string_view value, int64_t now_unix);

}  // namespace headrace
