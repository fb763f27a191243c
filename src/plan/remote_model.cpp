#include "plan/remote_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <random>
#include <utility>

#include "base/hash.h"
#include "base/mutex.h"
#include "base/utf8.h"
#include "plan/long_texts.h"
#include "plan/remote_answer.h"

namespace headrace {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kFirstPause{500};
constexpr Milliseconds kPauseMax{30'000};
constexpr Milliseconds kRetryAfterMax{120'000};
// So many texts may be refused, and the rest is still asked for.
constexpr size_t kRefusalsMax = 4;
// … and any number where the caller goes on without them and this one is answered.
constexpr std::string_view kProbe = "dimension";
constexpr size_t kShownBytes = 60;
// A request's texts, so that one request is never larger than servers take.
constexpr size_t kRequestBytesMax = 4UL << 20;

// Keeps to requests and tokens a minute, and to what a server said in Retry-After.
class Pace {
 public:
  Pace(const RemoteSettings& settings, const RemoteClock& clock)
      : settings_(settings), clock_(clock) {}

  // Waits for the turn of a request with so many tokens.
  void wait(uint64_t tokens, const CancelToken* cancel) HR_EXCLUDES(mutex_) {
    Clock::time_point turn;
    const Clock::time_point now = clock_.now();
    {
      const MutexLock lock(mutex_);
      turn = std::max(now, next_);
      double minutes = 0;
      if (settings_.requests_per_minute > 0) minutes = 1 / settings_.requests_per_minute;
      if (settings_.tokens_per_minute > 0)
        minutes = std::max(minutes, static_cast<double>(tokens) / settings_.tokens_per_minute);
      next_ = turn + std::chrono::duration_cast<Clock::duration>(
                         std::chrono::duration<double>(minutes * 60));
    }
    if (turn > now) clock_.pause(std::chrono::ceil<Milliseconds>(turn - now), cancel);
  }
  // Nobody asks before this time is over.
  void hold(Milliseconds pause) HR_EXCLUDES(mutex_) {
    const Clock::time_point until = clock_.now() + pause;
    const MutexLock lock(mutex_);
    next_ = std::max(next_, until);
  }

 private:
  const RemoteSettings& settings_;
  const RemoteClock& clock_;
  Mutex mutex_;
  Clock::time_point next_ HR_GUARDED_BY(mutex_);
};

bool is_loopback(std::string_view url) {
  for (const std::string_view host : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
    if (!url.starts_with(host)) continue;
    const char after = url.size() > host.size() ? url[host.size()] : '/';
    if (after == ':' || after == '/') return true;
  }
  return false;
}

std::string api_key(const std::string& url) {
  const char* own = std::getenv("HEADRACE_API_KEY");
  if (own != nullptr && *own != '\0') return own;
  const char* openai = std::getenv("OPENAI_API_KEY");
  const bool safe = url.starts_with("https://") || is_loopback(url);
  return openai != nullptr && safe ? openai : "";
}

// What so many vectors may take, written as numbers with all their digits.
uint64_t answer_bytes_max(size_t texts, uint32_t dimension) {
  constexpr uint64_t kDimensionMax = 1U << 16;
  constexpr uint64_t kNumberBytes = 32;
  constexpr uint64_t kFrameBytes = 1024;
  const uint64_t numbers = dimension != 0 ? dimension : kDimensionMax;
  return texts * (numbers * kNumberBytes + kFrameBytes) + (64U << 10);
}

// A text, not the server or the key, may be what it refuses.
bool may_be_about_texts(int status) {
  return status == 400 || status == 413 || status == 422;
}

bool worth_repeating(int status) {
  return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
}

class RemoteModel final : public VectorModel {
 public:
  RemoteModel(RemoteSettings settings, std::unique_ptr<HttpClient> client, RemoteClock clock)
      : settings_(std::move(settings)),
        client_(std::move(client)),
        clock_(std::move(clock)),
        pace_(settings_, clock_),
        base64_(settings_.base64),
        tokenizer_(Tokenizer::without_model()),
        requests_(settings_.concurrency) {}

  Status learn(const CancelToken* cancel) {
    const std::vector<std::string> texts{std::string(kProbe)};
    const size_t first[] = {0};
    int status = 0;
    HR_ASSIGN(const RemoteVectors probe, ask(texts, first, unreported_, cancel, status));
    if (settings_.dimensions != 0 && probe.dimension != settings_.dimensions) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} gives {} dimensions, not {}", settings_.name, probe.dimension,
                              settings_.dimensions),
                  "leave dimensions away, or give one that the model has");
    }
    info_.name = fmt::format("openai:{}", settings_.name);
    info_.kind = "openai";
    info_.dimension = probe.dimension;
    info_.fingerprint =
        hash128(fmt::format("openai|{}|{}|{}", settings_.url, settings_.name, probe.dimension))
            .hex();
    info_.tokens_max = settings_.tokens_max;
    info_.precision = "as served";
    info_.kernel = settings_.url;
    return {};
  }

  const VectorModelInfo& info() const override { return info_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const override { return tokenizer_; }
  Result<Embeddings> embed(std::span<const std::string> texts, const EmbedOptions& options,
                           ThreadPool& pool) const override;

 private:
  // One request for texts[chosen], repeated until it is answered.
  // `status`: of the last answer, 0 where there was none.
  Result<RemoteVectors> ask(std::span<const std::string> texts, std::span<const size_t> chosen,
                            Embeddings& counts, const CancelToken* cancel, int& status) const;
  std::string body(std::span<const std::string> texts, std::span<const size_t> chosen) const;
  std::unexpected<Error> refusal(const HttpAnswer& answer) const;
  struct Refusal {
    Error error;
    size_t text = 0;
    bool is_about_text = false;
  };
  Error told(const Refusal& refusal, std::span<const std::string> texts, size_t kept) const;
  // Whether the server takes any text now.
  bool answers_probe(const CancelToken* cancel, Embeddings& counts) const;
  Milliseconds pause_after(uint32_t attempt, const HttpAnswer* answer) const;

  const RemoteSettings settings_;
  const std::unique_ptr<HttpClient> client_;
  const RemoteClock clock_;
  mutable Pace pace_;
  mutable std::atomic<bool> base64_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  mutable ThreadPool requests_;  // threads that wait for the network, beside the pool that computes
  VectorModelInfo info_;
  // What learning cost; told with the first call that follows.
  mutable Mutex unreported_mutex_;
  mutable Embeddings unreported_;
};

