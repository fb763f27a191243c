// JsonReader: typed look-ups in a tokenizer.json, with errors that name the file and the part.
//
// Owns: nothing. Threads: const. Errors: damaged, unsupported.
#pragma once

#include <fmt/format.h>
#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "transform/tokenizer_config.h"

namespace headrace {

namespace tokenizer_json {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

inline constexpr size_t kTokenBytesMax = 65'536;

// Reads parts of one file; every error names the file and the part.
class JsonReader {
 public:
  explicit JsonReader(const std::string& path) : path_(path) {}

  std::unexpected<Error> damaged(std::string_view part, std::string_view what) const {
    return fail(ErrorCode::damaged, fmt::format("{}: {}: {}", path_, part, what),
                "get the tokenizer.json of the model again");
  }
  std::unexpected<Error> unsupported(std::string_view part, std::string_view what) const {
    return fail(ErrorCode::unsupported, fmt::format("{}: {}: {}", path_, part, what),
                "use a model with another tokenizer");
  }

  // A member that may be absent or null.
  static std::optional<element> find(const object& parent, std::string_view key) {
    element value;
    if (parent.at_key(key).get(value) || value.is_null()) return std::nullopt;
    return value;
  }
  Result<object> as_object(const element& value, std::string_view part) const {
    object out;
    if (value.get(out)) return damaged(part, "is not an object");
    return out;
  }
  Result<object> required_object(const object& parent, std::string_view key) const {
    const std::optional<element> value = find(parent, key);
    if (!value) return damaged(key, "is missing");
    return as_object(*value, key);
  }
  Result<array> as_array(const element& value, std::string_view part) const {
    array out;
    if (value.get(out)) return damaged(part, "is not a list");
    return out;
  }
  Result<std::string_view> as_string(const element& value, std::string_view part) const {
    std::string_view out;
    if (value.get(out)) return damaged(part, "is not a string");
    if (out.size() > kTokenBytesMax) {
      return damaged(part, fmt::format("is longer than {} bytes", kTokenBytesMax));
    }
    return out;
  }
  Result<std::string_view> required_string(const object& parent, std::string_view key,
                                           std::string_view part) const {
    const std::optional<element> value = find(parent, key);
    if (!value) return damaged(part, fmt::format("\"{}\" is missing", key));
    return as_string(*value, fmt::format("{}.{}", part, key));
  }
  Result<bool> flag(const object& parent, std::string_view key, std::string_view part,
                    bool fallback) const {
    const std::optional<element> value = find(parent, key);
    if (!value) return fallback;
    bool out = false;
    if (value->get(out)) return damaged(fmt::format("{}.{}", part, key), "is not true or false");
    return out;
  }
  // A whole number from 0 to `most`; `fallback` when it is absent.
  Result<uint32_t> count(const object& parent, std::string_view key, std::string_view part,
                         uint32_t most, uint32_t fallback) const {
    const std::optional<element> value = find(parent, key);
    if (!value) return fallback;
    uint64_t out = 0;
    const std::string name = fmt::format("{}.{}", part, key);
    if (value->get(out)) return damaged(name, "is not a whole number");
    if (out > most) return unsupported(name, fmt::format("{} is more than {}", out, most));
    return static_cast<uint32_t>(out);
  }
  Result<int32_t> as_id(const element& value, std::string_view part) const {
    int64_t out = 0;
    if (value.get(out) || out < 0 || out > INT32_MAX) {
      return damaged(part, "is not a token id (a whole number from 0)");
    }
    return static_cast<int32_t>(out);
  }

 private:
  const std::string& path_;
};

// The parts of the file, each into its place in `config`.
Status read_model(const JsonReader& reader, const object& root, TokenizerConfig& config);
Status read_normalizer(const JsonReader& reader, const object& root, TokenizerConfig& config);
Status read_pre_tokenizer(const JsonReader& reader, const object& root, TokenizerConfig& config);
Status read_post_processor(const JsonReader& reader, const object& root, TokenizerConfig& config);
Status read_decoder(const JsonReader& reader, const object& root, TokenizerConfig& config);

}  // namespace tokenizer_json

}  // namespace headrace
