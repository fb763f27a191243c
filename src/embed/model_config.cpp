#include "embed/model_config.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace headrace::embed {
namespace {

constexpr size_t kSmallFileBytesMax = size_t{16} << 20;

std::unexpected<Error> damaged(std::string_view file, std::string_view what) {
  return fail(ErrorCode::damaged, fmt::format("{}: {}", file, what),
              "download or copy the model again");
}

std::unexpected<Error> refused(std::string_view file, std::string_view what) {
  return fail(ErrorCode::unsupported, fmt::format("{}: {}", file, what),
              "take another model; `headrace models` shows what can run");
}

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

// One parsed JSON object with typed, checked access.
class JsonObject {
 public:
  static Result<JsonObject> parse(std::string_view text, std::string_view file) {
    JsonObject object{std::string(file)};
    simdjson::dom::element root;
    auto error = object.parser_->parse(simdjson::padded_string(text)).get(root);
    if (error == simdjson::NUMBER_ERROR) {
      const std::string rewritten = with_long_integers_as_decimals(text);
      error = object.parser_->parse(simdjson::padded_string(rewritten)).get(root);
    }
    if (error != simdjson::SUCCESS) {
      return damaged(file, fmt::format("is not JSON ({})", simdjson::error_message(error)));
    }
    if (root.get(object.object_) != simdjson::SUCCESS) return damaged(file, "is not a JSON object");
    return object;
  }

  const std::string& file() const { return file_; }
  bool has(std::string_view key) const {
    simdjson::dom::element value;
    return object_.at_key(key).get(value) == simdjson::SUCCESS && !value.is_null();
  }
  // Absent or null: the fallback; of another type: damaged.
  Result<std::string> text(std::string_view key, std::string_view fallback) const {
    return get<std::string_view, std::string>(key, std::string(fallback), "a string");
  }
  Result<bool> flag(std::string_view key, bool fallback) const {
    return get<bool, bool>(key, fallback, "true or false");
  }
  Result<double> number(std::string_view key, double fallback) const {
    return get<double, double>(key, fallback, "a number");
  }
  // A size that must be there, from 1 to `most`.
  Result<uint32_t> size(std::string_view key, uint32_t most) const {
    if (!has(key)) return damaged(file_, fmt::format("\"{}\" is missing", key));
    return size_or(key, 0, 1, most);
  }
  Result<uint32_t> size_or(std::string_view key, uint32_t fallback, uint32_t least,
                           uint32_t most) const {
    if (!has(key)) return fallback;
    uint64_t value = 0;
    if (object_.at_key(key).get(value) != simdjson::SUCCESS || value < least || value > most) {
      return damaged(file_,
                     fmt::format("\"{}\" is not a whole number from {} to {}", key, least, most));
    }
    return static_cast<uint32_t>(value);
  }
  const simdjson::dom::object& raw() const { return object_; }

 private:
  explicit JsonObject(std::string file)
      : file_(std::move(file)), parser_(std::make_unique<simdjson::dom::parser>()) {}

  template <class Json, class Value>
  Result<Value> get(std::string_view key, Value fallback, std::string_view kind) const {
    if (!has(key)) return fallback;
    Json value{};
    if (object_.at_key(key).get(value) != simdjson::SUCCESS)
      return damaged(file_, fmt::format("\"{}\" is not {}", key, kind));
    return Value(value);
  }

