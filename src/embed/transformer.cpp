#include "embed/transformer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "embed/layers.h"
#include "embed/pooling.h"
#include "embed/transformer_weights.h"

namespace headrace {

// Buffers for one tile; rows are `stride` floats apart.
class Encoder::Scratch {
 public:
  embed::AlignedBuffer<float> state;      // tokens x hidden: what enters a layer
  embed::AlignedBuffer<float> next;       // tokens x hidden: what leaves a block
  embed::AlignedBuffer<float> context;    // tokens x hidden: attention's result
  embed::AlignedBuffer<float> projected;  // tokens x (query, key, value)
  embed::AlignedBuffer<float> inner;      // some tokens x some of the intermediate columns
  embed::AlignedBuffer<float> attention;  // the kernels' own
  const std::function<void()>* between = nullptr;

  // A step is done.
  void step() const {
    if (between != nullptr && *between) (*between)();
  }
  embed::LinearWorkspace linear;
  embed::LinearWorkspace inner_linear;
};

void Encoder::ScratchDeleter::operator()(Scratch* scratch) const {
  std::default_delete<Scratch>()(scratch);
}

namespace embed {
namespace {

// The rows of a matrix product are worked off in stretches that stay in the L2 cache together
// with what they produce.
constexpr size_t kStretchBytes = 384 << 10;
// How many of the intermediate columns exist at a time.
constexpr size_t kInnerColumns = Linear::kInputGroup;
constexpr size_t kTileTokens = 256;

class Transformer final : public Encoder {
 public:
  Transformer(ModelConfig config, const Kernels& kernels, Precision precision)
      : config_(std::move(config)),
        kernels_(kernels),
        precision_(precision),
        stride_(round_up(config_.hidden, kPanelWidthMax)) {}

  Status load(const ModelFiles& files);

  const EncoderInfo& info() const override { return info_; }
  ScratchPtr new_scratch() const override {
    return ScratchPtr(std::make_unique<Scratch>().release());
  }
  size_t tile_tokens() const override { return kTileTokens; }
  Status embed(std::span<const std::span<const int32_t>> sequences, std::span<float> out,
               Scratch& scratch, const std::function<void()>& between) const override;

 private:
  using Sequences = std::span<const std::span<const int32_t>>;

  void set_info(const ModelFiles& files);

  Status check(Sequences sequences, std::span<float> out) const;
  void embed_tile(Sequences tile, size_t tokens, float* out, Scratch& scratch) const;
  void look_up(Sequences tile, float* state) const;
  void attend(const Layer& layer, Sequences tile, size_t tokens, Scratch& scratch) const;
  void feed_forward(const Layer& layer, size_t tokens, Scratch& scratch) const;
  size_t stretch(size_t row_floats) const;

