// `openai:URL#NAME`: a model behind an endpoint that speaks OpenAI's /v1/embeddings.
//
// URL is the server, its /v1 or its /v1/embeddings. After NAME may follow settings:
// `?dimensions=256&tokens=8191&batch=128&concurrency=4&timeout=60&rpm=3000&tpm=1000000&price=0.02
// &encoding=float&attempts=6` (tokens: the longest input; rpm, tpm: requests and tokens a minute;
// price: of a million tokens, in any currency).
//
// Requests run beside one another, are repeated with growing pauses when the server is busy or
// broken (what it says in Retry-After is kept to), and their answers are checked: as many vectors
// as texts, all of one size, all finite. A request that is refused for its texts is halved until
// the one is found; the others are made nevertheless and handed to EmbedOptions::keep. The key is
// $HEADRACE_API_KEY, else $OPENAI_API_KEY, which is only sent over https or to this machine.
//
// Owns: connections and a few threads for requests. Threads: safe from any. Errors: those of the
// connection; permission, invalid_argument or io with the server's own words; damaged for an answer
// that is wrong.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "env/http_client.h"
#include "plan/vector_model.h"

namespace headrace {

struct RemoteSettings {
  std::string url;  // of /v1/embeddings itself
  std::string name;
  uint32_t dimensions = 0;  // 0: whatever the model gives
  uint32_t tokens_max = 8191;
  size_t batch = 128;
  size_t concurrency = 4;
  int64_t timeout_ms = 60'000;
  uint32_t attempts = 6;
  double requests_per_minute = 0;  // 0: no limit
  double tokens_per_minute = 0;
  double price_per_million = 0;
  bool base64 = true;
};

// `spec` without its "openai:".
Result<RemoteSettings> parse_remote(const std::string& spec);

// The clock that pauses are measured by; tests give their own.
struct RemoteClock {
  std::function<std::chrono::steady_clock::time_point()> now;
  // Returns early when `cancel` is requested.
  std::function<void(std::chrono::milliseconds, const CancelToken*)> pause;
  static RemoteClock real();
};

// Asks the endpoint once, for the vectors' dimension.
Result<std::shared_ptr<const VectorModel>> load_remote_model(
    const std::string& spec, const CancelToken* cancel = nullptr,
    std::unique_ptr<HttpClient> client = nullptr, RemoteClock clock = RemoteClock::real());

}  // namespace headrace
