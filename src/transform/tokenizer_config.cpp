#include "transform/tokenizer_config.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"
#include "transform/tokenizer_json.h"

namespace headrace {
namespace {

using tokenizer_json::array;
using tokenizer_json::element;
using tokenizer_json::JsonReader;
using tokenizer_json::object;

constexpr size_t kDepthMax = 64;  // real files nest about 6 deep
constexpr size_t kAddedTokensMax = 1'000'000;

Status read_added_tokens(const JsonReader& reader, const object& root, TokenizerConfig& config) {
  const std::optional<element> value = JsonReader::find(root, "added_tokens");
  if (!value) return {};
  HR_ASSIGN(const array tokens, reader.as_array(*value, "added_tokens"));
  std::unordered_map<std::string_view, int32_t> ids;
  // Only Unigram can have a token twice.
  for (const VocabularyEntry& entry : config.vocabulary) ids[entry.token] = entry.id;
  // The next free id counts from the size of the model's vocabulary, as `tokenizers` does.
  int32_t next = static_cast<int32_t>(config.vocabulary.size());
  std::unordered_map<std::string, size_t> places;
  for (const element item : tokens) {
    if (config.added_tokens.size() >= kAddedTokensMax) {
      return fail(ErrorCode::too_large,
                  fmt::format("{}: added_tokens: more than {}", config.path, kAddedTokensMax));
    }
    HR_ASSIGN(const object fields, reader.as_object(item, "an entry of added_tokens"));
    AddedToken token;
    HR_ASSIGN(const std::string_view content,
              reader.required_string(fields, "content", "added_tokens"));
    if (content.empty()) continue;
    token.content = content;
    HR_ASSIGN(token.special, reader.flag(fields, "special", "added_tokens", false));
    HR_ASSIGN(token.single_word, reader.flag(fields, "single_word", "added_tokens", false));
    HR_ASSIGN(token.lstrip, reader.flag(fields, "lstrip", "added_tokens", false));
    HR_ASSIGN(token.rstrip, reader.flag(fields, "rstrip", "added_tokens", false));
    HR_ASSIGN(token.normalized, reader.flag(fields, "normalized", "added_tokens", !token.special));
    const auto [place, fresh] = places.try_emplace(token.content, config.added_tokens.size());
    if (!fresh) {
      token.id = config.added_tokens[place->second].id;
      config.added_tokens[place->second] = std::move(token);
      continue;
    }
    const auto known = ids.find(token.content);
    token.id = known != ids.end() ? known->second : next++;
    config.added_tokens.push_back(std::move(token));
  }
  return {};
}

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Result<std::string> read_file(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return fail(ErrorCode::not_found, fmt::format("{}: no such file", path),
                  "give a tokenizer.json or a model folder that holds one");
    }
    return os_fail(errno, "read " + path);
  }
  if (!S_ISREG(info.st_mode)) {
    return fail(ErrorCode::unsupported, fmt::format("{}: not a regular file", path),
                "give a tokenizer.json or a model folder that holds one");
  }
  if (static_cast<uint64_t>(info.st_size) > kTokenizerFileBytesMax) {
    return fail(ErrorCode::too_large,
                fmt::format("{}: {} bytes, more than a tokenizer.json may have ({})", path,
                            info.st_size, kTokenizerFileBytesMax));
  }
  const std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "rb"));
  if (!file) return os_fail(errno, "open " + path);
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  const size_t got = std::fread(bytes.data(), 1, bytes.size(), file.get());
  if (got != bytes.size()) {
    if (std::ferror(file.get())) return os_fail(errno, "read " + path);
    return fail(ErrorCode::changed, fmt::format("{}: became shorter while it was read", path),
                "try again");
  }
  return bytes;
}

// What tokenizer_config.json says of the side; where it says nothing: `fallback`. Read lazily: it
// may hold numbers that a parser of the whole refuses, and who loads the model says what is wrong
// in it.
bool cuts_beginning(const std::string& folder, bool fallback) {
  const auto bytes = read_file(folder + "/tokenizer_config.json");
  if (!bytes) return fallback;
  const simdjson::padded_string padded(*bytes);
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  std::string_view side;
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS) return fallback;
  if (document["truncation_side"].get_string().get(side) != simdjson::SUCCESS) return fallback;
  return side == "left";
}

}  // namespace

Result<TokenizerConfig> parse_tokenizer_config(const std::string& json, const std::string& path) {
  TokenizerConfig config;
  config.path = path;
  config.digest = hash128(json).hex();
  const JsonReader reader(config.path);
  simdjson::dom::parser parser(kTokenizerFileBytesMax);
  if (parser.allocate(json.size() + 64, kDepthMax)) {
    return fail(ErrorCode::out_of_budget, fmt::format("{}: no memory to read it", path));
  }
  // The parser reads a few bytes past the end; it copies when the string has no room for that.
  element document;
  const auto error = parser.parse(json).get(document);
  if (error) {
    return reader.damaged("tokenizer.json",
                          fmt::format("not valid JSON: {}", simdjson::error_message(error)));
  }
  HR_ASSIGN(const object root, reader.as_object(document, "tokenizer.json"));
  if (const std::optional<element> version = JsonReader::find(root, "version")) {
    HR_ASSIGN(const std::string_view text, reader.as_string(*version, "version"));
    if (text != "1.0") {
      return reader.unsupported("version", fmt::format("\"{}\" is not supported", text));
    }
  }
  HR_TRY(tokenizer_json::read_normalizer(reader, root, config));
  HR_TRY(tokenizer_json::read_pre_tokenizer(reader, root, config));
  HR_TRY(tokenizer_json::read_model(reader, root, config));
  HR_TRY(read_added_tokens(reader, root, config));
  HR_TRY(tokenizer_json::read_post_processor(reader, root, config));
  HR_TRY(tokenizer_json::read_decoder(reader, root, config));
  if (const auto truncation = JsonReader::find(root, "truncation")) {
    std::string_view direction;
    config.cuts_beginning =
        truncation->at_key("direction").get(direction) == simdjson::SUCCESS && direction == "Left";
  }
  return config;
}

Result<TokenizerConfig> read_tokenizer_config(const std::string& path) {
  struct stat info = {};
  std::string file = path;
  const bool is_folder = ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  if (is_folder) file += "/tokenizer.json";
  HR_ASSIGN(const std::string bytes, read_file(file));
  HR_ASSIGN(TokenizerConfig config, parse_tokenizer_config(bytes, file));
  if (is_folder) config.cuts_beginning = cuts_beginning(path, config.cuts_beginning);
  if (config.cuts_beginning) config.digest += " left";
  return config;
}

}  // namespace headrace
