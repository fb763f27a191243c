#include "transform/tokenizer_config.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace headrace {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr size_t kDepthMax = 64;              // real files nest about 6 deep
constexpr size_t kVocabularyMax = 8'000'000;  // tokens
constexpr size_t kAddedTokensMax = 1'000'000;
constexpr size_t kTokenBytesMax = 65'536;
constexpr size_t kWordCharsMax = 100'000;

// Reads parts of one file; every error names the file and the part.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  std::unexpected<Error> damaged(std::string_view part, std::string_view what) const {
    return fail(ErrorCode::damaged, fmt::format("{}: {}: {}", path_, part, what),
                "get the tokenizer.json of the model again");
  }
  std::unexpected<Error> unsupported(std::string_view part, std::string_view what) const {
    return fail(ErrorCode::unsupported, fmt::format("{}: {}: {}", path_, part, what),
                "use a model with a BERT WordPiece tokenizer");
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

Status read_vocabulary(const Reader& reader, const object& model, TokenizerConfig& config) {
  HR_ASSIGN(const object vocabulary, reader.required_object(model, "vocab"));
  std::vector<int32_t> ids;
  for (const auto field : vocabulary) {
    if (config.vocabulary.size() >= kVocabularyMax) {
      return fail(ErrorCode::too_large,
                  fmt::format("{}: model.vocab: more than {} tokens", config.path, kVocabularyMax));
    }
    if (field.key.size() > kTokenBytesMax) {
      return reader.damaged("model.vocab",
                            fmt::format("has a token longer than {} bytes", kTokenBytesMax));
    }
    HR_ASSIGN(const int32_t id,
              reader.as_id(field.value, fmt::format("model.vocab[\"{}\"]", field.key)));
    config.vocabulary.push_back({std::string(field.key), id});
    ids.push_back(id);
  }
  if (config.vocabulary.empty()) return reader.damaged("model.vocab", "is empty");
  std::sort(ids.begin(), ids.end());
  if (const auto twice = std::adjacent_find(ids.begin(), ids.end()); twice != ids.end()) {
    return reader.damaged("model.vocab", fmt::format("gives the id {} to two tokens", *twice));
  }
  std::unordered_set<std::string_view> seen;
  for (const VocabularyEntry& entry : config.vocabulary) {
    if (!seen.insert(entry.token).second) {
      return reader.damaged("model.vocab", fmt::format("has \"{}\" twice", entry.token));
    }
  }
  return {};
}

Status read_model(const Reader& reader, const object& root, TokenizerConfig& config) {
  HR_ASSIGN(const object model, reader.required_object(root, "model"));
  HR_ASSIGN(const std::string_view type, reader.required_string(model, "type", "model"));
  if (type != "WordPiece") {
    return reader.unsupported("model", fmt::format("the type \"{}\" is not supported", type));
  }
  HR_ASSIGN(const std::string_view unknown, reader.required_string(model, "unk_token", "model"));
  config.unknown_token = unknown;
  HR_ASSIGN(const std::string_view prefix,
            reader.required_string(model, "continuing_subword_prefix", "model"));
  config.continuing_prefix = prefix;
  const std::optional<element> longest = Reader::find(model, "max_input_chars_per_word");
  if (!longest) return reader.damaged("model", "\"max_input_chars_per_word\" is missing");
  uint64_t chars = 0;
  if (longest->get(chars)) {
    return reader.damaged("model.max_input_chars_per_word", "is not a whole number");
  }
  if (chars > kWordCharsMax) {
    return reader.unsupported("model.max_input_chars_per_word",
                              fmt::format("{} is more than {}", chars, kWordCharsMax));
  }
  config.word_chars_max = chars;
  HR_TRY(read_vocabulary(reader, model, config));
  const bool known = std::any_of(
      config.vocabulary.begin(), config.vocabulary.end(),
      [&config](const VocabularyEntry& entry) { return entry.token == config.unknown_token; });
  if (!known) {
    return reader.damaged("model.vocab", fmt::format("lacks the unknown token \"{}\"", unknown));
  }
  return {};
}

Status read_normalizer(const Reader& reader, const object& root, TokenizerConfig& config) {
  const std::optional<element> value = Reader::find(root, "normalizer");
  if (!value) return {};
  HR_ASSIGN(const object normalizer, reader.as_object(*value, "normalizer"));
  HR_ASSIGN(const std::string_view type, reader.required_string(normalizer, "type", "normalizer"));
  if (type != "BertNormalizer") {
    return reader.unsupported("normalizer", fmt::format("the type \"{}\" is not supported", type));
  }
  BertOptions& bert = config.bert;
  HR_ASSIGN(bert.clean_text, reader.flag(normalizer, "clean_text", "normalizer", true));
  HR_ASSIGN(bert.handle_chinese_chars,
            reader.flag(normalizer, "handle_chinese_chars", "normalizer", true));
  HR_ASSIGN(bert.lowercase, reader.flag(normalizer, "lowercase", "normalizer", true));
  HR_ASSIGN(bert.strip_accents,
            reader.flag(normalizer, "strip_accents", "normalizer", bert.lowercase));
  return {};
}

Status read_pre_tokenizer(const Reader& reader, const object& root) {
  const std::optional<element> value = Reader::find(root, "pre_tokenizer");
  if (!value) return reader.unsupported("pre_tokenizer", "WordPiece without one is not supported");
  HR_ASSIGN(const object pre, reader.as_object(*value, "pre_tokenizer"));
  HR_ASSIGN(const std::string_view type, reader.required_string(pre, "type", "pre_tokenizer"));
  if (type != "BertPreTokenizer") {
    return reader.unsupported("pre_tokenizer",
                              fmt::format("the type \"{}\" is not supported", type));
  }
  return {};
}

Status read_added_tokens(const Reader& reader, const object& root, TokenizerConfig& config) {
  const std::optional<element> value = Reader::find(root, "added_tokens");
  if (!value) return {};
  HR_ASSIGN(const array tokens, reader.as_array(*value, "added_tokens"));
  std::unordered_map<std::string_view, int32_t> ids;
  for (const VocabularyEntry& entry : config.vocabulary) ids.emplace(entry.token, entry.id);
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

// One entry of TemplateProcessing's "single". `after` tells that the text has been seen.
Status read_template_part(const Reader& reader, const element& item,
                          const std::optional<element>& special_tokens, bool& after,
                          TokenizerConfig& config) {
  constexpr std::string_view kPart = "post_processor.single";
  HR_ASSIGN(const object part, reader.as_object(item, kPart));
  if (const std::optional<element> sequence = Reader::find(part, "Sequence")) {
    HR_ASSIGN(const object fields, reader.as_object(*sequence, kPart));
    HR_ASSIGN(const std::string_view id, reader.required_string(fields, "id", kPart));
    if (id != "A" || after) return reader.unsupported(kPart, "needs the sequence A exactly once");
    after = true;
    return {};
  }
  const std::optional<element> special = Reader::find(part, "SpecialToken");
  if (!special) return reader.damaged(kPart, "has an entry that is no token and no sequence");
  HR_ASSIGN(const object fields, reader.as_object(*special, kPart));
  HR_ASSIGN(const std::string_view id, reader.required_string(fields, "id", kPart));
  if (!special_tokens) return reader.damaged("post_processor", "\"special_tokens\" is missing");
  HR_ASSIGN(const object known, reader.as_object(*special_tokens, "post_processor.special_tokens"));
  const std::optional<element> entry = Reader::find(known, id);
  if (!entry) {
    return reader.damaged("post_processor.special_tokens", fmt::format("lacks \"{}\"", id));
  }
  HR_ASSIGN(const object token, reader.as_object(*entry, "post_processor.special_tokens"));
  const std::optional<element> ids = Reader::find(token, "ids");
  if (!ids) return reader.damaged("post_processor.special_tokens", "\"ids\" is missing");
  HR_ASSIGN(const array list, reader.as_array(*ids, "post_processor.special_tokens.ids"));
  for (const element value : list) {
    HR_ASSIGN(const int32_t number, reader.as_id(value, "post_processor.special_tokens.ids"));
    (after ? config.special_after : config.special_before).push_back(number);
    if (config.special_before.size() + config.special_after.size() > 64) {
      return reader.unsupported("post_processor", "adds more than 64 special tokens");
    }
  }
  return {};
}

// BertProcessing's "cls" and "sep": ["[CLS]", 101].
Result<int32_t> read_token_pair(const Reader& reader, const object& post, std::string_view key) {
  const std::optional<element> value = Reader::find(post, key);
  if (!value) return reader.damaged("post_processor", fmt::format("\"{}\" is missing", key));
  HR_ASSIGN(const array pair, reader.as_array(*value, "post_processor"));
  element id;
  if (pair.at(1).get(id)) return reader.damaged("post_processor", "a token lacks its id");
  return reader.as_id(id, "post_processor");
}

Status read_post_processor(const Reader& reader, const object& root, TokenizerConfig& config) {
  const std::optional<element> value = Reader::find(root, "post_processor");
  if (!value) return {};
  HR_ASSIGN(const object post, reader.as_object(*value, "post_processor"));
  HR_ASSIGN(const std::string_view type, reader.required_string(post, "type", "post_processor"));
  if (type == "BertProcessing") {
    HR_ASSIGN(const int32_t before, read_token_pair(reader, post, "cls"));
    HR_ASSIGN(const int32_t after, read_token_pair(reader, post, "sep"));
    config.special_before.push_back(before);
    config.special_after.push_back(after);
    return {};
  }
  if (type != "TemplateProcessing") {
    return reader.unsupported("post_processor",
                              fmt::format("the type \"{}\" is not supported", type));
  }
  const std::optional<element> single = Reader::find(post, "single");
  if (!single) return reader.damaged("post_processor", "\"single\" is missing");
  HR_ASSIGN(const array parts, reader.as_array(*single, "post_processor.single"));
  const std::optional<element> special_tokens = Reader::find(post, "special_tokens");
  bool after = false;
  for (const element item : parts) {
    HR_TRY(read_template_part(reader, item, special_tokens, after, config));
  }
  if (!after) return reader.unsupported("post_processor.single", "does not contain the text");
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

}  // namespace

Result<TokenizerConfig> parse_tokenizer_config(const std::string& json, const std::string& path) {
  TokenizerConfig config;
  config.path = path;
  const Reader reader(config.path);
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
  if (const std::optional<element> version = Reader::find(root, "version")) {
    HR_ASSIGN(const std::string_view text, reader.as_string(*version, "version"));
    if (text != "1.0") {
      return reader.unsupported("version", fmt::format("\"{}\" is not supported", text));
    }
  }
  HR_TRY(read_model(reader, root, config));
  HR_TRY(read_normalizer(reader, root, config));
  HR_TRY(read_pre_tokenizer(reader, root));
  HR_TRY(read_added_tokens(reader, root, config));
  HR_TRY(read_post_processor(reader, root, config));
  return config;
}

Result<TokenizerConfig> read_tokenizer_config(const std::string& path) {
  struct stat info = {};
  std::string file = path;
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) file += "/tokenizer.json";
  HR_ASSIGN(const std::string bytes, read_file(file));
  return parse_tokenizer_config(bytes, file);
}

}  // namespace headrace
