#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "plan/remote_model.h"

namespace headrace {

namespace {

constexpr const char* kExample =
    "write it like openai:https://api.openai.com/v1#text-embedding-3-small";

std::unexpected<Error> wrong(const std::string& spec, const std::string& why) {
  return fail(ErrorCode::invalid_argument, fmt::format("model openai:{}: {}", spec, why), kExample);
}

Status set(const std::string& spec, std::string_view name, std::string_view value,
           RemoteSettings& out) {
  if (name == "encoding") {
    if (value != "float" && value != "base64")
      return wrong(spec, "encoding is \"float\" or \"base64\"");
    out.base64 = value == "base64";
    return {};
  }
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || !(number >= 0) || number > 1e12)
    return wrong(spec, fmt::format("\"{}\" is not a number for {}", value, name));
  const auto at_least_one = [&](double most) -> Status {
    if (number >= 1 && number <= most) return {};
    return wrong(spec, fmt::format("{} is from 1 to {}", name, most));
  };
  if (name == "dimensions") {
    HR_TRY(at_least_one(65536));
    out.dimensions = static_cast<uint32_t>(number);
  } else if (name == "tokens") {
    HR_TRY(at_least_one(10'000'000));
    out.tokens_max = static_cast<uint32_t>(number);
  } else if (name == "batch") {
    HR_TRY(at_least_one(2048));
    out.batch = static_cast<size_t>(number);
  } else if (name == "concurrency") {
    HR_TRY(at_least_one(64));
    out.concurrency = static_cast<size_t>(number);
  } else if (name == "timeout") {
    if (number < 0.1 || number > 3600) return wrong(spec, "timeout is from 0.1 to 3600 seconds");
    out.timeout_ms = static_cast<int64_t>(number * 1000);
  } else if (name == "attempts") {
    HR_TRY(at_least_one(20));
    out.attempts = static_cast<uint32_t>(number);
  } else if (name == "rpm") {
    out.requests_per_minute = number;
  } else if (name == "tpm") {
    out.tokens_per_minute = number;
  } else if (name == "price") {
    out.price_per_million = number;
  } else {
    return wrong(spec, fmt::format("\"{}\" is no setting; there are dimensions, tokens, batch, "
                                   "concurrency, timeout, attempts, rpm, tpm, price, encoding",
                                   name));
  }
  return {};
}

}  // namespace

Result<RemoteSettings> parse_remote(const std::string& spec) {
  const size_t hash = spec.find('#');
  if (hash == std::string::npos) return wrong(spec, "the model's name after # is missing");
  RemoteSettings settings;
  settings.url = spec.substr(0, hash);
  if (!settings.url.starts_with("http://") && !settings.url.starts_with("https://"))
    return wrong(spec, "the URL begins neither with http:// nor with https://");
  for (const unsigned char byte : spec) {
    if (byte <= ' ' || byte == 0x7F) return wrong(spec, "the URL holds a space or control byte");
  }
  // It would be shown in messages and kept in the knowledge base; the spec is not repeated here.
  const size_t host = settings.url.find("//") + 2;
  if (settings.url.substr(host, settings.url.find('/', host) - host).contains('@')) {
    return fail(ErrorCode::invalid_argument,
                "the URL of an openai: model holds a name or a password",
                "leave it out; a key goes into HEADRACE_API_KEY");
  }
  while (settings.url.ends_with('/')) settings.url.pop_back();
  if (settings.url.ends_with("/v1")) {
    settings.url += "/embeddings";
  } else if (!settings.url.ends_with("/embeddings")) {
    settings.url += "/v1/embeddings";
  }
  std::string_view rest = std::string_view(spec).substr(hash + 1);
  const size_t question = rest.find('?');
  settings.name = rest.substr(0, question);
  if (settings.name.empty()) return wrong(spec, "the model's name after # is missing");
  rest = question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos)
      return wrong(spec, fmt::format("\"{}\" has no value", pair));
    HR_TRY(set(spec, pair.substr(0, equals), pair.substr(equals + 1), settings));
  }
  return settings;
}

}  // namespace headrace
