#include "embed/transformer_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "embed/safetensors.h"

namespace headrace::embed {
namespace {

// Where a family keeps its tensors. "{}" stands for the layer's number.
struct TensorNames {
  const char* prefix;  // may stand before every name, or be absent
  const char* layer;
  const char* query;
  const char* key;
  const char* value;
  const char* attention_output;
  const char* attention_norm;
  const char* up;
  const char* down;
  const char* output_norm;
};

constexpr TensorNames kBertNames = {
    .prefix = "bert.",
    .layer = "encoder.layer.{}.",
    .query = "attention.self.query",
    .key = "attention.self.key",
    .value = "attention.self.value",
    .attention_output = "attention.output.dense",
    .attention_norm = "attention.output.LayerNorm",
    .up = "intermediate.dense",
    .down = "output.dense",
    .output_norm = "output.LayerNorm",
};

TensorNames names_of(Family family) {
  TensorNames names = kBertNames;
  switch (family) {
    case Family::bert:
      break;
    case Family::roberta:
      names.prefix = "roberta.";
      break;
    case Family::distilbert:
      names = {.prefix = "distilbert.",
               .layer = "transformer.layer.{}.",
               .query = "attention.q_lin",
               .key = "attention.k_lin",
               .value = "attention.v_lin",
               .attention_output = "attention.out_lin",
               .attention_norm = "sa_layer_norm",
               .up = "ffn.lin1",
               .down = "ffn.lin2",
               .output_norm = "output_layer_norm"};
      break;
    case Family::mpnet:
      names.prefix = "mpnet.";
      names.query = "attention.attn.q";
      names.key = "attention.attn.k";
      names.value = "attention.attn.v";
      names.attention_output = "attention.attn.o";
      names.attention_norm = "attention.LayerNorm";
      break;
  }
  return names;
}

// MPNet: a bias for each head and each bucket of distances; buckets widen logarithmically.
Status load_relative_bias(WeightReader& reader, const ModelConfig& config,
                          TransformerWeights& weights) {
  const uint32_t heads = config.heads;
  std::vector<float> table(size_t{config.relative_buckets} * heads);
  HR_TRY(reader.add_table("encoder.relative_attention_bias.weight", config.relative_buckets, heads,
                          0, table));
  const auto reach = static_cast<int64_t>(config.tokens_max) - 1;
  const size_t width = 2 * static_cast<size_t>(reach) + 1;
  weights.relative_bias.assign(width * heads, 0.0f);
  const int64_t half = config.relative_buckets / 2;
  const int64_t exact = half / 2;
  constexpr float kDistanceMax = 128.0f;
  for (int64_t distance = -reach; distance <= reach; ++distance) {
    const int64_t away = std::abs(distance);
    int64_t bucket = away;
    if (away >= exact) {
      const float ratio = std::log(static_cast<float>(away) / static_cast<float>(exact)) /
                          std::log(kDistanceMax / static_cast<float>(exact));
      bucket = exact + static_cast<int64_t>(ratio * static_cast<float>(half - exact));
      bucket = std::min(bucket, half - 1);
    }
    if (distance > 0) bucket += half;
    for (uint32_t head = 0; head < heads; ++head)
      weights.relative_bias[head * width + static_cast<size_t>(distance + reach)] =
          table[static_cast<size_t>(bucket) * heads + head];
  }
  return {};
}

Status load_embeddings(WeightReader& reader, const ModelConfig& config,
                       TransformerWeights& weights) {
  const uint32_t hidden = config.hidden;
  HR_ASSIGN(weights.words,
            reader.half_table("embeddings.word_embeddings.weight", config.vocabulary, hidden));
  const uint32_t rows = config.positions - config.position_offset;
  weights.places.assign(size_t{rows} * hidden, 0.0f);
  HR_TRY(reader.add_table("embeddings.position_embeddings.weight", config.positions, hidden,
                          config.position_offset, weights.places));
  if (config.token_types > 0) {
    std::vector<float> type(hidden);
    HR_TRY(reader.add_table("embeddings.token_type_embeddings.weight", config.token_types, hidden,
                            0, type));
    for (size_t i = 0; i < weights.places.size(); ++i) weights.places[i] += type[i % hidden];
  }
  HR_ASSIGN(weights.embedding_norm,
            LayerNorm::load(reader, "embeddings.LayerNorm", hidden, config.epsilon));
  if (config.relative_buckets > 0) HR_TRY(load_relative_bias(reader, config, weights));
  return {};
}

Result<Layer> load_layer(WeightReader& reader, const ModelConfig& config, const TensorNames& names,
                         uint32_t number) {
  const uint32_t hidden = config.hidden;
  const std::string layer = fmt::format(fmt::runtime(names.layer), number);
  const auto part = [&](const char* name, uint32_t outputs) {
    return Linear::Part{layer + name + ".weight", layer + name + ".bias", outputs};
  };
  const Linear::Part projection[] = {part(names.query, hidden), part(names.key, hidden),
                                     part(names.value, hidden)};
  const Linear::Part attention_output[] = {part(names.attention_output, hidden)};
  const Linear::Part up[] = {part(names.up, config.intermediate)};
  const Linear::Part down[] = {part(names.down, hidden)};
  Layer result;
  HR_ASSIGN(result.projection, Linear::load(reader, projection, hidden));
  HR_ASSIGN(result.attention_output, Linear::load(reader, attention_output, hidden));
  HR_ASSIGN(result.attention_norm,
            LayerNorm::load(reader, layer + names.attention_norm, hidden, config.epsilon));
  HR_ASSIGN(result.up, Linear::load(reader, up, hidden));
  HR_ASSIGN(result.down, Linear::load(reader, down, config.intermediate));
  HR_ASSIGN(result.output_norm,
            LayerNorm::load(reader, layer + names.output_norm, hidden, config.epsilon));
  return result;
}

}  // namespace

Result<TransformerWeights> load_weights(const ModelFiles& files, const ModelConfig& config,
                                        const Kernels& kernels, Precision precision) {
  HR_ASSIGN(const SafeTensors file, SafeTensors::open(files.directory + "/model.safetensors"));
  const TensorNames names = names_of(config.family);
  const bool prefixed =
      file.contains(std::string(names.prefix) + "embeddings.word_embeddings.weight");
  WeightReader reader(file, prefixed ? names.prefix : "", kernels, precision);
  TransformerWeights weights;
  HR_TRY(load_embeddings(reader, config, weights));
  weights.layers.reserve(config.layers);
  for (uint32_t number = 0; number < config.layers; ++number) {
    HR_ASSIGN(Layer layer, load_layer(reader, config, names, number));
    weights.layers.push_back(std::move(layer));
  }
  weights.digest = reader.digest();
  return weights;
}

}  // namespace headrace::embed
