#include "embed/text_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "embed/dense_layer.h"
#include "embed/model_json.h"
#include "embed/pooling.h"
#include "embed/transformer.h"
#include "embed/weight_files.h"

namespace headrace {
namespace embed {
namespace {

// What is neither in the tensors' digest nor in the settings that every family has.
std::string family_settings(const ModelConfig& config) {
  std::string settings;
  if (config.rotary.base != 0) {
    settings += fmt::format(" rotary {} {} {} {} {}", config.rotary_dimensions, config.rotary.base,
                            config.rotary.divisor, config.local_rotary.base, config.reach);
    for (const uint8_t local : config.local) settings += local != 0 ? 'l' : 'g';
  }
  for (const Pooling pooling : config.joined)
    settings += fmt::format(" joined {}", static_cast<int>(pooling));
  if (!config.pools_prompt) settings += " without prompt";
  for (const DenseConfig& dense : config.dense)
    settings += fmt::format(" dense {} {}", dense.outputs, static_cast<int>(dense.squash));
  return settings;
}

class TextEncoder final : public Encoder {
 public:
  TextEncoder(ModelFiles files, Transformer transformer, std::vector<DenseLayer> dense,
              Precision precision, const std::string& digest)
      : transformer_(std::move(transformer)), dense_(std::move(dense)) {
    set_info(files, precision, digest);
  }

  const EncoderInfo& info() const override { return info_; }
  ScratchPtr new_scratch() const override {
    return ScratchPtr(std::make_unique<Scratch>().release());
  }
  size_t tile_tokens() const override { return Transformer::kTileTokens; }

  Status embed(std::span<const std::span<const int32_t>> sequences, std::span<float> out,
               Scratch& scratch, const std::function<void()>& between, Team* team,
               size_t prompt_tokens) const override {
    HR_CHECK(out.size() == sequences.size() * size_t{info_.dimension}, "one row for each sequence");
    std::vector<TokenSequence> tokens;
    tokens.reserve(sequences.size());
    for (const auto& ids : sequences) tokens.push_back({.ids = ids});
    HR_TRY(transformer_.check(tokens, info_.name));
    scratch.share_with(team);
    transformer_.run(tokens, scratch, between, [&](size_t first, size_t count, const float* rows) {
      finish_tile(std::span(tokens).subspan(first, count), rows,
                  out.data() + first * info_.dimension, prompt_tokens, scratch);
    });
    return {};
  }

 private:
  // The fingerprint covers everything that decides a vector, but neither kernel nor folder.
  void set_info(const ModelFiles& files, Precision precision, const std::string& digest) {
    const ModelConfig& config = transformer_.config();
    std::string settings = fmt::format(
        "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", digest, family_name(config.family),
        config.hidden, config.layers, config.heads, config.intermediate, config.vocabulary,
        config.positions, config.position_offset, config.relative_buckets, config.epsilon,
        static_cast<int>(config.activation), static_cast<int>(config.pooling), config.normalize,
        config.tokens_max);
    settings += family_settings(config);
    if (precision != Precision::fp32) settings += fmt::format(" {}", rounding_name(precision));
    info_ = {.name = files.name,
             .fingerprint = hash128(settings).hex(),
             .dimension = config.dimension(),
             .cut_dimension = config.cut_dimension,
             .tokens_max = config.tokens_max,
             .normalized = config.normalize,
             .query_prompt = config.query_prompt,
             .passage_prompt = config.passage_prompt,
             .plain_prompt = config.plain_prompt,
             .pools_prompt = config.pools_prompt,
             .lower_cases = config.lower_cases,
             .precision = precision,
             .kernel = transformer_.kernels().name};
  }

  // Pools each of the tile's texts, then takes all of them through the matrices that follow.
  void finish_tile(std::span<const TokenSequence> tile, const float* rows, float* out,
                   size_t prompt_tokens, Scratch& scratch) const {
    const ModelConfig& config = transformer_.config();
    const size_t stride = transformer_.stride();
    size_t pooled_stride = config.pooled();
    float* pooled = out;
    if (!dense_.empty()) {
      size_t widest = std::max<size_t>(stride, config.pooled());
      for (const DenseLayer& layer : dense_) widest = std::max(widest, layer.padded_outputs());
      scratch.head.grow(tile.size() * widest);
      scratch.head_next.grow(tile.size() * widest);
      pooled = scratch.head.data();
      pooled_stride = widest;
    }
    for (size_t i = 0; i < tile.size(); ++i) {
      const TokenRows tokens{
          .rows = rows, .stride = stride, .count = tile[i].ids.size(), .skipped = prompt_tokens};
      float* part = pooled + i * pooled_stride;
      pool(config.pooling, tokens, std::span(part, config.hidden));
      for (const Pooling pooling : config.joined)
        pool(pooling, tokens, std::span(part += config.hidden, config.hidden));
      rows += tile[i].ids.size() * stride;
    }
    float* next = scratch.head_next.data();
    for (const DenseLayer& layer : dense_) {
      layer.apply(transformer_.kernels(),
                  {.input = pooled,
                   .input_stride = pooled_stride,
                   .output = next,
                   .output_stride = pooled_stride,
                   .count = tile.size()},
                  scratch.linear);
      std::swap(pooled, next);
    }
    for (size_t i = 0; i < tile.size(); ++i) {
      float* const to = out + i * info_.dimension;
      if (!dense_.empty()) std::copy_n(pooled + i * pooled_stride, info_.dimension, to);
      if (config.normalize) normalize(std::span(to, info_.dimension));
    }
  }

  Transformer transformer_;
  std::vector<DenseLayer> dense_;
  EncoderInfo info_;
};

}  // namespace

Result<std::unique_ptr<const Encoder>> load_encoder(const ModelFiles& files, const Kernels& kernels,
                                                    Precision precision) {
  HR_CHECK(precision != Precision::table, "a static model is no encoder");
  HR_ASSIGN(ModelConfig config, read_model_config(files.directory));
  const std::string modules = files.directory + "/modules.json";
  if (config.output == ModelOutput::score)
    return refused_model(modules, "no pooling module follows the transformer");
  if (config.output == ModelOutput::sparse)
    return refused_model(modules, "the model makes sparse vectors (--output sparse)");
  if (config.output == ModelOutput::tokens)
    return refused_model(modules, "the model makes a vector for each token (--output tokens)");
  HR_ASSIGN(const SafeTensors file, open_weights(files.directory));
  WeightReader reader = reader_of(file, config, kernels, precision);
  HR_ASSIGN(TransformerWeights weights, load_weights(reader, config));
  std::string digest = weights.digest.hex();
  std::vector<DenseLayer> dense;
  if (!config.dense.empty()) {
    // Few and narrow: what int8 would save is not worth what it would cost.
    const Precision exact = precision == Precision::bf16 ? precision : Precision::fp32;
    Hasher128 hasher;
    hasher.update(digest);
    for (const DenseConfig& one : config.dense) {
      HR_ASSIGN(DenseLayer layer, DenseLayer::load(files.directory, one, kernels, exact, hasher));
      dense.push_back(std::move(layer));
    }
    digest = hasher.digest().hex();
  }
  return std::make_unique<const TextEncoder>(
      files, Transformer(std::move(config), kernels, std::move(weights)), std::move(dense),
      precision, digest);
}

}  // namespace embed

Result<std::unique_ptr<const Encoder>> Encoder::load(const ModelFiles& files, Precision precision) {
  return embed::load_encoder(files, embed::kernels(), precision);
}

}  // namespace headrace
