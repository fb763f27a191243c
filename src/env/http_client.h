// HttpClient: one request, one answer, over http or https, by the system's libcurl, which is loaded
// when the first request is made (nothing that stays offline depends on it).
//
// Follows no redirects (a key must not travel to another host), takes no cookies, keeps connections
// open between requests. An answer with any status is an answer, not an error.
//
// Owns: its connections. Threads: post() from any thread, several at once. Errors: timed_out;
// too_large for an answer beyond the limit; cancelled; io for everything that kept an answer from
// coming, naming the URL; unsupported where there is no libcurl.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/cancel.h"

namespace headrace {

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string body;
  int64_t timeout_ms = 60'000;  // from the first byte out to the last byte in
  uint64_t answer_bytes_max = 256ULL << 20;
};

struct HttpAnswer {
  int status = 0;
  std::string retry_after;  // the header's value; empty: none
  std::string body;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  static Result<std::unique_ptr<HttpClient>> create();
  virtual Result<HttpAnswer> post(const HttpRequest& request, const CancelToken* cancel) = 0;
};

}  // namespace headrace
