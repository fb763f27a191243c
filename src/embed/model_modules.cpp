#include "embed/model_modules.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "embed/model_json.h"

namespace headrace::embed {
namespace {

struct PoolingRow {
  std::string_view flag;  // the older files: one boolean each
  std::string_view name;  // the newer ones: "pooling_mode": name, or a list of them
  Pooling pooling;
};
// In the order in which the older files' are joined.
constexpr PoolingRow kPoolings[] = {
    {"pooling_mode_cls_token", "cls", Pooling::cls},
    {"pooling_mode_max_tokens", "max", Pooling::max},
    {"pooling_mode_mean_tokens", "mean", Pooling::mean},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Pooling::mean_sqrt_length},
    {"pooling_mode_weightedmean_tokens", "weightedmean", Pooling::weighted_mean},
    {"pooling_mode_lasttoken", "lasttoken", Pooling::last},
};

struct SquashRow {
  std::string_view name;  // the last part of torch's
  Squash squash;
};
constexpr SquashRow kSquashes[] = {
    {"Identity", Squash::none}, {"Tanh", Squash::tanh},       {"ReLU", Squash::relu},
    {"GELU", Squash::gelu},     {"Sigmoid", Squash::sigmoid}, {"SiLU", Squash::silu},
};

// The part of a module's type after the last dot: "Pooling" of
// "sentence_transformers.models.Pooling".
std::string_view last_part(std::string_view type) {
  const size_t dot = type.rfind('.');
  return dot == std::string_view::npos ? type : type.substr(dot + 1);
}

Status check_module_path(const std::string& directory, std::string_view module_path) {
  if (module_path.contains("..") || module_path.starts_with('/'))
    return damaged_model(directory + "/modules.json", "a module's path leaves the model's folder");
  return {};
}

Status read_pooling_of(const std::string& directory, std::string_view module_path,
                       ModelConfig& config) {
  HR_TRY(check_module_path(directory, module_path));
  const std::string path = fmt::format("{}/{}/config.json", directory, module_path);
  HR_ASSIGN(const std::string text, read_small_file(path));
  return parse_pooling(text, path, config);
}

Status read_dense(const std::string& directory, std::string_view module_path, ModelConfig& config) {
  HR_TRY(check_module_path(directory, module_path));
  const std::string path = fmt::format("{}/{}/config.json", directory, module_path);
  HR_ASSIGN(const std::string text, read_small_file(path));
  HR_ASSIGN(const JsonObject json, JsonObject::parse(text, path));
  DenseConfig dense;
  dense.folder = module_path;
  HR_ASSIGN(dense.inputs, json.size("in_features", 1 << 16));
  HR_ASSIGN(dense.outputs, json.size("out_features", 1 << 16));
  HR_ASSIGN(dense.bias, json.flag("bias", true));
  HR_ASSIGN(const bool residual, json.flag("use_residual", false));
  if (residual) return refused_model(path, "\"use_residual\" is true, which is not implemented");
  HR_ASSIGN(const std::string name,
            json.text("activation_function", "torch.nn.modules.activation.Tanh"));
  HR_ASSIGN(dense.squash, parse_squash(name, "activation_function", path));
  if (dense.inputs != config.dimension()) {
    return damaged_model(path, fmt::format("\"in_features\" is {}, what comes before gives {}",
                                           dense.inputs, config.dimension()));
  }
  config.dense.push_back(std::move(dense));
  return {};
}

// One of modules.json's entries.
struct Module {
  std::string_view type;    // whole
  std::string_view folder;  // relative to the model's
};

class ModuleReader {
 public:
  ModuleReader(const std::string& directory, ModelConfig& config)
      : directory_(directory), path_(directory + "/modules.json"), config_(config) {}

  Status take(const Module& module) {
    const std::string_view kind = last_part(module.type);
    const bool first = place_++ == 0;
    if (kind == "Dropout") return {};
    if (first) return take_transformer(kind, module);
    if (kind == "Pooling" && !pooled_ && config_.dense.empty()) {
      pooled_ = true;
      return read_pooling_of(directory_, module.folder, config_);
    }
    if (kind == "SpladePooling" && !pooled_ && config_.dense.empty()) {
      pooled_ = true;
      return read_splade(module.folder);
    }
    // A matrix over every token, without pooling: late interaction.
    if (kind == "Dense" && config_.output != ModelOutput::sparse && !config_.normalize) {
      if (!pooled_) config_.output = ModelOutput::tokens;
      return read_dense(directory_, module.folder, config_);
    }
    if (kind == "MultiVectorMask" && !pooled_) {
      config_.output = ModelOutput::tokens;
      return read_mask(module.folder);
    }
    if (kind == "Normalize" && (pooled_ || config_.output == ModelOutput::tokens)) {
      config_.normalize = true;
      return {};
    }
    return refused(module);
  }

