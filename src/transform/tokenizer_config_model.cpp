#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "base/utf8.h"
#include "transform/tokenizer_bytes.h"
#include "transform/tokenizer_json.h"
#include "transform/tokenizer_model.h"

namespace headrace::tokenizer_json {
namespace {

constexpr size_t kVocabularyMax = 8'000'000;  // tokens
constexpr size_t kMergesMax = 16'000'000;
constexpr size_t kWordCharsMax = 100'000;

Status too_many(const TokenizerConfig& config, std::string_view part, size_t most) {
  return fail(ErrorCode::too_large, fmt::format("{}: {}: more than {}", config.path, part, most));
}

Status read_vocabulary(const JsonReader& reader, const object& model, TokenizerConfig& config) {
  HR_ASSIGN(const object vocabulary, reader.required_object(model, "vocab"));
  std::vector<int32_t> ids;
  for (const auto field : vocabulary) {
    if (config.vocabulary.size() >= kVocabularyMax) {
      return too_many(config, "model.vocab", kVocabularyMax);
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
  seen.reserve(config.vocabulary.size());
  for (const VocabularyEntry& entry : config.vocabulary) {
    if (!seen.insert(entry.token).second) {
      return reader.damaged("model.vocab", fmt::format("has \"{}\" twice", entry.token));
    }
  }
  return {};
}

bool knows(const TokenizerConfig& config, std::string_view token) {
  return std::any_of(config.vocabulary.begin(), config.vocabulary.end(),
                     [token](const VocabularyEntry& entry) { return entry.token == token; });
}

Status read_unknown(const JsonReader& reader, const object& model, TokenizerConfig& config) {
  HR_ASSIGN(const std::string_view unknown, reader.required_string(model, "unk_token", "model"));
  config.unknown_token = unknown;
  HR_TRY(read_vocabulary(reader, model, config));
  if (!knows(config, unknown)) {
    return reader.damaged("model.vocab", fmt::format("lacks the unknown token \"{}\"", unknown));
  }
  return {};
}

Status read_word_piece(const JsonReader& reader, const object& model, TokenizerConfig& config) {
  HR_ASSIGN(const std::string_view prefix,
            reader.required_string(model, "continuing_subword_prefix", "model"));
  config.continuing_prefix = prefix;
  if (!JsonReader::find(model, "max_input_chars_per_word")) {
    return reader.damaged("model", "\"max_input_chars_per_word\" is missing");
  }
  HR_ASSIGN(config.word_chars_max,
            reader.count(model, "max_input_chars_per_word", "model", kWordCharsMax, 100));
  return read_unknown(reader, model, config);
}

// A score as `tokenizers` reads it: the digits as one number, divided by a power of ten. That is
// one step away from the nearest for a quarter of the scores of 17 digits, and decides between ways
// whose sums are otherwise equal.
double score_as_read(double score) {
  char text[32];
  const char* end =
      std::to_chars(text, text + sizeof(text), std::abs(score), std::chars_format::scientific).ptr;
  uint64_t digits = 0;
  int exponent = 0;
  bool fraction = false;
  for (const char* at = text; at < end; ++at) {
    if (*at == 'e') {
      int written = 0;
      std::from_chars(at[1] == '+' ? at + 2 : at + 1, end, written);
      exponent += written;
      break;
    }
    if (*at == '.') {
      fraction = true;
      continue;
    }
    if (*at < '0' || *at > '9') return score;  // no finite number
    digits = digits * 10 + static_cast<uint64_t>(*at - '0');
    exponent -= fraction ? 1 : 0;
  }
  constexpr int kExactPower = 22;  // the last power of ten that is a double
  if (exponent < -kExactPower || exponent > 0) return score;
  double power = 1;
  for (; exponent < 0; ++exponent) power *= 10;
  return std::copysign(static_cast<double>(digits) / power, score);
}

Status read_unigram(const JsonReader& reader, const object& model, TokenizerConfig& config) {
  const std::optional<element> vocabulary = JsonReader::find(model, "vocab");
  if (!vocabulary) return reader.damaged("model.vocab", "is missing");
  HR_ASSIGN(const array entries, reader.as_array(*vocabulary, "model.vocab"));
  for (const element item : entries) {
    if (config.vocabulary.size() >= kVocabularyMax) {
      return too_many(config, "model.vocab", kVocabularyMax);
    }
    HR_ASSIGN(const array pair, reader.as_array(item, "an entry of model.vocab"));
    element token;
    double score = 0;
    if (pair.size() != 2 || pair.at(0).get(token) || pair.at(1).get(score)) {
      return reader.damaged("model.vocab", "has an entry that is no token with a score");
    }
    HR_ASSIGN(const std::string_view text, reader.as_string(token, "a token of model.vocab"));
    config.vocabulary.push_back(
        {std::string(text), static_cast<int32_t>(config.vocabulary.size())});
    config.scores.push_back(score_as_read(score));
  }
  if (config.vocabulary.empty()) return reader.damaged("model.vocab", "is empty");
  const std::optional<element> unknown = JsonReader::find(model, "unk_id");
  if (!unknown) {
    return reader.unsupported("model.unk_id", "Unigram without an unknown token is not supported");
  }
  HR_ASSIGN(config.unknown_id, reader.as_id(*unknown, "model.unk_id"));
  if (static_cast<size_t>(config.unknown_id) >= config.vocabulary.size()) {
    return reader.damaged("model.unk_id", "is no token of the vocabulary");
  }
  HR_ASSIGN(config.byte_fallback, reader.flag(model, "byte_fallback", "model", false));
  return {};
}

Result<std::string> optional_string(const JsonReader& reader, const object& model,
                                    std::string_view key) {
  const std::optional<element> value = JsonReader::find(model, key);
  if (!value) return std::string();
  HR_ASSIGN(const std::string_view text, reader.as_string(*value, key));
  return std::string(text);
}

// "a b", or ["a", "b"].
Status read_merge(const JsonReader& reader, const element& item, std::string_view& left,
                  std::string_view& right) {
  constexpr std::string_view kPart = "model.merges";
  if (std::string_view text; !item.get(text)) {
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
      return reader.damaged(kPart, fmt::format("\"{}\" is not two tokens", text));
    }
    left = text.substr(0, space);
    right = text.substr(space + 1);
    return {};
  }
  HR_ASSIGN(const array pair, reader.as_array(item, kPart));
  if (pair.size() != 2 || pair.at(0).get(left) || pair.at(1).get(right)) {
    return reader.damaged(kPart, "has an entry that is not two tokens");
  }
  return {};
}

Status read_merges(const JsonReader& reader, const object& model, TokenizerConfig& config) {
  const std::optional<element> value = JsonReader::find(model, "merges");
  if (!value) return reader.damaged("model.merges", "is missing");
  HR_ASSIGN(const array merges, reader.as_array(*value, "model.merges"));
  std::unordered_map<std::string_view, uint32_t> places;
  places.reserve(config.vocabulary.size());
  for (size_t i = 0; i < config.vocabulary.size(); ++i) {
    places.emplace(config.vocabulary[i].token, static_cast<uint32_t>(i));
  }
  for (const element item : merges) {
    if (config.merges.size() >= kMergesMax) return too_many(config, "model.merges", kMergesMax);
    if (std::string_view text; !item.get(text) && text.starts_with("#version")) continue;
    std::string_view left;
    std::string_view right;
    HR_TRY(read_merge(reader, item, left, right));
    const auto first = places.find(left);
    const auto second = places.find(right);
    if (first == places.end() || second == places.end()) {
      return reader.damaged("model.merges", fmt::format("\"{}\" is no token of the vocabulary",
                                                        first == places.end() ? left : right));
    }
    config.merges.emplace_back(first->second, second->second);
  }
  return {};
}

// See TokenizerConfig::reads_bytes.
bool knows_all_bytes(const TokenizerConfig& config) {
  const std::string& suffix = config.word_suffix;
  const bool plain = std::all_of(suffix.begin(), suffix.end(),
                                 [](char c) { return c > ' ' && static_cast<uint8_t>(c) < 0x7F; });
  if (!plain || !config.continuing_prefix.empty()) return false;
  std::array<bool, 256> within{};
  std::array<bool, 256> last{};
  for (const VocabularyEntry& entry : config.vocabulary) {
    if (entry.token.empty() || entry.token.size() > 2 + suffix.size()) continue;
    const CodePoint point = decode_code_point(entry.token, 0);
    const int byte = byte_of_symbol(point.value);
    if (byte < 0) continue;
    const std::string_view rest = std::string_view(entry.token).substr(point.length);
    if (rest.empty()) within[static_cast<size_t>(byte)] = true;
    if (rest == suffix) last[static_cast<size_t>(byte)] = true;
  }
  for (size_t byte = 0; byte <= 0xF4; ++byte) {
    const bool possible = byte != 0xC0 && byte != 0xC1;  // in valid UTF-8
    // A text does not end within a character.
    const bool ends = byte < 0xC0;
    if (possible && (!within[byte] || (ends && !last[byte]))) return false;
  }
  return true;
}

// Whether the bytes of what decorates a symbol have tokens. The reference takes those tokens for
// bytes of the text, with offsets beyond its end.
bool falls_back(const TokenizerConfig& config, std::string_view affix) {
  return !affix.empty() && std::all_of(affix.begin(), affix.end(), [&](char c) {
    return knows(config, byte_token(static_cast<uint8_t>(c)));
  });
}

Status read_bpe(const JsonReader& reader, const object& model, TokenizerConfig& config) {
  if (const std::optional<element> dropout = JsonReader::find(model, "dropout")) {
    double chance = 0;
    if (dropout->get(chance)) return reader.damaged("model.dropout", "is not a number");
    if (chance != 0) return reader.unsupported("model.dropout", "tokens by chance");
  }
  HR_ASSIGN(config.unknown_token, optional_string(reader, model, "unk_token"));
  HR_ASSIGN(config.continuing_prefix, optional_string(reader, model, "continuing_subword_prefix"));
  HR_ASSIGN(config.word_suffix, optional_string(reader, model, "end_of_word_suffix"));
  HR_ASSIGN(config.fuse_unknown, reader.flag(model, "fuse_unk", "model", false));
  HR_ASSIGN(config.byte_fallback, reader.flag(model, "byte_fallback", "model", false));
  HR_ASSIGN(config.ignore_merges, reader.flag(model, "ignore_merges", "model", false));
  HR_TRY(read_vocabulary(reader, model, config));
  const bool byte_level =
      std::any_of(config.pre_tokenizers.begin(), config.pre_tokenizers.end(),
                  [](const auto& step) { return step.kind == PreTokenizerStep::Kind::byte_level; });
  config.reads_bytes = byte_level && knows_all_bytes(config);
  if (config.byte_fallback && !config.reads_bytes &&
      (falls_back(config, config.continuing_prefix) || falls_back(config, config.word_suffix))) {
    return reader.unsupported("model.byte_fallback",
                              "with a continuing_subword_prefix or an end_of_word_suffix is not "
                              "supported");
  }
  if (!config.unknown_token.empty() && !knows(config, config.unknown_token)) {
    if (!config.reads_bytes) {
      return reader.damaged("model.vocab",
                            fmt::format("lacks the unknown token \"{}\"", config.unknown_token));
    }
    config.unknown_token.clear();
  }
  return read_merges(reader, model, config);
}

}  // namespace

Status read_model(const JsonReader& reader, const object& root, TokenizerConfig& config) {
  HR_ASSIGN(const object model, reader.required_object(root, "model"));
  // Files of early versions leave the type out; they hold what only BPE has.
  std::string_view type = "BPE";
  if (JsonReader::find(model, "type") || !JsonReader::find(model, "merges")) {
    HR_ASSIGN(type, reader.required_string(model, "type", "model"));
  }
  if (type == "WordPiece") {
    config.model = ModelKind::word_piece;
    return read_word_piece(reader, model, config);
  }
  if (type == "Unigram") {
    config.model = ModelKind::unigram;
    return read_unigram(reader, model, config);
  }
  if (type == "BPE") {
    config.model = ModelKind::bpe;
    return read_bpe(reader, model, config);
  }
  if (type == "WordLevel") {
    config.model = ModelKind::word_level;
    return read_unknown(reader, model, config);
  }
  return reader.unsupported("model", fmt::format("the type \"{}\" is not supported", type));
}

}  // namespace headrace::tokenizer_json