  ModelConfig config_;
  const Kernels& kernels_;
  Precision precision_;
  size_t stride_;
  EncoderInfo info_;
  TransformerWeights weights_;
};

Status Transformer::load(const ModelFiles& files) {
  HR_ASSIGN(weights_, load_weights(files, config_, kernels_, precision_));
  set_info(files);
  return {};
}

// The fingerprint covers everything that decides a vector, but neither kernel nor folder.
void Transformer::set_info(const ModelFiles& files) {
  std::string settings = fmt::format(
      "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", weights_.digest.hex(),
      family_name(config_.family), config_.hidden, config_.layers, config_.heads,
      config_.intermediate, config_.vocabulary, config_.positions, config_.position_offset,
      config_.relative_buckets, config_.epsilon, static_cast<int>(config_.activation),
      static_cast<int>(config_.pooling), config_.normalize, config_.tokens_max);
  if (precision_ != Precision::fp32) settings += fmt::format(" {}", precision_name(precision_));
  info_ = {.name = files.name,
           .fingerprint = hash128(settings).hex(),
           .dimension = config_.hidden,
           .tokens_max = config_.tokens_max,
           .normalized = config_.normalize,
           .query_prompt = config_.query_prompt,
           .passage_prompt = config_.passage_prompt,
           .precision = precision_,
           .kernel = kernels_.name};
}

Status Transformer::check(Sequences sequences, std::span<float> out) const {
  HR_CHECK(out.size() == sequences.size() * size_t{config_.hidden}, "one row for each sequence");
  for (size_t i = 0; i < sequences.size(); ++i) {
    const std::span<const int32_t> ids = sequences[i];
    if (ids.empty() || ids.size() > config_.tokens_max) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("sequence {} has {} tokens; {} takes 1 to {}", i, ids.size(),
                              info_.name, config_.tokens_max),
                  "chunk or cut the text first");
    }
    for (const int32_t id : ids) {
      if (id < 0 || static_cast<uint32_t>(id) >= config_.vocabulary) {
        return fail(ErrorCode::invalid_argument,
                    fmt::format("sequence {} holds token {}; the vocabulary of {} has {}", i, id,
                                info_.name, config_.vocabulary),
                    "tokenizer.json belongs to another model than model.safetensors");
      }
    }
  }
  return {};
}

Status Transformer::embed(Sequences sequences, std::span<float> out, Scratch& scratch,
                          const std::function<void()>& between) const {
  HR_TRY(check(sequences, out));
  scratch.between = &between;
  for (size_t first = 0; first < sequences.size();) {
    size_t tokens = 0;
    size_t count = 0;
    while (first + count < sequences.size() && tokens < kTileTokens)
      tokens += sequences[first + count++].size();
    embed_tile(sequences.subspan(first, count), tokens, out.data() + first * config_.hidden,
               scratch);
    first += count;
  }
  return {};
}

void Transformer::look_up(Sequences tile, float* state) const {
  const size_t hidden = config_.hidden;
  for (const std::span<const int32_t> ids : tile) {
    for (size_t place = 0; place < ids.size(); ++place, state += stride_) {
      kernels_.widen_add(weights_.words.data() + static_cast<size_t>(ids[place]) * hidden,
                         weights_.places.data() + place * hidden, state, hidden);
    }
  }
}

size_t Transformer::stretch(size_t row_floats) const {
  const size_t rows = kStretchBytes / (row_floats * sizeof(float));
  return std::max(rows / kernels_.row_block, size_t{2}) * kernels_.row_block;
}

void Transformer::attend(const Layer& layer, Sequences tile, size_t tokens,
                         Scratch& scratch) const {
  const size_t hidden = config_.hidden;
  const size_t width = layer.projection.padded_outputs();
  const size_t head_size = hidden / config_.heads;
  const size_t step = stretch(stride_);
  for (size_t row = 0; row < tokens; row += step) {
    layer.projection.apply(kernels_,
                           {.input = scratch.state.data() + row * stride_,
                            .input_stride = stride_,
                            .output = scratch.projected.data() + row * width,
                            .output_stride = width,
                            .count = std::min(step, tokens - row)},
                           0, width, Activation::none, scratch.linear);
    scratch.step();
  }
  const float* projected = scratch.projected.data();
  float* context = scratch.context.data();
  for (const std::span<const int32_t> ids : tile) {
    for (size_t head = 0; head < config_.heads; ++head) {
      const float* query = projected + head * head_size;
      const float* bias = nullptr;
      if (!weights_.relative_bias.empty()) {
        const size_t bias_width = 2 * size_t{config_.tokens_max} - 1;
        bias = weights_.relative_bias.data() + head * bias_width + config_.tokens_max - 1;
      }
      kernels_.attention({.query = query,
                          .key = query + hidden,
                          .value = query + 2 * hidden,
                          .stride = width,
                          .tokens = ids.size(),
                          .head_size = head_size,
                          .scale = 1.0f / std::sqrt(static_cast<float>(head_size)),
                          .relative_bias = bias,
                          .output = context + head * head_size,
                          .output_stride = stride_,
                          .workspace = scratch.attention.data()});
      scratch.step();
    }
    projected += ids.size() * width;
    context += ids.size() * stride_;
  }
  for (size_t row = 0; row < tokens; row += step) {
    const size_t count = std::min(step, tokens - row);
    float* next = scratch.next.data() + row * stride_;
    layer.attention_output.apply(kernels_,
                                 {.input = scratch.context.data() + row * stride_,
                                  .input_stride = stride_,
                                  .output = next,
                                  .output_stride = stride_,
                                  .count = count},
                                 0, layer.attention_output.padded_outputs(), Activation::none,
                                 scratch.linear);
    layer.attention_norm.apply(kernels_, next, scratch.state.data() + row * stride_, stride_,
                               count);
    scratch.step();
  }
}

// The intermediate columns come into being a slice at a time and are used up at once: they never
// leave the cache.
void Transformer::feed_forward(const Layer& layer, size_t tokens, Scratch& scratch) const {
  const size_t step = stretch(stride_ + kInnerColumns);
  const size_t inner = config_.intermediate;
  for (size_t row = 0; row < tokens; row += step) {
    const size_t count = std::min(step, tokens - row);
    const float* input = scratch.next.data() + row * stride_;
    float* output = scratch.state.data() + row * stride_;
    for (size_t begin = 0; begin < inner; begin += kInnerColumns) {
      const size_t end = std::min(begin + kInnerColumns, inner);
      layer.up.apply(kernels_,
                     {.input = input,
                      .input_stride = stride_,
                      .output = scratch.inner.data(),
                      .output_stride = kInnerColumns,
                      .count = count,
                      .same_input = begin > 0},
                     begin, round_up(end, kPanelWidthMax), config_.activation, scratch.linear);
      layer.down.apply_inputs(kernels_,
                              {.input = scratch.inner.data(),
                               .input_stride = kInnerColumns,
                               .output = output,
                               .output_stride = stride_,
                               .count = count},
                              begin, end, scratch.inner_linear);
      scratch.step();
    }
    layer.output_norm.apply(kernels_, output, input, stride_, count);
  }
}

void Transformer::embed_tile(Sequences tile, size_t tokens, float* out, Scratch& scratch) const {
  size_t longest = 0;
  for (const std::span<const int32_t> ids : tile) longest = std::max(longest, ids.size());
  const size_t step = stretch(stride_ + kInnerColumns);
  scratch.state.grow(tokens * stride_);
  scratch.next.grow(tokens * stride_);
  scratch.context.grow(tokens * stride_);
  scratch.projected.grow(tokens * round_up(3 * size_t{config_.hidden}, kPanelWidthMax));
  scratch.inner.grow(std::min(step, tokens) * kInnerColumns);
  scratch.attention.grow(attention_workspace(longest, config_.hidden / config_.heads));

  look_up(tile, scratch.state.data());
  weights_.embedding_norm.apply(kernels_, scratch.state.data(), nullptr, stride_, tokens);
  for (const Layer& layer : weights_.layers) {
    attend(layer, tile, tokens, scratch);
    feed_forward(layer, tokens, scratch);
  }
  const float* rows = scratch.state.data();
  for (const std::span<const int32_t> ids : tile) {
    pool(config_.pooling, {.rows = rows, .stride = stride_, .count = ids.size()},
         std::span(out, config_.hidden));
    if (config_.normalize) normalize(std::span(out, config_.hidden));
    rows += ids.size() * stride_;
    out += config_.hidden;
  }
}

}  // namespace

Result<std::unique_ptr<const Encoder>> load_transformer(const ModelFiles& files,
                                                        const Kernels& kernels,
                                                        Precision precision) {
  HR_ASSIGN(ModelConfig config, read_model_config(files.directory));
  auto transformer = std::make_unique<Transformer>(std::move(config), kernels, precision);
  HR_TRY(transformer->load(files));
  return transformer;
}

}  // namespace embed

Result<std::unique_ptr<const Encoder>> Encoder::load(const ModelFiles& files, Precision precision) {
  return embed::load_transformer(files, embed::kernels(), precision);
}

}  // namespace headrace