  void finish() const {
    if (!pooled_ && config_.output != ModelOutput::tokens) config_.output = ModelOutput::score;
  }

 private:
  Status take_transformer(std::string_view kind, const Module& module) {
    if (kind != "Transformer" && kind != "MLMTransformer") return refused(module);
    if (!module.folder.empty()) {
      return refused_model(
          path_, fmt::format("the transformer lies in the subfolder \"{}\"", module.folder));
    }
    return {};
  }

  Status read_splade(std::string_view folder) {
    config_.output = ModelOutput::sparse;
    HR_TRY(check_module_path(directory_, folder));
    const std::string path = fmt::format("{}/{}/config.json", directory_, folder);
    HR_ASSIGN(const std::string text, read_small_file(path));
    HR_ASSIGN(const JsonObject json, JsonObject::parse(text, path));
    for (const auto& [key, wanted] :
         {std::pair{"pooling_strategy", "max"}, {"activation_function", "relu"}}) {
      HR_ASSIGN(const std::string value, json.text(key, wanted));
      if (value != wanted) {
        return refused_model(path, fmt::format("\"{}\" is \"{}\", only \"{}\" is implemented", key,
                                               value.substr(0, 100), wanted));
      }
    }
    return {};
  }

  // Which tokens' vectors are left out.
  Status read_mask(std::string_view folder) {
    HR_TRY(check_module_path(directory_, folder));
    const std::string path = fmt::format("{}/{}/config.json", directory_, folder);
    HR_ASSIGN(const auto json, JsonObject::read_optional(path));
    if (!json) return {};
    simdjson::dom::array kept;
    if (json->has("keep_only_token_ids") &&
        (json->raw().at_key("keep_only_token_ids").get(kept) != simdjson::SUCCESS ||
         kept.size() > 0)) {
      return refused_model(path, "\"keep_only_token_ids\" is set, which is not implemented");
    }
    HR_ASSIGN(config_.skipped.tokens, json->texts("skiplist_words"));
    HR_ASSIGN(const std::vector<std::string> tasks, json->texts("skiplist_tasks"));
    config_.skipped.in_queries = std::ranges::find(tasks, "query") != tasks.end();
    config_.skipped.in_passages =
        !json->has("skiplist_tasks") || std::ranges::find(tasks, "document") != tasks.end();
    return {};
  }

  Status refused(const Module& module) const {
    return refused_model(path_, fmt::format("module {} is \"{}\", which is not implemented there",
                                            place_ - 1, module.type.substr(0, 200)));
  }

