#include "plan/remote_answer.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

namespace headrace {

namespace {

using Json = nlohmann::json;

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

// base64 of little-endian float32; false when it is not.
bool floats_from_base64(std::string_view text, std::vector<float>& out) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    const int value = value_of(c);
    if (value < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    have += 6;
    if (have >= 8) {
      have -= 8;
      bytes += static_cast<char>(bits >> have & 0xFF);
    }
  }
  if (bytes.size() % sizeof(float) != 0) return false;
  const size_t before = out.size();
  out.resize(before + bytes.size() / sizeof(float));
  if (!bytes.empty()) std::memcpy(out.data() + before, bytes.data(), bytes.size());
  return true;
}

bool floats_from(const Json& embedding, std::vector<float>& out) {
  if (embedding.is_string())
    return floats_from_base64(embedding.get_ref<const std::string&>(), out);
  if (!embedding.is_array()) return false;
  for (const Json& value : embedding) {
    if (!value.is_number()) return false;
    out.push_back(value.get<float>());
  }
  return true;
}

// Every level of lists and objects costs a tree many times its one byte.
bool is_shallow(std::string_view json) {
  constexpr int kDepthMax = 16;
  int depth = 0;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text) {
      if (c == '\\') ++i;
      if (c == '"') in_text = false;
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDepthMax) return false;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return true;
}

}  // namespace

Result<RemoteVectors> parse_remote_answer(std::string_view text, size_t texts, uint32_t dimension,
                                          const std::string& url) {
  const auto wrong = [&](const std::string& what) {
    return fail(ErrorCode::damaged, fmt::format("{} answered {}", url, what),
                "check that it is an embeddings endpoint and that the model fits");
  };
  if (!is_shallow(text)) return wrong("lists within lists");
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("data") || !json["data"].is_array())
    return wrong("without a list \"data\"");
  const Json& data = json["data"];
  if (data.size() != texts)
    return wrong(fmt::format("{} vectors for {} texts", data.size(), texts));
  RemoteVectors result;
  result.dimension = dimension;
  std::vector<bool> seen(texts, false);
  std::vector<float> vector;
  for (size_t place = 0; place < data.size(); ++place) {
    const Json& entry = data[place];
    if (!entry.is_object() || !entry.contains("embedding"))
      return wrong("with an entry that has no \"embedding\"");
    size_t index = place;
    if (entry.contains("index")) {
      if (!entry["index"].is_number_unsigned()) return wrong("with an \"index\" that is none");
      index = entry["index"].get<size_t>();
    }
    if (index >= texts || seen[index]) return wrong("with indices that are not those of the texts");
    seen[index] = true;
    vector.clear();
    if (!floats_from(entry["embedding"], vector) || vector.empty())
      return wrong("with an \"embedding\" that is no list of numbers");
    if (result.dimension == 0) result.dimension = static_cast<uint32_t>(vector.size());
    if (vector.size() != result.dimension) {
      return wrong(fmt::format("a vector of {} dimensions where {} are expected", vector.size(),
                               result.dimension));
    }
    for (const float value : vector) {
      if (!std::isfinite(value)) return wrong("a vector that is not finite");
    }
    result.values.resize(texts * result.dimension);
    std::copy(vector.begin(), vector.end(),
              result.values.begin() + static_cast<std::ptrdiff_t>(index * result.dimension));
  }
  if (json.contains("usage") && json["usage"].is_object()) {
    for (const char* name : {"prompt_tokens", "total_tokens"}) {
      const auto& usage = json["usage"];
      if (result.tokens == 0 && usage.contains(name) && usage[name].is_number_unsigned())
        result.tokens = usage[name].get<uint64_t>();
    }
  }
  return result;
}

std::string remote_error_text(std::string_view body) {
  constexpr size_t kTextMax = 300;
  const Json json = is_shallow(body) ? Json::parse(body, nullptr, false) : Json();
  std::string text;
  if (json.is_object()) {
    const Json error = json.value("error", Json());
    if (error.is_object() && error.contains("message") && error["message"].is_string())
      text = error["message"].get<std::string>();
    else if (error.is_string())
      text = error.get<std::string>();
    else if (json.contains("message") && json["message"].is_string())
      text = json["message"].get<std::string>();
  }
  if (text.empty()) text = body.substr(0, kTextMax);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  if (text.size() > kTextMax) text.resize(kTextMax);
  return text;
}

double retry_after_seconds(std::string_view value, int64_t now_unix) {
  if (value.empty()) return -1;
  double seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc() && end == value.data() + value.size())
    return seconds >= 0 ? seconds : -1;
  std::tm time{};
  const std::string text(value);
  const char* rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time);
  if (rest == nullptr) return -1;
  return std::max(0.0, static_cast<double>(timegm(&time) - now_unix));
}

}  // namespace headrace