  std::string file_;
  std::unique_ptr<simdjson::dom::parser> parser_;  // owns, at a fixed place, what object_ shows
  simdjson::dom::object object_;
};

struct FamilyRow {
  std::string_view model_type;
  Family family;
};
constexpr FamilyRow kFamilies[] = {
    {"bert", Family::bert},
    {"roberta", Family::roberta},
    {"xlm-roberta", Family::roberta},
    {"camembert", Family::roberta},
    {"distilbert", Family::distilbert},
    {"mpnet", Family::mpnet},
};

Result<Activation> parse_activation(const JsonObject& json, std::string_view key) {
  HR_ASSIGN(const std::string name, json.text(key, "gelu"));
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast")
    return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  if (name == "silu" || name == "swish") return Activation::silu;
  return refused(json.file(), fmt::format("\"{}\" is \"{}\", which is not implemented", key, name));
}

// Settings that change the arithmetic in ways we do not implement.
Status refuse_variants(const JsonObject& json) {
  HR_ASSIGN(const std::string positions, json.text("position_embedding_type", "absolute"));
  if (positions != "absolute") {
    return refused(json.file(), fmt::format("\"position_embedding_type\" is \"{}\", only "
                                            "\"absolute\" is implemented",
                                            positions));
  }
  for (const char* key : {"is_decoder", "add_cross_attention", "sinusoidal_pos_embds"}) {
    HR_ASSIGN(const bool on, json.flag(key, false));
    // DistilBERT's sinusoidal table is stored in the weights like a learned one.
    if (on && std::string_view(key) != "sinusoidal_pos_embds")
      return refused(json.file(), fmt::format("\"{}\" is true, which is not implemented", key));
  }
  if (json.has("quantization_config"))
    return refused(json.file(), "the weights are quantized, which is not implemented");
  if (json.has("embedding_size")) {
    HR_ASSIGN(const uint32_t embedding, json.size("embedding_size", 1 << 16));
    HR_ASSIGN(const uint32_t hidden, json.size("hidden_size", 1 << 16));
    if (embedding != hidden)
      return refused(json.file(), "\"embedding_size\" differs from \"hidden_size\"");
  }
  return {};
}

Status parse_sizes(const JsonObject& json, ModelConfig& config) {
  const bool distil = config.family == Family::distilbert;
  HR_ASSIGN(config.hidden, json.size(distil ? "dim" : "hidden_size", 16384));
  HR_ASSIGN(config.layers, json.size(distil ? "n_layers" : "num_hidden_layers", 256));
  HR_ASSIGN(config.heads, json.size(distil ? "n_heads" : "num_attention_heads", 1024));
  HR_ASSIGN(config.intermediate, json.size(distil ? "hidden_dim" : "intermediate_size", 131072));
  HR_ASSIGN(config.vocabulary, json.size("vocab_size", 4'000'000));
  HR_ASSIGN(config.positions, json.size("max_position_embeddings", 1 << 20));
  if (config.hidden % config.heads != 0) {
    return damaged(json.file(), fmt::format("hidden size {} cannot be split among {} heads",
                                            config.hidden, config.heads));
  }
  if (config.family == Family::bert || config.family == Family::roberta) {
    HR_ASSIGN(config.token_types,
              json.size_or("type_vocab_size", config.family == Family::bert ? 2 : 1, 1, 1024));
  }
  if (config.family == Family::roberta || config.family == Family::mpnet) {
    HR_ASSIGN(const uint32_t padding, json.size_or("pad_token_id", 1, 0, config.vocabulary - 1));
    config.position_offset = padding + 1;
  }
  if (config.family == Family::mpnet) {
    HR_ASSIGN(config.relative_buckets, json.size_or("relative_attention_num_buckets", 32, 4, 4096));
    if (config.relative_buckets % 4 != 0)
      return damaged(json.file(), "\"relative_attention_num_buckets\" is not a multiple of 4");
  }
  if (config.positions <= config.position_offset)
    return damaged(json.file(), "\"max_position_embeddings\" leaves no place for a token");
  const double epsilon_fallback =
      distil ? 1e-12 : (config.family == Family::roberta ? 1e-5 : 1e-12);
  HR_ASSIGN(const double epsilon, json.number("layer_norm_eps", epsilon_fallback));
  if (!(epsilon >= 0 && epsilon < 1))
    return damaged(json.file(), "\"layer_norm_eps\" is not between 0 and 1");
  config.epsilon = static_cast<float>(epsilon);
  return {};
}

struct PoolingRow {
  std::string_view flag;  // the older files: one boolean each
  std::string_view name;  // the newer ones: "pooling_mode": name
  Pooling pooling;
};
constexpr PoolingRow kPoolings[] = {
    {"pooling_mode_cls_token", "cls", Pooling::cls},
    {"pooling_mode_mean_tokens", "mean", Pooling::mean},
    {"pooling_mode_max_tokens", "max", Pooling::max},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Pooling::mean_sqrt_length},
    {"pooling_mode_weightedmean_tokens", "weightedmean", Pooling::weighted_mean},
    {"pooling_mode_lasttoken", "lasttoken", Pooling::last},
};

