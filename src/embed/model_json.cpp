#include "embed/model_json.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace headrace::embed {
namespace {

constexpr size_t kSmallFileBytesMax = size_t{16} << 20;

// Whole numbers beyond 64 bits, which the parser refuses, written as decimals. Hugging Face writes
// "no limit" as 1000000000000000019884624838656.
std::string with_long_integers_as_decimals(std::string_view text) {
  constexpr size_t kDigitsSafe = 18;
  const auto in_number = [](char c) {
    return (c >= '0' && c <= '9') || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
  };
  std::string out;
  bool quoted = false;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (quoted || !in_number(c)) {
      if (quoted && c == '\\' && i + 1 < text.size()) out += text[i++];
      if (c == '"') quoted = !quoted;
      out += text[i++];
      continue;
    }
    size_t end = i;
    while (end < text.size() && in_number(text[end])) ++end;
    const std::string_view number = text.substr(i, end - i);
    out += number;
    if (number.size() > kDigitsSafe && number.find_first_of(".eE") == std::string_view::npos)
      out += ".0";
    i = end;
  }
  return out;
}

}  // namespace

std::unexpected<Error> damaged_model(std::string_view file, std::string_view what) {
  return fail(ErrorCode::damaged, fmt::format("{}: {}", file, what),
              "download or copy the model again");
}

std::unexpected<Error> refused_model(std::string_view file, std::string_view what) {
  return fail(ErrorCode::unsupported, fmt::format("{}: {}", file, what),
              "take another model; `headrace models` shows what can run");
}

Result<std::string> read_small_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return os_fail(errno, fmt::format("open {}", path));
  std::string text;
  Status status;
  struct stat about{};
  if (::fstat(descriptor, &about) != 0) {
    status = os_fail(errno, fmt::format("stat {}", path));
  } else if (!S_ISREG(about.st_mode)) {
    status = damaged_model(path, "is not a regular file");
  }
  char piece[65536];
  while (status) {
    const ssize_t got = ::read(descriptor, piece, sizeof(piece));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) status = os_fail(errno, fmt::format("read {}", path));
    if (got <= 0) break;
    text.append(piece, static_cast<size_t>(got));
    if (text.size() > kSmallFileBytesMax) {
      status = fail(ErrorCode::too_large,
                    fmt::format("{}: is over {} MiB", path, kSmallFileBytesMax >> 20));
    }
  }
  ::close(descriptor);
  if (!status) return std::unexpected(std::move(status).error());
  return text;
}

Result<JsonObject> JsonObject::parse(std::string_view text, std::string_view file) {
  JsonObject object(std::string(file), std::make_shared<simdjson::dom::parser>());
  simdjson::dom::element root;
  auto error = object.parser_->parse(simdjson::padded_string(text)).get(root);
  if (error == simdjson::NUMBER_ERROR) {
    const std::string rewritten = with_long_integers_as_decimals(text);
    error = object.parser_->parse(simdjson::padded_string(rewritten)).get(root);
  }
  if (error != simdjson::SUCCESS) {
    return damaged_model(file, fmt::format("is not JSON ({})", simdjson::error_message(error)));
  }
  if (root.get(object.object_) != simdjson::SUCCESS)
    return damaged_model(file, "is not a JSON object");
  return object;
}

Result<std::optional<JsonObject>> JsonObject::read_optional(const std::string& path) {
  Result<std::string> text = read_small_file(path);
  if (!text && text.error().code() == ErrorCode::not_found) return std::nullopt;
  if (!text) return std::unexpected(std::move(text).error());
  HR_ASSIGN(JsonObject json, parse(*text, path));
  return std::optional<JsonObject>(std::move(json));
}

bool JsonObject::has(std::string_view key) const {
  simdjson::dom::element value;
  return object_.at_key(key).get(value) == simdjson::SUCCESS && !value.is_null();
}

template <class Json, class Value>
Result<Value> JsonObject::get(std::string_view key, Value fallback, std::string_view kind) const {
  if (!has(key)) return fallback;
  Json value{};
  if (object_.at_key(key).get(value) != simdjson::SUCCESS)
    return damaged_model(file_, fmt::format("\"{}\" is not {}", key, kind));
  return Value(value);
}

Result<std::string> JsonObject::text(std::string_view key, std::string_view fallback) const {
  return get<std::string_view, std::string>(key, std::string(fallback), "a string");
}

Result<std::vector<std::string>> JsonObject::texts(std::string_view key) const {
  std::vector<std::string> texts;
  if (!has(key)) return texts;
  const simdjson::dom::element value = object_.at_key(key).value_unsafe();
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return std::vector{std::string(text)};
  simdjson::dom::array list;
  const auto damaged = [&] {
    return damaged_model(file_, fmt::format("\"{}\" is neither a string nor a list of them", key));
  };
  if (value.get(list) != simdjson::SUCCESS) return damaged();
  for (const simdjson::dom::element entry : list) {
    if (entry.get(text) != simdjson::SUCCESS) return damaged();
    texts.emplace_back(text);
  }
  return texts;
}

Result<bool> JsonObject::flag(std::string_view key, bool fallback) const {
  return get<bool, bool>(key, fallback, "true or false");
}

Result<double> JsonObject::number(std::string_view key, double fallback) const {
  return get<double, double>(key, fallback, "a number");
}

Result<uint32_t> JsonObject::size(std::string_view key, uint32_t most) const {
  if (!has(key)) return damaged_model(file_, fmt::format("\"{}\" is missing", key));
  return size_or(key, 0, 1, most);
}

Result<uint32_t> JsonObject::size_or(std::string_view key, uint32_t fallback, uint32_t least,
                                     uint32_t most) const {
  if (!has(key)) return fallback;
  uint64_t value = 0;
  if (object_.at_key(key).get(value) != simdjson::SUCCESS || value < least || value > most) {
    return damaged_model(
        file_, fmt::format("\"{}\" is not a whole number from {} to {}", key, least, most));
  }
  return static_cast<uint32_t>(value);
}

Result<std::optional<JsonObject>> JsonObject::object(std::string_view key) const {
  if (!has(key)) return std::nullopt;
  JsonObject inner(file_, parser_);
  if (object_.at_key(key).get(inner.object_) != simdjson::SUCCESS)
    return damaged_model(file_, fmt::format("\"{}\" is not a JSON object", key));
  return std::optional<JsonObject>(std::move(inner));
}

}  // namespace headrace::embed
