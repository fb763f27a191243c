#include "embed/transformer_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>

namespace headrace::embed {
namespace {

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

Status load_embeddings(WeightReader& reader, const ModelConfig& config, const TensorNames& names,
                       TransformerWeights& weights) {
  const uint32_t hidden = config.hidden;
  HR_ASSIGN(weights.words, WordTable::load(reader, names.words, config.vocabulary, hidden));
  const bool rotary = config.rotary.base != 0;
  const uint32_t rows = rotary ? 1 : config.positions - config.position_offset;
  weights.places.assign(size_t{rows} * hidden, 0.0f);
  if (!rotary) {
    HR_TRY(reader.add_table("embeddings.position_embeddings.weight", config.positions, hidden,
                            config.position_offset, weights.places));
  }
  if (config.token_types > 0) {
    std::vector<float> types(size_t{config.token_types} * hidden);
    HR_TRY(reader.add_table("embeddings.token_type_embeddings.weight", config.token_types, hidden,
                            0, types));
    for (size_t i = 0; i < weights.places.size(); ++i) weights.places[i] += types[i % hidden];
    if (config.token_types > 1) {
      weights.second_type.resize(hidden);
      for (size_t i = 0; i < hidden; ++i) weights.second_type[i] = types[hidden + i] - types[i];
    }
  }
  HR_ASSIGN(weights.embedding_norm, LayerNorm::load(reader, names.embedding_norm, hidden,
                                                    config.epsilon, config.norm_bias));
  if (config.relative_buckets > 0) HR_TRY(load_relative_bias(reader, config, weights));
  if (rotary)
    weights.rotary[0] = Rotary(config.rotary, config.rotary_dimensions, config.tokens_max);
  if (config.local_rotary.base != 0)
    weights.rotary[1] = Rotary(config.local_rotary, config.rotary_dimensions, config.tokens_max);
  return {};
}

// Loads one layer's parts, by the family's names.
class LayerLoader {
 public:
  LayerLoader(WeightReader& reader, const ModelConfig& config, const TensorNames& names,
              uint32_t number)
      : reader_(reader),
        config_(config),
        names_(names),
        number_(number),
        layer_(fmt::format(fmt::runtime(names.layer), number)) {}

  Result<Layer> load() {
    const uint32_t hidden = config_.hidden;
    const uint32_t inner = config_.intermediate;
    Layer result;
    result.local = config_.is_local(number_);
    if (names_.projection != nullptr) {
      HR_ASSIGN(result.projection, linear({part(names_.projection, 3 * hidden, attention())}));
    } else {
      HR_ASSIGN(result.projection, linear({part(names_.query, hidden, attention()),
                                           part(names_.key, hidden, attention()),
                                           part(names_.value, hidden, attention())}));
    }
    HR_ASSIGN(result.attention_output,
              linear({part(names_.attention_output, hidden, attention())}));
    if (number_ > 0 || names_.first_norm) {
      HR_ASSIGN(result.attention_norm, norm(names_.attention_norm));
    }
    HR_TRY(load_up(result));
    const Linear::Part down[] = {part(names_.down, hidden, config_.down_bias)};
    HR_ASSIGN(result.down, Linear::load(reader_, down, inner));
    HR_ASSIGN(result.output_norm, norm(names_.output_norm));
    return result;
  }

 private:
  bool attention() const { return config_.attention_bias; }

  Linear::Part part(const char* name, uint32_t outputs, bool bias) const {
    return {layer_ + name + ".weight", bias ? layer_ + name + ".bias" : std::string(), outputs};
  }
  Result<Linear> linear(std::initializer_list<Linear::Part> parts) {
    return Linear::load(reader_, {parts.begin(), parts.size()}, config_.hidden);
  }
  Result<LayerNorm> norm(const char* name) {
    return LayerNorm::load(reader_, layer_ + name, config_.hidden, config_.epsilon,
                           config_.norm_bias);
  }

  Status load_up(Layer& result) {
    const uint32_t inner = config_.intermediate;
    if (!config_.gated) {
      const char* name = config_.family == Family::nomic ? "mlp.fc1" : names_.up;
      HR_ASSIGN(result.up, linear({part(name, inner, config_.up_bias)}));
      return {};
    }
    Linear::Part up =
        part(names_.up_gate != nullptr ? names_.up_gate : names_.up, inner, config_.up_bias);
    Linear::Part gate =
        part(names_.up_gate != nullptr ? names_.up_gate : names_.gate, inner, config_.up_bias);
    if (names_.up_gate != nullptr) {
      up.of = gate.of = 2 * inner;
      (names_.gate_first ? up : gate).first = inner;
    }
    HR_ASSIGN(result.up, linear({up}));
    HR_ASSIGN(result.gate, linear({gate}));
    return {};
  }

  WeightReader& reader_;
  const ModelConfig& config_;
  const TensorNames& names_;
  const uint32_t number_;
  const std::string layer_;
};

}  // namespace

namespace {

const char* prefix_in(const SafeTensors& file, const TensorNames& names) {
  for (const char* prefix : {names.prefix, names.other_prefix}) {
    if (file.contains(std::string(prefix) + names.words)) return prefix;
  }
  return "";
}

}  // namespace

WeightReader reader_of(const SafeTensors& file, const ModelConfig& config, const Kernels& kernels,
                       Precision precision) {
  return {file, prefix_in(file, tensor_names(config.family)), kernels, precision};
}

Status check_words(const SafeTensors& file, const ModelConfig& config) {
  const TensorNames names = tensor_names(config.family);
  const uint64_t shape[] = {config.vocabulary, config.hidden};
  const auto found = file.find(std::string(prefix_in(file, names)) + names.words, shape);
  return found ? Status{} : Status(std::unexpected(found.error()));
}

Result<TransformerWeights> load_weights(WeightReader& reader, const ModelConfig& config) {
  const TensorNames names = tensor_names(config.family);
  TransformerWeights weights;
  HR_TRY(load_embeddings(reader, config, names, weights));
  weights.layers.reserve(config.layers);
  for (uint32_t number = 0; number < config.layers; ++number) {
    HR_ASSIGN(Layer layer, LayerLoader(reader, config, names, number).load());
    weights.layers.push_back(std::move(layer));
  }
  if (names.final_norm != nullptr) {
    HR_ASSIGN(weights.final_norm, LayerNorm::load(reader, names.final_norm, config.hidden,
                                                  config.epsilon, config.norm_bias));
  }
  weights.digest = reader.digest();
  return weights;
}

}  // namespace headrace::embed
