#include "plan/remote_model.h"

#include <gtest/gtest.h>

#include <set>

#include <cstdlib>
#include <deque>
#include <nlohmann/json.hpp>

#include "base/mutex.h"
#include "plan/remote_answer.h"

namespace headrace {
namespace {

using Json = nlohmann::json;

// A server in the test's hands. Without scripted answers it gives a vector that tells the text.
class FakeServer {
 public:
  HttpAnswer answer(const HttpRequest& request) {
    const MutexLock lock(mutex_);
    requests_.push_back(request);
    if (requests_.size() > 1 && !script_.empty()) {  // the first one asks for the dimension
      HttpAnswer next = script_.front();
      script_.pop_front();
      return next;
    }
    if (refuses_ != 0 && request.body.contains("poison")) return {refuses_, "", "no such text"};
    return good(request);
  }
  // Whatever holds "poison", from now on.
  void refuse(int status) {
    const MutexLock lock(mutex_);
    refuses_ = status;
  }
  static HttpAnswer good(const HttpRequest& request) {
    const Json asked = Json::parse(request.body);
    Json data = Json::array();
    const auto& input = asked["input"];
    // Backwards: the index counts, not the place.
    for (size_t i = input.size(); i-- > 0;) {
      const auto text = input[i].get<std::string>();
      data.push_back({{"index", i}, {"embedding", {text.size(), text.empty() ? 0 : text[0], 1}}});
    }
    return {200, "", Json{{"data", data}, {"usage", {{"prompt_tokens", input.size() * 3}}}}.dump()};
  }
  void script(std::vector<HttpAnswer> answers) {
    const MutexLock lock(mutex_);
    script_.assign(answers.begin(), answers.end());
  }
  std::vector<HttpRequest> requests() const {
    const MutexLock lock(mutex_);
    return requests_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<HttpRequest> requests_ HR_GUARDED_BY(mutex_);
  std::deque<HttpAnswer> script_ HR_GUARDED_BY(mutex_);
  int refuses_ HR_GUARDED_BY(mutex_) = 0;
};

class FakeClient : public HttpClient {
 public:
  explicit FakeClient(FakeServer& server) : server_(server) {}
  Result<HttpAnswer> post(const HttpRequest& request, const CancelToken* /*cancel*/) override {
    HttpAnswer answer = server_.answer(request);
    if (answer.status == 0) return fail(ErrorCode::timed_out, "stalled");
    return answer;
  }

 private:
  FakeServer& server_;
};

// Time that only passes in pauses.
struct FakeTime {
  Mutex mutex;
  std::chrono::milliseconds passed HR_GUARDED_BY(mutex){0};
  RemoteClock clock() {
    RemoteClock made;
    made.now = [this] {
      const MutexLock lock(mutex);
      return std::chrono::steady_clock::time_point() + passed;
    };
    made.pause = [this](std::chrono::milliseconds pause, const CancelToken*) {
      const MutexLock lock(mutex);
      passed += pause;
    };
    return made;
  }
  int64_t milliseconds() {
    const MutexLock lock(mutex);
    return passed.count();
  }
};

class RemoteModelTest : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("OPENAI_API_KEY");
    unsetenv("HEADRACE_API_KEY");
  }
  void load(const std::string& settings = "") {
    auto loaded = load_remote_model("http://127.0.0.1:1/v1#name" + settings, nullptr,
                                    std::make_unique<FakeClient>(server_), time_.clock());
    ASSERT_TRUE(loaded) << loaded.error().text();
    model_ = *loaded;
  }
  Result<Embeddings> embed(const std::vector<std::string>& texts) {
    return model_->embed(texts, {}, pool_);
  }

