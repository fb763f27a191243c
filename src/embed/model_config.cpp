#include "embed/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "embed/model_json.h"
#include "embed/model_modules.h"

namespace headrace::embed {
namespace {

// What a family calls its settings.
struct SettingNames {
  std::string_view hidden = "hidden_size";
  std::string_view layers = "num_hidden_layers";
  std::string_view heads = "num_attention_heads";
  std::string_view intermediate = "intermediate_size";
  std::string_view positions = "max_position_embeddings";
  std::string_view epsilon = "layer_norm_eps";
  double epsilon_default = 1e-12;
  std::string_view activation = "hidden_act";
};

// NomicBERT's and GTE's settings as later programs write them.
constexpr SettingNames kLaterNames = {};

struct FamilyRow {
  std::string_view model_type;
  Family family;
  SettingNames names = {};
};

constexpr SettingNames kDistilNames = {.hidden = "dim",
                                       .layers = "n_layers",
                                       .heads = "n_heads",
                                       .intermediate = "hidden_dim",
                                       .activation = "activation"};
constexpr SettingNames kRobertaNames = {.epsilon_default = 1e-5};
constexpr SettingNames kNomicNames = {.hidden = "n_embd",
                                      .layers = "n_layer",
                                      .heads = "n_head",
                                      .intermediate = "n_inner",
                                      .positions = "n_positions",
                                      .epsilon = "layer_norm_epsilon",
                                      .epsilon_default = 1e-5,
                                      .activation = "activation_function"};
constexpr SettingNames kModernNames = {
    .epsilon = "norm_eps", .epsilon_default = 1e-5, .activation = "hidden_activation"};

constexpr FamilyRow kFamilies[] = {
    {"bert", Family::bert},
    {"roberta", Family::roberta, kRobertaNames},
    {"xlm-roberta", Family::roberta, kRobertaNames},
    {"camembert", Family::roberta, kRobertaNames},
    {"distilbert", Family::distilbert, kDistilNames},
    {"mpnet", Family::mpnet},
    {"nomic_bert", Family::nomic, kNomicNames},
    {"modernbert", Family::modernbert, kModernNames},
    {"new", Family::gte},
    {"gte", Family::gte},
};

Result<Activation> activation_of(const JsonObject& json, std::string_view key,
                                 std::string_view name) {
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast")
    return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  if (name == "silu" || name == "swish") return Activation::silu;
  return refused_model(json.file(),
                       fmt::format("\"{}\" is \"{}\", which is not implemented", key, name));
}

Status refuse_true(const JsonObject& json, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    HR_ASSIGN(const bool on, json.flag(key, false));
    if (on)
      return refused_model(json.file(),
                           fmt::format("\"{}\" is true, which is not implemented", key));
  }
  return {};
}

Status refuse_text_other_than(const JsonObject& json, std::string_view key,
                              std::string_view wanted) {
  HR_ASSIGN(const std::string text, json.text(key, wanted));
  if (text == wanted) return {};
  return refused_model(
      json.file(), fmt::format("\"{}\" is \"{}\", only \"{}\" is implemented", key, text, wanted));
}

// Settings that change the arithmetic in ways we do not implement.
Status refuse_variants(const JsonObject& json, Family family) {
  if (family == Family::gte) {
    HR_TRY(refuse_text_other_than(json, "position_embedding_type", "rope"));
  } else {
    HR_TRY(refuse_text_other_than(json, "position_embedding_type", "absolute"));
  }
  // DistilBERT's sinusoidal table ("sinusoidal_pos_embds") is stored like a learned one.
  HR_TRY(refuse_true(json, {"is_decoder", "add_cross_attention"}));
  if (json.has("quantization_config"))
    return refused_model(json.file(), "the weights are quantized, which is not implemented");
  if (json.has("embedding_size")) {
    HR_ASSIGN(const uint32_t embedding, json.size("embedding_size", 1 << 16));
    HR_ASSIGN(const uint32_t hidden, json.size("hidden_size", 1 << 16));
    if (embedding != hidden)
      return refused_model(json.file(), "\"embedding_size\" differs from \"hidden_size\"");
  }
  return {};
}

Status parse_sizes(const JsonObject& json, const SettingNames& names, ModelConfig& config) {
  HR_ASSIGN(config.hidden, json.size(names.hidden, 16384));
  HR_ASSIGN(config.layers, json.size(names.layers, 256));
  HR_ASSIGN(config.heads, json.size(names.heads, 1024));
  HR_ASSIGN(config.intermediate, json.size(names.intermediate, 131072));
  HR_ASSIGN(config.vocabulary, json.size("vocab_size", 4'000'000));
  HR_ASSIGN(config.positions, json.size(names.positions, 1 << 20));
  if (config.hidden % config.heads != 0) {
    return damaged_model(json.file(), fmt::format("hidden size {} cannot be split among {} heads",
                                                  config.hidden, config.heads));
  }
  HR_ASSIGN(const double epsilon, json.number(names.epsilon, names.epsilon_default));
  if (!(epsilon >= 0 && epsilon < 1))
    return damaged_model(json.file(), fmt::format("\"{}\" is not between 0 and 1", names.epsilon));
  config.epsilon = static_cast<float>(epsilon);
  return {};
}

// Whole heads turn: an even number of dimensions.
Status set_rotary(const JsonObject& json, double fraction, ModelConfig& config) {
  const uint32_t head = config.hidden / config.heads;
  config.rotary_dimensions = static_cast<uint32_t>(fraction * head);
  if (config.rotary_dimensions == 0 || config.rotary_dimensions % 2 != 0) {
    return refused_model(json.file(),
                         fmt::format("rotary positions of {} dimensions a head are not implemented",
                                     config.rotary_dimensions));
  }
  return {};
}

Result<float> rotary_base(const JsonObject& json, std::string_view key, double fallback) {
  HR_ASSIGN(const double base, json.number(key, fallback));
  if (!(base > 1 && base < 1e12))
    return damaged_model(json.file(), fmt::format("\"{}\" is no base for rotary positions", key));
  return static_cast<float>(base);
}

Status parse_bert(const JsonObject& json, ModelConfig& config) {
  if (config.family == Family::bert || config.family == Family::roberta) {
    HR_ASSIGN(config.token_types,
              json.size_or("type_vocab_size", config.family == Family::bert ? 2 : 1, 1, 1024));
  }
  if (config.family == Family::roberta) {
    HR_ASSIGN(const uint32_t padding, json.size_or("pad_token_id", 1, 0, config.vocabulary - 1));
    config.position_offset = padding + 1;
  }
  if (config.family == Family::mpnet) config.position_offset = 2;  // whatever its padding is
  if (config.family == Family::mpnet) {
    HR_ASSIGN(config.relative_buckets, json.size_or("relative_attention_num_buckets", 32, 4, 4096));
    if (config.relative_buckets % 4 != 0)
      return damaged_model(json.file(),
                           "\"relative_attention_num_buckets\" is not a multiple of 4");
  }
  if (config.positions <= config.position_offset)
    return damaged_model(json.file(), "\"max_position_embeddings\" leaves no place for a token");
  return {};
}

// The one base in "rope_parameters", as later programs write it.
Result<float> later_base(const JsonObject& json, double fallback) {
  HR_ASSIGN(const auto rope, json.object("rope_parameters"));
  if (!rope) return rotary_base(json, "rope_theta", fallback);
  HR_TRY(refuse_text_other_than(*rope, "rope_type", "default"));
  return rotary_base(*rope, "rope_theta", fallback);
}

Status parse_later_nomic(const JsonObject& json, ModelConfig& config) {
  config.gated = true;
  config.attention_bias = config.up_bias = config.down_bias = false;
  HR_ASSIGN(const std::string activation, json.text("hidden_act", "silu"));
  HR_ASSIGN(config.activation, activation_of(json, "hidden_act", activation));
  HR_TRY(set_rotary(json, 1, config));
  HR_ASSIGN(config.rotary.base, later_base(json, 1000));
  return {};
}

// NomicBERT: BERT's order of things with rotary positions, a gated feed-forward part and, as
// trained, no biases.
Status parse_nomic(const JsonObject& json, ModelConfig& config) {
  HR_TRY(refuse_true(json, {"prenorm", "use_rms_norm", "parallel_block", "causal",
                            "rotary_emb_interleaved", "tie_qkv"}));
  HR_ASSIGN(const uint32_t experts, json.size_or("num_experts", 0, 0, 1 << 20));
  HR_ASSIGN(const uint32_t mixtures, json.size_or("moe_every_n_layers", 0, 0, 1 << 20));
  if (experts > 0 && mixtures > 0)
    return refused_model(json.file(), "a mixture of experts (\"num_experts\") is not implemented");
  if (json.has("rotary_emb_scale_base"))
    return refused_model(json.file(), "\"rotary_emb_scale_base\" is not implemented");
  HR_ASSIGN(config.token_types, json.size_or("type_vocab_size", 2, 0, 1024));
  if (!json.has("n_embd")) return parse_later_nomic(json, config);
  HR_ASSIGN(const std::string activation, json.text("activation_function", "gelu"));
  config.gated = activation == "swiglu" || activation == "geglu";
  if (config.gated) {
    config.activation = activation == "swiglu" ? Activation::silu : Activation::gelu;
  } else {
    HR_ASSIGN(config.activation, activation_of(json, "activation_function", activation));
  }
  HR_ASSIGN(config.attention_bias, json.flag("qkv_proj_bias", true));
  HR_ASSIGN(config.up_bias, json.flag("mlp_fc1_bias", true));
  HR_ASSIGN(config.down_bias, json.flag("mlp_fc2_bias", true));
  HR_ASSIGN(config.rotary.base, rotary_base(json, "rotary_emb_base", 10000));
  HR_ASSIGN(const double fraction, json.number("rotary_emb_fraction", 0));
  if (!(fraction > 0 && fraction <= 1))
    return refused_model(json.file(), "\"rotary_emb_fraction\" is not above 0 and at most 1");
  HR_TRY(set_rotary(json, fraction, config));
  // Beyond what it was trained on the base would grow with each text's length.
  if (json.has("rotary_scaling_factor")) {
    HR_ASSIGN(const uint32_t trained, json.size_or("max_trained_positions", 2048, 1, 1 << 20));
    config.positions = std::min(config.positions, trained);
  }
  return {};
}

// The base in "rope_parameters" (newer files: an object for each kind of layer), else at `key`.
Result<float> modern_base(const JsonObject& json, std::string_view kind, std::string_view key,
                          double fallback) {
  HR_ASSIGN(const auto all, json.object("rope_parameters"));
  if (all) {
    HR_ASSIGN(const auto one, all->object(kind));
    if (one) {
      HR_TRY(refuse_text_other_than(*one, "rope_type", "default"));
      return rotary_base(*one, "rope_theta", fallback);
    }
  }
  return rotary_base(json, key, fallback);
}

Status parse_local_layers(const JsonObject& json, ModelConfig& config) {
  config.local.assign(config.layers, 0);
  simdjson::dom::array kinds;
  if (json.raw().at_key("layer_types").get(kinds) == simdjson::SUCCESS) {
    if (kinds.size() != config.layers)
      return damaged_model(json.file(), "\"layer_types\" does not name every layer");
    for (size_t i = 0; i < config.layers; ++i) {
      std::string_view kind;
      if (kinds.at(i).get(kind) != simdjson::SUCCESS ||
          (kind != "full_attention" && kind != "sliding_attention"))
        return refused_model(json.file(), "\"layer_types\" holds a kind that is not implemented");
      config.local[i] = kind == "sliding_attention" ? 1 : 0;
    }
    return {};
  }
  HR_ASSIGN(const uint32_t every, json.size_or("global_attn_every_n_layers", 3, 1, 256));
  for (uint32_t i = 0; i < config.layers; ++i) config.local[i] = i % every != 0 ? 1 : 0;
  return {};
}

// ModernBERT: norms before the parts of a layer, a gated feed-forward part, rotary positions, most
// layers seeing a window only.
Status parse_modernbert(const JsonObject& json, ModelConfig& config) {
  config.pre_norm = true;
  config.gated = true;
  HR_ASSIGN(config.norm_bias, json.flag("norm_bias", false));
  HR_ASSIGN(config.attention_bias, json.flag("attention_bias", false));
  HR_ASSIGN(config.up_bias, json.flag("mlp_bias", false));
  config.down_bias = config.up_bias;
  HR_TRY(set_rotary(json, 1, config));
  HR_ASSIGN(config.rotary.base, modern_base(json, "full_attention", "global_rope_theta", 160000));
  double local_fallback = 10000;
  if (json.has("local_rope_theta") || json.has("rope_parameters")) {
    HR_ASSIGN(config.local_rotary.base,
              modern_base(json, "sliding_attention", "local_rope_theta", local_fallback));
  } else {
    config.local_rotary.base = static_cast<float>(local_fallback);
  }
  HR_ASSIGN(config.score_bias, json.flag("classifier_bias", false));
  HR_ASSIGN(const std::string pooled, json.text("classifier_pooling", "cls"));
  if (pooled != "cls" && pooled != "mean") {
    return refused_model(json.file(),
                         fmt::format("\"classifier_pooling\" is \"{}\"", pooled.substr(0, 100)));
  }
  config.score_of_mean = pooled == "mean";
  HR_ASSIGN(const std::string activation, json.text("classifier_activation", "gelu"));
  HR_ASSIGN(config.score_activation, activation_of(json, "classifier_activation", activation));
  HR_ASSIGN(const uint32_t window, json.size_or("local_attention", 128, 2, 1 << 20));
  config.reach = window / 2;
  return parse_local_layers(json, config);
}

// GTE: BERT's order of things with rotary positions and a gated feed-forward part.
Status parse_gte(const JsonObject& json, ModelConfig& config) {
  HR_TRY(refuse_true(json, {"logn_attention_scale", "logn_attention_clip1"}));
  HR_TRY(refuse_text_other_than(json, "layer_norm_type", "layer_norm"));
  config.gated = true;
  config.up_bias = false;
  HR_ASSIGN(config.token_types, json.size_or("type_vocab_size", 1, 0, 1024));
  HR_TRY(set_rotary(json, 1, config));
  HR_ASSIGN(config.rotary.base, later_base(json, 10000));
  HR_ASSIGN(const auto scaling, json.object("rope_scaling"));
  if (scaling) {
    HR_TRY(refuse_text_other_than(*scaling, "type", "ntk"));
    if (scaling->has("mixed_b"))
      return refused_model(json.file(),
                           "\"rope_scaling\" has \"mixed_b\", which is not "
                           "implemented");
    HR_ASSIGN(const double factor, scaling->number("factor", 1));
    if (!(factor >= 1 && factor <= 1e6))
      return damaged_model(json.file(), "\"rope_scaling\" has no \"factor\" from 1");
    if (factor > 1) {
      config.rotary.divisor =
          static_cast<float>(std::pow(factor, 2.0 / static_cast<double>(config.rotary_dimensions)));
      config.rotary.base *= static_cast<float>(factor);
    }
  }
  return {};
}

// What a reranker makes of its score: a sigmoid unless its author said otherwise.
Status parse_score(const JsonObject& json, ModelConfig& config) {
  HR_ASSIGN(std::string name, json.text("sbert_ce_default_activation_function", ""));
  HR_ASSIGN(const auto saved, json.object("sentence_transformers"));
  if (saved) {
    HR_ASSIGN(name, saved->text("activation_fn", name));
  }
  // Names that are no torch module are the author's own program: not run there either.
  if (name.starts_with("torch.")) {
    HR_ASSIGN(config.score_squash, parse_squash(name, "activation_fn", json.file()));
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
    case Family::nomic:
      return "nomic_bert";
    case Family::modernbert:
      return "modernbert";
    case Family::gte:
      return "new";
  }
  return "unknown";
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
    return refused_model(file, type.empty() ? std::string("\"model_type\" is missing")
                                            : fmt::format("architecture \"{}\" is not implemented",
                                                          type.substr(0, 100)));
  }
  config.family = row->family;
  HR_TRY(refuse_variants(json, config.family));
  const bool later_nomic = config.family == Family::nomic && json.has("hidden_size");
  HR_TRY(parse_sizes(json, later_nomic ? kLaterNames : row->names, config));
  if (config.family != Family::nomic) {
    HR_ASSIGN(const std::string activation, json.text(row->names.activation, "gelu"));
    HR_ASSIGN(config.activation, activation_of(json, row->names.activation, activation));
  }
  switch (config.family) {
    case Family::nomic:
      HR_TRY(parse_nomic(json, config));
      break;
    case Family::modernbert:
      HR_TRY(parse_modernbert(json, config));
      break;
    case Family::gte:
      HR_TRY(parse_gte(json, config));
      break;
    default:
      HR_TRY(parse_bert(json, config));
  }
  config.tokens_max = config.positions - config.position_offset;
  return parse_score(json, config);
}

Result<ModelConfig> read_model_config(const std::string& directory) {
  ModelConfig config;
  const std::string path = directory + "/config.json";
  HR_ASSIGN(const std::string text, read_small_file(path));
  HR_TRY(parse_config(text, path, config));
  HR_TRY(read_modules(directory, config));
  return config;
}

}  // namespace headrace::embed
