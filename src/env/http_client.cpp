#include "env/http_client.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/mutex.h"

namespace headrace {

namespace {

// libcurl's functions that are used here, found in the library that the system has.
struct Curl {
  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_easy_init) easy_init = nullptr;
  decltype(&curl_easy_reset) easy_reset = nullptr;
  decltype(&curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&curl_easy_setopt) easy_setopt = nullptr;
  decltype(&curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&curl_easy_perform) easy_perform = nullptr;
  decltype(&curl_easy_strerror) easy_strerror = nullptr;
  decltype(&curl_slist_append) slist_append = nullptr;
  decltype(&curl_slist_free_all) slist_free_all = nullptr;
};

template <typename Function>
bool find(void* library, const char* name, Function& out) {
  out = reinterpret_cast<Function>(dlsym(library, name));
  return out != nullptr;
}

Result<Curl> load_curl() {
  void* library = nullptr;
  for (const char* name : {"libcurl.so.4", "libcurl-gnutls.so.4"}) {
    if (library == nullptr) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  }
  Curl curl;
  if (library == nullptr || !find(library, "curl_global_init", curl.global_init) ||
      !find(library, "curl_easy_init", curl.easy_init) ||
      !find(library, "curl_easy_reset", curl.easy_reset) ||
      !find(library, "curl_easy_cleanup", curl.easy_cleanup) ||
      !find(library, "curl_easy_setopt", curl.easy_setopt) ||
      !find(library, "curl_easy_getinfo", curl.easy_getinfo) ||
      !find(library, "curl_easy_perform", curl.easy_perform) ||
      !find(library, "curl_easy_strerror", curl.easy_strerror) ||
      !find(library, "curl_slist_append", curl.slist_append) ||
      !find(library, "curl_slist_free_all", curl.slist_free_all) ||
      curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return fail(ErrorCode::unsupported, "remote endpoints need libcurl, which was not found",
                "install it: apt-get install libcurl4");
  }
  return curl;
}

const Result<Curl>& curl_library() {
  static const Result<Curl> library = load_curl();
  return library;
}

// What one transfer writes into.
struct Transfer {
  HttpAnswer answer;
  uint64_t bytes_max = 0;
  bool too_large = false;
  const CancelToken* cancel = nullptr;
};

size_t on_body(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  if (transfer.answer.body.size() + bytes > transfer.bytes_max) {
    transfer.too_large = true;
    return 0;
  }
  transfer.answer.body.append(data, bytes);
  return bytes;
}

size_t on_header(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  constexpr std::string_view kName = "retry-after:";
  const bool matches = line.size() > kName.size() &&
                       std::equal(kName.begin(), kName.end(), line.begin(), [](char a, char b) {
                         return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
                       });
  if (matches) {
    std::string_view value = line.substr(kName.size());
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t'))
      value.remove_prefix(1);
    while (!value.empty() && (value.back() == '\r' || value.back() == '\n' || value.back() == ' '))
      value.remove_suffix(1);
    transfer.answer.retry_after = value.substr(0, 200);
  }
  return size * count;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& transfer = *static_cast<Transfer*>(user);
  return transfer.cancel != nullptr && transfer.cancel->requested() ? 1 : 0;
}

class CurlClient : public HttpClient {
 public:
  explicit CurlClient(const Curl& curl) : curl_(curl) {}
  ~CurlClient() override {
    for (CURL* handle : take_all()) curl_.easy_cleanup(handle);
  }

  Result<HttpAnswer> post(const HttpRequest& request, const CancelToken* cancel) override {
    if (cancel != nullptr) HR_TRY(cancel->check());
    CURL* handle = take();
    if (handle == nullptr) return fail(ErrorCode::io, "libcurl could not be started");
    Transfer transfer;
    transfer.bytes_max = request.answer_bytes_max;
    transfer.cancel = cancel;
    curl_slist* headers = nullptr;
    for (const std::string& header : request.headers)
      headers = curl_.slist_append(headers, header.c_str());
    set_up(handle, request, headers, transfer);
    const CURLcode code = curl_.easy_perform(handle);
    long status = 0;
    curl_.easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    curl_.easy_reset(handle);
    curl_.slist_free_all(headers);
    give(handle);
    transfer.answer.status = static_cast<int>(status);
    if (code == CURLE_OK) return std::move(transfer.answer);
    if (code == CURLE_ABORTED_BY_CALLBACK) return fail(ErrorCode::cancelled, "interrupted");
    if (transfer.too_large)
      return fail(ErrorCode::too_large, request.url + " answered more than is taken");
    const std::string reason = curl_.easy_strerror(code);
    return fail(code == CURLE_OPERATION_TIMEDOUT ? ErrorCode::timed_out : ErrorCode::io,
                request.url + " could not be asked: " + reason,
                "check the URL, and that the server is reachable");
  }

 private:
  void set_up(CURL* handle, const HttpRequest& request, curl_slist* headers,
              Transfer& transfer) const {
    const auto set = [&](CURLoption option, auto value) {
      curl_.easy_setopt(handle, option, value);
    };
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, request.body.data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_ACCEPT_ENCODING, "");
    set(CURLOPT_USERAGENT, "headrace/" HEADRACE_VERSION);
    constexpr long kConnectMsMax = 10'000;
    set(CURLOPT_CONNECTTIMEOUT_MS,
        std::min<long>(kConnectMsMax, static_cast<long>(request.timeout_ms)));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
    set(CURLOPT_WRITEFUNCTION, &on_body);
    set(CURLOPT_WRITEDATA, &transfer);
    set(CURLOPT_HEADERFUNCTION, &on_header);
    set(CURLOPT_HEADERDATA, &transfer);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &on_progress);
    set(CURLOPT_XFERINFODATA, &transfer);
  }

  // A handle keeps its connection: the next request to the same host goes on with it.
  CURL* take() {
    {
      const MutexLock lock(mutex_);
      if (!idle_.empty()) {
        CURL* handle = idle_.back();
        idle_.pop_back();
        return handle;
      }
    }
    return curl_.easy_init();
  }
  void give(CURL* handle) {
    const MutexLock lock(mutex_);
    idle_.push_back(handle);
  }
  std::vector<CURL*> take_all() {
    const MutexLock lock(mutex_);
    return std::move(idle_);
  }

  const Curl& curl_;
  Mutex mutex_;
  std::vector<CURL*> idle_ HR_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::create() {
  const Result<Curl>& library = curl_library();
  if (!library) return std::unexpected(library.error());
  return std::make_unique<CurlClient>(*library);
}

}  // namespace headrace