std::string RemoteModel::body(std::span<const std::string> texts,
                              std::span<const size_t> chosen) const {
  nlohmann::ordered_json json;
  json["model"] = settings_.name;
  auto input = nlohmann::ordered_json::array();
  // An empty text is an error for many servers, a space is not.
  for (const size_t i : chosen) input.push_back(texts[i].empty() ? " " : to_valid_utf8(texts[i]));
  json["input"] = std::move(input);
  json["encoding_format"] = base64_ ? "base64" : "float";
  if (settings_.dimensions != 0) json["dimensions"] = settings_.dimensions;
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::unexpected<Error> RemoteModel::refusal(const HttpAnswer& answer) const {
  std::string hint = "check the model's name and the texts";
  ErrorCode code = ErrorCode::invalid_argument;
  if (answer.status == 401 || answer.status == 403) {
    code = ErrorCode::permission;
    hint = "set HEADRACE_API_KEY or OPENAI_API_KEY to a key that is valid there";
  } else if (worth_repeating(answer.status)) {
    code = ErrorCode::io;
    hint = "try again later";
  } else if (answer.status < 400) {
    code = ErrorCode::unsupported;
    hint = "give the URL it points to; redirects are not followed";
  }
  return fail(code,
              fmt::format("{} answered {}: {}", settings_.url, answer.status,
                          remote_error_text(answer.body)),
              hint);
}

Milliseconds RemoteModel::pause_after(uint32_t attempt, const HttpAnswer* answer) const {
  if (answer != nullptr) {
    const double seconds = retry_after_seconds(answer->retry_after, std::time(nullptr));
    if (seconds >= 0) {
      return std::min(kRetryAfterMax,
                      Milliseconds(static_cast<int64_t>(std::min(seconds, 1e6) * 1000)));
    }
  }
  Milliseconds pause = std::min(kPauseMax, kFirstPause * (1U << std::min(attempt, 10U)));
  // Spread, so that clients that failed together do not come back together.
  thread_local std::minstd_rand random(std::random_device{}());
  pause -= Milliseconds(random() % (static_cast<uint64_t>(pause.count()) / 4 + 1));
  return pause;
}

Result<RemoteVectors> RemoteModel::ask(std::span<const std::string> texts,
                                       std::span<const size_t> chosen, Embeddings& counts,
                                       const CancelToken* cancel, int& status) const {
  HttpRequest request;
  request.url = settings_.url;
  request.timeout_ms = settings_.timeout_ms;
  request.answer_bytes_max = answer_bytes_max(chosen.size(), info_.dimension);
  request.headers = {"Content-Type: application/json", "Accept: application/json"};
  const std::string key = api_key(settings_.url);
  if (!key.empty()) request.headers.push_back("Authorization: Bearer " + key);
  uint64_t tokens = 0;  // a guess, for the limit of tokens a minute
  for (const size_t i : chosen) tokens += texts[i].size() / 4 + 1;
  for (uint32_t attempt = 0;; ++attempt) {
    pace_.wait(tokens, cancel);
    if (cancel != nullptr) HR_TRY(cancel->check());
    const bool asked_base64 = base64_;
    request.body = body(texts, chosen);
    ++counts.requests;
    auto answer = client_->post(request, cancel);
    status = answer ? answer->status : 0;
    if (answer && answer->status == 200) {
      auto vectors =
          parse_remote_answer(answer->body, chosen.size(), info_.dimension, settings_.url);
      if (vectors) {
        const uint64_t counted = vectors->tokens != 0 ? vectors->tokens : tokens;
        counts.tokens += counted;
        counts.cost += static_cast<double>(counted) * settings_.price_per_million / 1e6;
      }
      return vectors;
    }
    // Servers that know only one encoding say so in their own ways.
    if (answer && asked_base64 && (answer->status == 400 || answer->status == 422) &&
        answer->body.contains("encoding_format")) {
      base64_ = false;
      continue;
    }
    const bool again =
        answer ? worth_repeating(answer->status) && !answer->body.contains("insufficient_quota")
               : answer.error().code() == ErrorCode::io ||
                     answer.error().code() == ErrorCode::timed_out;
    if (!again || attempt + 1 >= settings_.attempts) {
      if (answer) return refusal(*answer);
      return std::unexpected(std::move(answer).error());
    }
    ++counts.retries;
    pace_.hold(pause_after(attempt, answer ? &*answer : nullptr));
  }
}

bool RemoteModel::answers_probe(const CancelToken* cancel, Embeddings& counts) const {
  const std::vector<std::string> texts{std::string(kProbe)};
  const std::vector<size_t> all{0};
  int status = 0;
  return ask(texts, all, counts, cancel, status).has_value();
}

// What was refused, and what there is of the rest.
Error RemoteModel::told(const Refusal& refusal, std::span<const std::string> texts,
                        size_t kept) const {
  if (refusal.error.code() == ErrorCode::cancelled) return refusal.error;
  std::string message = refusal.error.message();
  if (refusal.is_about_text) {
    std::string shown = to_valid_utf8(texts[refusal.text]);
    shown.resize(valid_utf8_prefix(std::string_view(shown).substr(0, kShownBytes)));
    message += fmt::format(" (for the text that begins \"{}\")", shown);
  }
  std::string hint = refusal.error.hint();
  if (kept > 0) hint += fmt::format("; the vectors of {} other texts are kept", kept);
  const ErrorCode code = refusal.is_about_text ? ErrorCode::io : refusal.error.code();
  return Error(code, message, hint);
}

Result<Embeddings> RemoteModel::embed(std::span<const std::string> given,
                                      const EmbedOptions& options, ThreadPool& /*pool*/) const {
  Embeddings result;
  // The server's tokenizer is not known: what may be too long is cut by an estimate.
  std::vector<std::string> shortened(given.begin(), given.end());
  for (size_t i = 0; i < shortened.size(); ++i) {
    if (shortened[i].size() <= settings_.tokens_max) continue;
    const auto windows = text_windows(*tokenizer_, shortened[i], settings_.tokens_max);
    if (windows.size() <= 1) continue;
    shortened[i].resize(windows.front().end);
    result.longer.push_back(static_cast<uint32_t>(i));
  }
  result.cut = result.longer.size();
  const std::span<const std::string> texts(shortened);
  // By length, so that a server that pads has little to pad.
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  // The short ones first: what is too long for the server is refused last.
  std::ranges::stable_sort(order, {}, [&](size_t i) { return texts[i].size(); });
  std::vector<std::span<const size_t>> batches;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    size_t bytes = 0;
    while (end < order.size() && end - begin < settings_.batch &&
           (end == begin || bytes + texts[order[end]].size() <= kRequestBytesMax))
      bytes += texts[order[end++]].size();
    batches.push_back(std::span(order).subspan(begin, end - begin));
    begin = end;
  }
  const size_t dimension = info_.dimension;
  result.values.resize(texts.size() * dimension);
  {
    const MutexLock lock(unreported_mutex_);
    result.add_counts(std::exchange(unreported_, {}));
  }
  Mutex mutex;
  std::vector<Refusal> refusals;
  bool goes_on = false;  // whatever is refused
  std::vector<uint8_t> done(texts.size());
  std::atomic<bool> stop = false;
  requests_.parallel_for(batches.size(), [&](size_t b) {
    std::vector<std::span<const size_t>> open = {batches[b]};
    while (!open.empty() && !stop) {
      const std::span<const size_t> chosen = open.back();
      open.pop_back();
      Embeddings counts;
      int status = 0;
      auto vectors = ask(texts, chosen, counts, options.cancel, status);
      const MutexLock lock(mutex);
      result.add_counts(counts);
      if (vectors) {
        for (size_t i = 0; i < chosen.size(); ++i) {
          std::copy_n(vectors->values.begin() + static_cast<std::ptrdiff_t>(i * dimension),
                      dimension,
                      result.values.begin() + static_cast<std::ptrdiff_t>(chosen[i] * dimension));
          done[chosen[i]] = 1;
        }
        continue;
      }
      const bool about_texts = may_be_about_texts(status);
      if (about_texts && chosen.size() > 1) {
        open.push_back(chosen.subspan(chosen.size() / 2));
        open.push_back(chosen.subspan(0, chosen.size() / 2));
        continue;
      }
      refusals.push_back({std::move(vectors).error(), chosen.front(), about_texts});
      // Where all of so many are refused, it may be a setting that the server does not take.
      if (refusals.size() >= kRefusalsMax && !goes_on) {
        goes_on = options.refuse && about_texts && answers_probe(options.cancel, result);
        if (!goes_on) stop = true;
      }
      // Without an answer, or one that has nothing to do with the texts, the next fares no better.
      if (!about_texts && status < 500) stop = true;
    }
  });
  if (refusals.empty()) return result;
  const bool about_texts = std::ranges::all_of(refusals, &Refusal::is_about_text);
  if (options.refuse && about_texts && !stop) {
    for (const Refusal& refusal : refusals) options.refuse(refusal.text, told(refusal, given, 0));
    return result;
  }
  size_t kept = 0;
  for (size_t i = 0; i < texts.size() && options.keep; ++i) {
    if (done[i] == 0 || std::ranges::binary_search(result.longer, static_cast<uint32_t>(i)))
      continue;
    options.keep(i, std::span(result.values).subspan(i * dimension, dimension));
    ++kept;
  }
  // What is no matter of a text is why the call ended.
  const auto cause = std::ranges::find(refusals, false, &Refusal::is_about_text);
  return std::unexpected(told(cause != refusals.end() ? *cause : refusals.front(), given, kept));
}

}  // namespace

RemoteClock RemoteClock::real() {
  RemoteClock clock;
  clock.now = [] { return Clock::now(); };
  clock.pause = [](Milliseconds pause, const CancelToken* cancel) {
    // In small steps, so that Ctrl-C does not wait for a long pause.
    constexpr Milliseconds kStep{100};
    const Clock::time_point until = Clock::now() + pause;
    Mutex mutex;
    CondVar never;
    const MutexLock lock(mutex);
    while (Clock::now() < until && (cancel == nullptr || !cancel->requested()))
      never.wait_until(mutex, std::min(until, Clock::now() + kStep));
  };
  return clock;
}

Result<std::shared_ptr<const VectorModel>> load_remote_model(const std::string& spec,
                                                             const CancelToken* cancel,
                                                             std::unique_ptr<HttpClient> client,
                                                             RemoteClock clock) {
  HR_ASSIGN(RemoteSettings settings, parse_remote(spec));
  if (!client) {
    HR_ASSIGN(client, HttpClient::create());
  }
  auto model =
      std::make_shared<RemoteModel>(std::move(settings), std::move(client), std::move(clock));
  HR_TRY(model->learn(cancel));
  return model;
}

}  // namespace headrace