  const std::string& directory_;
  const std::string path_;
  ModelConfig& config_;
  bool pooled_ = false;
  size_t place_ = 0;
};

// What follows the transformer. Without modules.json: mean pooling, as sentence-transformers does.
Status read_module_list(const std::string& directory, ModelConfig& config) {
  const std::string path = directory + "/modules.json";
  Result<std::string> text = read_small_file(path);
  if (!text && text.error().code() == ErrorCode::not_found) return {};
  if (!text) return std::unexpected(std::move(text).error());
  simdjson::dom::parser parser;
  simdjson::dom::array modules;
  if (parser.parse(simdjson::padded_string(*text)).get(modules) != simdjson::SUCCESS)
    return damaged_model(path, "is not a JSON list of modules");
  ModuleReader reader(directory, config);
  for (const simdjson::dom::element module : modules) {
    Module entry;
    if (module["type"].get(entry.type) != simdjson::SUCCESS ||
        module["path"].get(entry.folder) != simdjson::SUCCESS)
      return damaged_model(path, "a module has no type or no path");
    HR_TRY(reader.take(entry));
  }
  reader.finish();
  return {};
}

// The shorter of what the model's table of positions holds and what its files allow.
Status read_limit(const std::string& directory, ModelConfig& config) {
  const uint32_t holds = config.positions - config.position_offset;
  config.tokens_max = holds;
  HR_ASSIGN(const auto sentence,
            JsonObject::read_optional(directory + "/sentence_bert_config.json"));
  if (sentence) {
    HR_ASSIGN(config.lower_cases, sentence->flag("do_lower_case", false));
    for (const char* key : {"query_expansion", "query_length", "document_length"}) {
      if (config.output != ModelOutput::tokens || !sentence->has(key)) continue;
      return refused_model(sentence->file(),
                           fmt::format("\"{}\" is set, which is not implemented", key));
    }
  }
  if (sentence && sentence->has("max_seq_length")) {
    HR_ASSIGN(const uint32_t limit, sentence->size("max_seq_length", 1u << 30));
    config.tokens_max = std::min(holds, limit);
    return {};
  }
  HR_ASSIGN(const auto tokenizer, JsonObject::read_optional(directory + "/tokenizer_config.json"));
  if (tokenizer) {
    // Absurdly large numbers stand for "no limit".
    HR_ASSIGN(const double limit, tokenizer->number("model_max_length", 1e30));
    if (!(limit >= 1)) return damaged_model(tokenizer->file(), "\"model_max_length\" is below 1");
    if (limit < holds) config.tokens_max = static_cast<uint32_t>(limit);
  }
  return {};
}

// config_sentence_transformers.json.
Status read_usage(const std::string& directory, ModelConfig& config) {
  const std::string path = directory + "/config_sentence_transformers.json";
  HR_ASSIGN(const auto json, JsonObject::read_optional(path));
  if (!json) return {};
  HR_ASSIGN(const std::string squash, json->text("activation_fn", ""));
  if (squash.starts_with("torch.")) {
    HR_ASSIGN(config.score_squash, parse_squash(squash, "activation_fn", path));
  }
  HR_ASSIGN(config.cut_dimension, json->size_or("truncate_dim", 0, 1, 1u << 20));
  if (config.cut_dimension >= config.dimension()) config.cut_dimension = 0;
  HR_ASSIGN(config.words_max, json->size_or("max_active_dims", 0, 1, 1u << 30));
  if (!json->has("prompts")) return {};
  simdjson::dom::object prompts;
  if (json->raw().at_key("prompts").get(prompts) != simdjson::SUCCESS)
    return damaged_model(path, "\"prompts\" is not a JSON object");
  const auto prompt = [&](std::string_view name) -> std::optional<std::string> {
    std::string_view text;
    if (prompts.at_key(name).get(text) != simdjson::SUCCESS) return std::nullopt;
    return std::string(text);
  };
  HR_ASSIGN(const std::string chosen, json->text("default_prompt_name", ""));
  const std::string fallback = chosen.empty() ? "" : prompt(chosen).value_or("");
  config.query_prompt = prompt("query").value_or(fallback);
  config.passage_prompt = fallback;
  config.plain_prompt = fallback;
  for (const char* name : {"corpus", "passage", "document"}) {
    if (auto text = prompt(name)) config.passage_prompt = *text;
  }
  return {};
}

}  // namespace

Result<Squash> parse_squash(std::string_view name, std::string_view key, std::string_view file) {
  const auto* row = std::ranges::find(kSquashes, last_part(name), &SquashRow::name);
  if (row != std::end(kSquashes)) return row->squash;
  return refused_model(
      file, fmt::format("\"{}\" is \"{}\", which is not implemented", key, name.substr(0, 200)));
}

Status read_modules(const std::string& directory, ModelConfig& config) {
  HR_TRY(read_module_list(directory, config));
  HR_TRY(read_limit(directory, config));
  return read_usage(directory, config);
}

Status parse_pooling(std::string_view text, std::string_view file, ModelConfig& config) {
  HR_ASSIGN(const JsonObject json, JsonObject::parse(text, file));
  HR_ASSIGN(const uint32_t width,
            json.size_or("word_embedding_dimension", config.hidden, 1, 1u << 20));
  if (width != config.hidden) {
    return damaged_model(
        file, fmt::format("\"word_embedding_dimension\" is {}, config.json says {}", width,
                          config.hidden));
  }
  HR_ASSIGN(config.pools_prompt, json.flag("include_prompt", true));
  HR_ASSIGN(const std::vector<std::string> modes, json.texts("pooling_mode"));
  std::vector<Pooling> chosen;
  for (const std::string& mode : modes) {
    const auto* row = std::ranges::find(kPoolings, mode, &PoolingRow::name);
    if (row == std::end(kPoolings))
      return refused_model(file, fmt::format("\"pooling_mode\" is \"{}\"", mode.substr(0, 100)));
    chosen.push_back(row->pooling);
  }
  for (const PoolingRow& row : kPoolings) {
    HR_ASSIGN(const bool on, json.flag(row.flag, false));
    if (on && modes.empty()) chosen.push_back(row.pooling);
  }
  if (chosen.empty()) chosen.push_back(Pooling::mean);
  constexpr size_t kJoinedMax = 16;  // no file names more than there are ways
  if (chosen.size() > kJoinedMax)
    return damaged_model(file, fmt::format("\"pooling_mode\" lists {} ways", chosen.size()));
  config.pooling = chosen.front();
  config.joined.assign(chosen.begin() + 1, chosen.end());
  return {};
}

}  // namespace headrace::embed