// The part of a module's type after the last dot: "Pooling" of
// "sentence_transformers.models.Pooling".
std::string_view last_part(std::string_view type) {
  const size_t dot = type.rfind('.');
  return dot == std::string_view::npos ? type : type.substr(dot + 1);
}

Result<std::optional<JsonObject>> read_optional(const std::string& path) {
  Result<std::string> text = read_small_file(path);
  if (!text && text.error().code() == ErrorCode::not_found) return std::nullopt;
  if (!text) return std::unexpected(std::move(text).error());
  HR_ASSIGN(JsonObject json, JsonObject::parse(*text, path));
  return std::optional<JsonObject>(std::move(json));
}

Status read_pooling_of(const std::string& directory, std::string_view module_path,
                       ModelConfig& config) {
  if (module_path.contains("..") || module_path.starts_with('/'))
    return damaged(directory + "/modules.json", "a module's path leaves the model's folder");
  const std::string path = fmt::format("{}/{}/config.json", directory, module_path);
  HR_ASSIGN(const std::string text, read_small_file(path));
  return parse_pooling(text, path, config);
}

// What follows the transformer. Without modules.json: mean pooling, as sentence-transformers does.
Status read_modules(const std::string& directory, ModelConfig& config) {
  const std::string path = directory + "/modules.json";
  Result<std::string> text = read_small_file(path);
  if (!text && text.error().code() == ErrorCode::not_found) return {};
  if (!text) return std::unexpected(std::move(text).error());
  simdjson::dom::parser parser;
  simdjson::dom::array modules;
  if (parser.parse(simdjson::padded_string(*text)).get(modules) != simdjson::SUCCESS)
    return damaged(path, "is not a JSON list of modules");
  bool pooled = false;
  size_t place = 0;
  for (const simdjson::dom::element module : modules) {
    std::string_view type;
    std::string_view folder;
    if (module["type"].get(type) != simdjson::SUCCESS ||
        module["path"].get(folder) != simdjson::SUCCESS)
      return damaged(path, "a module has no type or no path");
    const std::string_view kind = last_part(type);
    if (kind == "Transformer" && place == 0) {
      if (!folder.empty())
        return refused(path, fmt::format("the transformer lies in the subfolder \"{}\"", folder));
    } else if (kind == "Pooling" && place == 1) {
      HR_TRY(read_pooling_of(directory, folder, config));
      pooled = true;
    } else if (kind == "Normalize" && pooled) {
      config.normalize = true;
    } else if (kind != "Dropout") {
      return refused(path, fmt::format("module {} is \"{}\", which is not implemented there", place,
                                       type.substr(0, 200)));
    }
    ++place;
  }
  if (!pooled) return refused(path, "no pooling module follows the transformer");
  return {};
}

// The shorter of what the model's table of positions holds and what its files allow.
Status read_limit(const std::string& directory, ModelConfig& config) {
  const uint32_t holds = config.positions - config.position_offset;
  config.tokens_max = holds;
  HR_ASSIGN(const auto sentence, read_optional(directory + "/sentence_bert_config.json"));
  if (sentence && sentence->has("max_seq_length")) {
    HR_ASSIGN(const uint32_t limit, sentence->size("max_seq_length", 1u << 30));
    config.tokens_max = std::min(holds, limit);
    return {};
  }
  HR_ASSIGN(const auto tokenizer, read_optional(directory + "/tokenizer_config.json"));
  if (tokenizer) {
    // Absurdly large numbers stand for "no limit".
    HR_ASSIGN(const double limit, tokenizer->number("model_max_length", 1e30));
    if (!(limit >= 1)) return damaged(tokenizer->file(), "\"model_max_length\" is below 1");
    if (limit < holds) config.tokens_max = static_cast<uint32_t>(limit);
  }
  return {};
}

