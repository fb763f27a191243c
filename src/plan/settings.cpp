#include "plan/settings.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/hash.h"

namespace headrace {

namespace {
// Raised when decoding or chunking changes what rows come of the same bytes.
constexpr int kRowVersion = 1;
}  // namespace

std::string Settings::to_json() const {
  return nlohmann::json{{"version", 1},
                        {"model", model},
                        {"precision", precision},
                        {"chunk_tokens", chunk_tokens},
                        {"overlap", overlap},
                        {"language", language},
                        {"own_vectors", own_vectors},
                        {"integer_ids", integer_ids}}
      .dump();
}

Result<Settings> Settings::from_json(const std::string& json) {
  Settings settings;
  if (json.empty()) return settings;
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) {
    return fail(ErrorCode::damaged, "the knowledge base's settings cannot be read",
                "run headrace verify on it");
  }
  settings.model = parsed.value("model", settings.model);
  settings.precision = parsed.value("precision", settings.precision);
  settings.chunk_tokens = parsed.value("chunk_tokens", settings.chunk_tokens);
  settings.overlap = parsed.value("overlap", settings.overlap);
  settings.language = parsed.value("language", settings.language);
  settings.own_vectors = parsed.value("own_vectors", settings.own_vectors);
  settings.integer_ids = parsed.value("integer_ids", settings.integer_ids);
  return settings;
}

std::string Settings::row_fingerprint(const std::string& tokenizer) const {
  return hash128(fmt::format("{}|{}|{}|{}", kRowVersion, chunk_tokens, overlap, tokenizer))
      .hex()
      .substr(0, 16);
}

}  // namespace headrace