  FakeServer server_;
  FakeTime time_;
  ThreadPool pool_{2};
  std::shared_ptr<const VectorModel> model_;
};

TEST_F(RemoteModelTest, BatchesInOrderWhateverTheServersOrder) {
  load("?batch=3&price=2&concurrency=3");
  std::vector<std::string> texts;
  for (int i = 0; i < 20; ++i)
    texts.push_back(std::string(static_cast<size_t>(i * 7 % 11 + 1), 'a'));
  const auto result = embed(texts);
  ASSERT_TRUE(result) << result.error().text();
  for (size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(result->values[i * 3], static_cast<float>(texts[i].size()));
  // With the one that asked for the dimension.
  EXPECT_EQ(result->requests, 8U);
  EXPECT_EQ(result->retries, 0U);
  EXPECT_EQ(result->tokens, 63U);
  EXPECT_DOUBLE_EQ(result->cost, 63 * 2 / 1e6);
  EXPECT_EQ(model_->info().dimension, 3U);
  EXPECT_EQ(server_.requests().at(0).url, "http://127.0.0.1:1/v1/embeddings");
}

TEST_F(RemoteModelTest, BusyAndBrokenServersAreAskedAgain) {
  load();
  server_.script({{429, "7", "{}"}, {500, "", "oops"}, {0, "", ""}, {503, "", ""}});
  const auto result = embed({"text"});
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->values[0], 4.0F);
  EXPECT_EQ(result->requests, 6U);
  EXPECT_EQ(result->retries, 4U);
  // 7 s as the server said, then between 3/4 and the whole of 1, 2 and 4 s.
  EXPECT_GE(time_.milliseconds(), 7000 + 750 + 1500 + 3000);
  EXPECT_LE(time_.milliseconds(), 7000 + 1000 + 2000 + 4000);
}

TEST_F(RemoteModelTest, AttemptsEndAndTheServersWordsAreShown) {
  load("?attempts=3");
  const HttpAnswer broken{500, "", R"({"error":{"message":"the disk is on fire"}})"};
  server_.script({broken, broken, broken, broken});
  const auto result = embed({"text"});
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().message().contains("the disk is on fire")) << result.error().text();
  EXPECT_EQ(server_.requests().size(), 4U);
}

TEST_F(RemoteModelTest, RefusalsAreNotRepeated) {
  load();
  for (const int status : {400, 401, 404, 302}) {
    const size_t before = server_.requests().size();
    server_.script({{status, "", "no"}});
    const auto result = embed({"text"});
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error().message().contains(std::to_string(status)));
    EXPECT_EQ(server_.requests().size(), before + 1);
  }
  server_.script({{429, "", R"({"error":{"code":"insufficient_quota","message":"pay"}})"}});
  EXPECT_FALSE(embed({"text"}));
}

TEST_F(RemoteModelTest, ATextThatIsRefusedTakesNoOtherWithIt) {
  load("?batch=8&attempts=2&concurrency=1");
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) texts.push_back(std::to_string(i) + (i == 20 ? " poison" : " fine"));
  for (const int status : {400, 500}) {
    server_.refuse(status);
    std::set<size_t> kept;
    EmbedOptions options;
    options.keep = [&](size_t text, std::span<const float> vector) {
      EXPECT_EQ(vector[0], static_cast<float>(texts[text].size()));
      kept.insert(text);
    };
    const auto result = model_->embed(texts, options, pool_);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::io) << result.error().text();
    EXPECT_FALSE(kept.contains(20));
    // A text that is refused is looked for; a server that is broken for it is not bothered more.
    EXPECT_EQ(kept.size(), status == 400 ? 39U : 32U);
    EXPECT_TRUE(result.error().hint().contains("kept")) << result.error().text();
    if (status == 400) {
      EXPECT_TRUE(result.error().message().contains("\"20 poison\"")) << result.error().text();
    }
  }
}

TEST_F(RemoteModelTest, WhoIsToldOfRefusedTextsGetsTheOthers) {
  load("?batch=8&attempts=2&concurrency=1");
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) {
    texts.push_back(std::to_string(i) + (i % 7 == 6 ? " poison" : " fine"));
  }
  server_.refuse(400);
  std::set<size_t> refused;
  EmbedOptions options;
  options.refuse = [&](size_t text, const Error& why) {
    EXPECT_TRUE(why.message().contains(texts[text])) << why.text();
    refused.insert(text);
  };
  const auto result = model_->embed(texts, options, pool_);
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(refused, (std::set<size_t>{6, 13, 20, 27, 34}));
  EXPECT_EQ(result->values[20 * 3], 0);
  EXPECT_EQ(result->values[21 * 3], static_cast<float>(texts[21].size()));
  // All that is left may be what was refused before.
  refused.clear();
  options.refuse = [&](size_t text, const Error&) { refused.insert(text); };
  ASSERT_TRUE(model_->embed(std::vector<std::string>(20, "poison"), options, pool_));
  EXPECT_EQ(refused.size(), 20U);
}