Status read_prompts(const std::string& directory, ModelConfig& config) {
  const std::string path = directory + "/config_sentence_transformers.json";
  HR_ASSIGN(const auto json, read_optional(path));
  if (!json || !json->has("prompts")) return {};
  simdjson::dom::object prompts;
  if (json->raw().at_key("prompts").get(prompts) != simdjson::SUCCESS)
    return damaged(path, "\"prompts\" is not a JSON object");
  const auto prompt = [&](std::string_view name) -> std::optional<std::string> {
    std::string_view text;
    if (prompts.at_key(name).get(text) != simdjson::SUCCESS) return std::nullopt;
    return std::string(text);
  };
  HR_ASSIGN(const std::string chosen, json->text("default_prompt_name", ""));
  const std::string fallback = chosen.empty() ? "" : prompt(chosen).value_or("");
  config.query_prompt = prompt("query").value_or(fallback);
  config.passage_prompt = fallback;
  for (const char* name : {"corpus", "passage", "document"}) {
    if (auto text = prompt(name)) config.passage_prompt = *text;
  }
  return {};
}

}  // namespace

std::string_view family_name(Family family) {
  switch (family) {
    case Family::bert:
      return "bert";
    case Family::roberta:
      return "roberta";
    case Family::distilbert:
      return "distilbert";
    case Family::mpnet:
      return "mpnet";
  }
  return "unknown";
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
    status = damaged(path, "is not a regular file");
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

std::string read_model_type(const std::string& directory) {
  const std::string path = directory + "/config.json";
  const auto text = read_small_file(path);
  if (!text) return {};
  const auto json = JsonObject::parse(*text, path);
  if (!json) return {};
  return json->text("model_type", "").value_or("");
}

Status parse_config(std::string_view text, std::string_view file, ModelConfig& config) {
  HR_ASSIGN(const JsonObject json, JsonObject::parse(text, file));
  HR_ASSIGN(const std::string type, json.text("model_type", ""));
  const auto* row = std::ranges::find(kFamilies, type, &FamilyRow::model_type);
  if (row == std::end(kFamilies)) {
    return refused(file, type.empty() ? std::string("\"model_type\" is missing")
                                      : fmt::format("architecture \"{}\" is not implemented",
                                                    type.substr(0, 100)));
  }
  config.family = row->family;
  HR_TRY(refuse_variants(json));
  HR_TRY(parse_sizes(json, config));
  HR_ASSIGN(
      config.activation,
      parse_activation(json, config.family == Family::distilbert ? "activation" : "hidden_act"));
  config.tokens_max = config.positions - config.position_offset;
  return {};
}

Status parse_pooling(std::string_view text, std::string_view file, ModelConfig& config) {
  HR_ASSIGN(const JsonObject json, JsonObject::parse(text, file));
  HR_ASSIGN(const uint32_t width,
            json.size_or("word_embedding_dimension", config.hidden, 1, 1u << 20));
  if (width != config.hidden) {
    return damaged(file, fmt::format("\"word_embedding_dimension\" is {}, config.json says {}",
                                     width, config.hidden));
  }
  HR_ASSIGN(const bool include_prompt, json.flag("include_prompt", true));
  if (!include_prompt)
    return refused(file, "\"include_prompt\" is false, which is not implemented");
  HR_ASSIGN(const std::string mode, json.text("pooling_mode", ""));
  std::vector<Pooling> chosen;
  for (const PoolingRow& row : kPoolings) {
    HR_ASSIGN(const bool on, json.flag(row.flag, false));
    if (on || mode == row.name) chosen.push_back(row.pooling);
  }
  if (chosen.empty() && !mode.empty())
    return refused(file, fmt::format("\"pooling_mode\" is \"{}\"", mode.substr(0, 100)));
  if (chosen.size() > 1)
    return refused(file, "several pooling modes are joined, which is not implemented");
  config.pooling = chosen.empty() ? Pooling::mean : chosen.front();
  return {};
}

Result<ModelConfig> read_model_config(const std::string& directory) {
  ModelConfig config;
  const std::string path = directory + "/config.json";
  HR_ASSIGN(const std::string text, read_small_file(path));
  HR_TRY(parse_config(text, path, config));
  HR_TRY(read_modules(directory, config));
  HR_TRY(read_limit(directory, config));
  HR_TRY(read_prompts(directory, config));
  return config;
}

}  // namespace headrace::embed