TEST_F(RemoteModelTest, WhatIsNoMatterOfTextsEndsTheCall) {
  load("?batch=8&attempts=2&concurrency=1&encoding=float");
  const std::vector<std::string> texts(20, "fine");
  size_t refused = 0;
  EmbedOptions options;
  options.refuse = [&](size_t, const Error&) { ++refused; };
  // A server that refuses any text refuses a setting.
  server_.script(std::vector<HttpAnswer>(60, HttpAnswer{400, "", "no such setting"}));
  EXPECT_FALSE(model_->embed(texts, options, pool_));
  server_.script({});
  server_.refuse(500);
  EXPECT_FALSE(model_->embed(std::vector<std::string>{"poison"}, options, pool_));
  // … and what is told is that, not the text that was refused before.
  server_.refuse(400);
  server_.script({{400, "", "no"},
                  {400, "", "no"},
                  {400, "", "no"},
                  {400, "", "this text"},
                  {401, "", "this key"}});
  const auto ended = model_->embed(texts, options, pool_);
  ASSERT_FALSE(ended);
  EXPECT_TRUE(ended.error().message().contains("401")) << ended.error().text();
  EXPECT_EQ(refused, 0U);
}

TEST_F(RemoteModelTest, WrongAnswersAreRefused) {
  load();
  const auto with = [](Json data) { return HttpAnswer{200, "", Json{{"data", data}}.dump()}; };
  const Json one{{"index", 0}, {"embedding", {1, 2, 3}}};
  for (const HttpAnswer& wrong :
       {with(Json::array({one})),                                                // one is missing
        with(Json::array({one, one})),                                           // twice the same
        with(Json::array({one, {{"index", 2}, {"embedding", {1, 2, 3}}}})),      // no such text
        with(Json::array({one, {{"index", 1}, {"embedding", {1, 2}}}})),         // dimensions
        with(Json::array({one, {{"index", 1}, {"embedding", Json::array()}}})),  // none
        with(Json::array({one, {{"index", 1}, {"embedding", {1, 2, "x"}}}})),    // no number
        with(Json::array({one, {{"index", 1}, {"embedding", "AADAfwAAwH8AAMB/"}}})),  // NaN
        with(Json::array({one, {{"index", 1}, {"embedding", "?"}}})),                 // no base64
        HttpAnswer{200, "", "<html>"}, HttpAnswer{200, "", ""},
        HttpAnswer{200, "", std::string(1 << 20, '[')}}) {
    server_.script({wrong});
    const auto result = embed({"a", "b"});
    ASSERT_FALSE(result) << wrong.body;
    EXPECT_EQ(result.error().code(), ErrorCode::damaged) << result.error().text();
  }
}

TEST_F(RemoteModelTest, Base64AndItsAbsence) {
  load();
  EXPECT_EQ(Json::parse(server_.requests()[0].body)["encoding_format"], "base64");
  // 1.0, -2.0, 0.5 as little-endian float32
  server_.script({{200, "", R"({"data":[{"embedding":"AACAPwAAAMAAAAA/"}]})"}});
  auto result = embed({"x"});
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->values, (std::vector<float>{1.0F, -2.0F, 0.5F}));
  server_.script({{400, "", R"({"error":{"message":"encoding_format must be float"}})"}});
  result = embed({"x"});
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(Json::parse(server_.requests().back().body)["encoding_format"], "float");
}

TEST_F(RemoteModelTest, RatesAreKept) {
  load("?rpm=60&batch=1&concurrency=1");
  ASSERT_TRUE(embed({"a", "b", "c", "d"}));
  EXPECT_GE(time_.milliseconds(), 4000);  // a request a second, the one at loading included
  EXPECT_LE(time_.milliseconds(), 5000);
}

TEST_F(RemoteModelTest, KeysGoOnlyWhereTheyMay) {
  setenv("OPENAI_API_KEY", "sk-secret", 1);
  const auto sent = [&](const std::string& url) {
    FakeServer server;
    auto loaded =
        load_remote_model(url + "#m", nullptr, std::make_unique<FakeClient>(server), time_.clock());
    EXPECT_TRUE(loaded);
    const auto requests = server.requests();
    for (const std::string& header : requests[0].headers) {
      if (header.starts_with("Authorization: Bearer ")) return header.substr(22);
    }
    return std::string();
  };
  EXPECT_EQ(sent("https://example.com"), "sk-secret");
  EXPECT_EQ(sent("http://localhost:8000"), "sk-secret");
  EXPECT_EQ(sent("http://example.com"), "");
  EXPECT_EQ(sent("http://localhost.example.com"), "");
  setenv("HEADRACE_API_KEY", "own", 1);
  EXPECT_EQ(sent("http://example.com"), "own");
  unsetenv("OPENAI_API_KEY");
  unsetenv("HEADRACE_API_KEY");
}

TEST_F(RemoteModelTest, LongTextsAreCutAndCounted) {
  load("?tokens=10");
  std::string text;
  for (int i = 0; i < 100; ++i) text += "word ";
  const auto result = embed({"short", text, ""});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->cut, 1U);
  EXPECT_EQ(result->longer, std::vector<uint32_t>{1});
  EXPECT_EQ(result->values[3], 50.0F);
}

TEST_F(RemoteModelTest, CancellationEndsTheCall) {
  load();
  CancelToken cancel;
  cancel.request();
  const std::vector<std::string> texts{"a"};
  const auto result = model_->embed(texts, {.cancel = &cancel}, pool_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::cancelled);
}

TEST(RemoteSpec, IsReadOrRefused) {
  const auto good = parse_remote("https://api.example.com#m?dimensions=256&tokens=100&timeout=1.5");
  ASSERT_TRUE(good) << good.error().text();
  EXPECT_EQ(good->url, "https://api.example.com/v1/embeddings");
  EXPECT_EQ(good->dimensions, 256U);
  EXPECT_EQ(good->timeout_ms, 1500);
  EXPECT_EQ(parse_remote("http://h/v1/#m")->url, "http://h/v1/embeddings");
  const auto secret = parse_remote("http://user:s3cret@h/v1#m");
  ASSERT_FALSE(secret);
  EXPECT_FALSE(secret.error().text().contains("s3cret"));
  EXPECT_EQ(parse_remote("http://h/x/embeddings#org/m")->name, "org/m");
  for (const char* wrong : {"", "http://h", "http://h#", "ftp://h#m", "http://h#m?x=1",
                            "http://h#m?batch=0", "http://h#m?batch", "http://h#m?timeout=x",
                            "http://h#m?encoding=utf8", "http://h h#m", "#m"}) {
    const auto result = parse_remote(wrong);
    ASSERT_FALSE(result) << wrong;
    EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
    EXPECT_FALSE(result.error().hint().empty());
  }
}

TEST(RetryAfter, SecondsAndDates) {
  EXPECT_EQ(retry_after_seconds("3", 0), 3);
  EXPECT_EQ(retry_after_seconds("0.5", 0), 0.5);
  EXPECT_EQ(retry_after_seconds("Thu, 01 Jan 1970 00:01:00 GMT", 20), 40);
  EXPECT_EQ(retry_after_seconds("Thu, 01 Jan 1970 00:01:00 GMT", 200), 0);
  EXPECT_LT(retry_after_seconds("", 0), 0);
  EXPECT_LT(retry_after_seconds("soon", 0), 0);
  EXPECT_LT(retry_after_seconds("-1", 0), 0);
}

}  // namespace
}  // namespace headrace
