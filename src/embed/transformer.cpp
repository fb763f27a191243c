#include "embed/transformer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace headrace {

void Encoder::ScratchDeleter::operator()(Scratch* scratch) const {
  std::default_delete<Scratch>()(scratch);
}

namespace embed {
namespace {

// The rows of a matrix product are worked off in stretches that stay in the L2 cache together
// with what they produce: long ones unpack the weights less often, those that do not fit run from
// slower memory. The choice does not change a bit of any result.
size_t stretch_bytes() {
  constexpr long kLeast = 256 << 10;
  constexpr long kMost = 2 << 20;
  static const long bytes = std::clamp(::sysconf(_SC_LEVEL2_CACHE_SIZE) / 4 * 3, kLeast, kMost);
  return static_cast<size_t>(bytes);
}
// The least number of intermediate columns that exist at a time.
constexpr size_t kInnerColumns = Linear::kInputGroup;
// Local layers are worked off so many queries at a time, each with the keys in reach.
constexpr size_t kWindowQueries = 64;

}  // namespace

// Windows of queries and of keys: all distances that occur, the queries' own place in the middle.
void Transformer::make_window_bias() {
  if (config_.reach == 0) return;
  const size_t farthest = config_.reach + kWindowQueries;
  window_bias_.assign(2 * farthest + 1, -std::numeric_limits<float>::infinity());
  std::fill_n(window_bias_.begin() + kWindowQueries, 2 * size_t{config_.reach} + 1, 0.0f);
}

Status Transformer::check(Sequences sequences, const std::string& name) const {
  for (size_t i = 0; i < sequences.size(); ++i) {
    const std::span<const int32_t> ids = sequences[i].ids;
    if (ids.empty() || ids.size() > config_.tokens_max) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("sequence {} has {} tokens; {} takes 1 to {}", i, ids.size(), name,
                              config_.tokens_max),
                  "chunk or cut the text first");
    }
    for (const int32_t id : ids) {
      if (id < 0 || static_cast<uint32_t>(id) >= config_.vocabulary) {
        return fail(ErrorCode::invalid_argument,
                    fmt::format("sequence {} holds token {}; the vocabulary of {} has {}", i, id,
                                name, config_.vocabulary),
                    "tokenizer.json belongs to another model than model.safetensors");
      }
    }
  }
  return {};
}

void Transformer::run(
    Sequences sequences, Encoder::Scratch& scratch, const std::function<void()>& between,
    const std::function<void(size_t first, size_t count, const float* rows)>& take) const {
  scratch.between = &between;
  for (size_t first = 0; first < sequences.size();) {
    size_t tokens = 0;
    size_t count = 0;
    while (first + count < sequences.size() && tokens < kTileTokens)
      tokens += sequences[first + count++].ids.size();
    run_tile(sequences.subspan(first, count), tokens, scratch);
    take(first, count, scratch.state.data());
    first += count;
  }
}

void Transformer::look_up(Sequences tile, float* state) const {
  const size_t hidden = config_.hidden;
  const size_t place_step = config_.rotary.base != 0 ? 0 : hidden;
  for (const TokenSequence& sequence : tile) {
    for (size_t place = 0; place < sequence.ids.size(); ++place, state += stride_) {
      weights_.words.add(kernels_, static_cast<size_t>(sequence.ids[place]),
                         weights_.places.data() + place * place_step, state);
      if (place < sequence.second || weights_.second_type.empty()) continue;
      for (size_t i = 0; i < hidden; ++i) state[i] += weights_.second_type[i];
    }
  }
}

// How many of `tokens` rows are worked off at a time: stretches of nearly the same length.
size_t Transformer::stretch(size_t row_floats, size_t tokens) const {
  const size_t most = std::max(stretch_bytes() / (row_floats * sizeof(float)), size_t{1});
  const size_t stretches = std::max((tokens + most - 1) / most, size_t{1});
  return round_up((tokens + stretches - 1) / stretches, kernels_.row_block);
}

// How many of the intermediate columns of `rows` rows exist at a time.
size_t Transformer::inner_columns(size_t rows) const {
  const size_t fit = stretch_bytes() / 2 / (rows * sizeof(float));
  return std::clamp(fit / kInnerColumns * kInnerColumns, kInnerColumns,
                    round_up(config_.intermediate, kInnerColumns));
}

Transformer::Strided<const float> Transformer::entering(const std::optional<LayerNorm>& norm,
                                                        Strided<const float> rows, size_t count,
                                                        Encoder::Scratch& scratch) const {
  if (!config_.pre_norm || !norm) return rows;
  float* const normed = scratch.normed.data();
  for (size_t i = 0; i < count; ++i)
    std::copy_n(rows.data + i * rows.stride, config_.hidden, normed + i * stride_);
  norm->apply(kernels_, normed, stride_, count);
  return {normed, stride_};
}

void Transformer::leave(const std::optional<LayerNorm>& norm, Strided<float> rows,
                        Strided<const float> entered, size_t count) const {
  if (!config_.pre_norm && norm) {
    norm->apply(kernels_, rows.data, rows.stride, entered.data, entered.stride, count);
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    float* const to = rows.data + i * rows.stride;
    const float* const from = entered.data + i * entered.stride;
    for (size_t column = 0; column < config_.hidden; ++column) to[column] += from[column];
  }
}

// One head of one sequence, whose rows begin at `projected`. The result takes the place of the
// queries, block after block, each when nothing reads it any more.
void Transformer::attend_head(const Layer& layer, size_t head, size_t tokens, float* projected,
                              float* workspace) const {
  const size_t hidden = config_.hidden;
  const size_t head_size = hidden / config_.heads;
  AttentionCall call{.query = projected + head * head_size,
                     .stride = wide_,
                     .tokens = tokens,
                     .head_size = head_size,
                     .scale = 1.0f / std::sqrt(static_cast<float>(head_size)),
                     .output = projected + head * head_size,
                     .output_stride = wide_,
                     .workspace = workspace};
  call.key = call.query + hidden;
  call.value = call.query + 2 * hidden;
  if (!weights_.relative_bias.empty()) {
    const size_t bias_width = 2 * size_t{config_.tokens_max} - 1;
    call.relative_bias = weights_.relative_bias.data() + head * bias_width + config_.tokens_max - 1;
  }
  const size_t reach = config_.reach;
  if (!layer.local || tokens <= reach + 1) {
    kernels_.attention(call);
    return;
  }
  const AttentionCall all = call;
  for (size_t begin = 0; begin < tokens; begin += kWindowQueries) {
    const size_t first = begin - std::min(begin, reach);
    call.query = all.query + begin * all.stride;
    call.key = all.key + first * all.stride;
    call.value = all.value + first * all.stride;
    call.queries = std::min(kWindowQueries, tokens - begin);
    call.tokens = std::min(begin + call.queries + reach, tokens) - first;
    call.output = all.output + begin * all.output_stride;
    // Keys are counted from `first`, queries from `begin`.
    call.relative_bias = window_bias_.data() + kWindowQueries + reach - (begin - first);
    kernels_.attention(call);
  }
}

// Every head of every sequence.
void Transformer::attend_heads(const Layer& layer, Sequences tile,
                               Encoder::Scratch& scratch) const {
  float* projected = scratch.projected.data();
  for (const TokenSequence& sequence : tile) {
    const size_t length = sequence.ids.size();
    const auto attend_one = [&](size_t head, size_t member) {
      attend_head(layer, head, length, projected,
                  scratch.attention.data() + member * scratch.attention_share);
    };
    if (scratch.team() != nullptr) {
      scratch.team()->run(config_.heads, attend_one);
    } else {
      for (size_t head = 0; head < config_.heads; ++head) {
        attend_one(head, 0);
        scratch.step();
      }
    }
    projected += length * wide_;
  }
}

void Transformer::attend(const Layer& layer, Sequences tile, size_t tokens,
                         Encoder::Scratch& scratch) const {
  const size_t head_size = config_.hidden / config_.heads;
  const size_t step = stretch(stride_, tokens);
  const Rotary& rotary = weights_.rotary[layer.local ? 1 : 0];
  for (size_t row = 0; row < tokens; row += step) {
    const size_t count = std::min(step, tokens - row);
    float* const rows = scratch.projected.data() + row * wide_;
    const Strided<const float> input = entering(
        layer.attention_norm, {scratch.state.data() + row * stride_, stride_}, count, scratch);
    layer.projection.apply(kernels_,
                           {.input = input.data,
                            .input_stride = input.stride,
                            .output = rows,
                            .output_stride = wide_,
                            .count = count},
                           0, layer.projection.padded_outputs(), Activation::none, scratch.linear);
    if (!rotary.empty()) {
      // Query and key lie side by side: twice as many heads.
      for (size_t i = 0; i < count; ++i)
        rotary.turn(rows + i * wide_, scratch.places[row + i], 2 * size_t{config_.heads},
                    head_size);
    }
    scratch.step();
  }
  attend_heads(layer, tile, scratch);
  for (size_t row = 0; row < tokens; row += step) {
    const size_t count = std::min(step, tokens - row);
    float* const result = scratch.projected.data() + row * wide_;
    float* const next = result + config_.hidden;
    layer.attention_output.apply(kernels_,
                                 {.input = result,
                                  .input_stride = wide_,
                                  .output = next,
                                  .output_stride = wide_,
                                  .count = count},
                                 0, layer.attention_output.padded_outputs(), Activation::none,
                                 scratch.linear);
    leave(layer.attention_norm, {next, wide_}, {scratch.state.data() + row * stride_, stride_},
          count);
    scratch.step();
  }
}

// The intermediate columns come into being some at a time and are used up at once: they never
// leave the cache.
void Transformer::feed_forward(const Layer& layer, size_t tokens, Encoder::Scratch& scratch) const {
  const size_t step = stretch(stride_ + kInnerColumns, tokens);
  const size_t inner = config_.intermediate;
  const size_t columns = inner_columns(step);
  for (size_t row = 0; row < tokens; row += step) {
    const size_t count = std::min(step, tokens - row);
    const Strided<const float> entered{scratch.projected.data() + row * wide_ + config_.hidden,
                                       wide_};
    const Strided<const float> input = entering(layer.output_norm, entered, count, scratch);
    float* output = scratch.state.data() + row * stride_;
    for (size_t begin = 0; begin < inner; begin += columns) {
      const size_t end = std::min(begin + columns, inner);
      layer.up.apply(kernels_,
                     {.input = input.data,
                      .input_stride = input.stride,
                      .output = scratch.inner.data(),
                      .output_stride = columns,
                      .count = count,
                      .same_input = begin > 0},
                     begin, round_up(end, kPanelWidthMax),
                     layer.gate ? Activation::none : config_.activation, scratch.linear);
      if (layer.gate) {
        layer.gate->apply(kernels_,
                          {.input = input.data,
                           .input_stride = input.stride,
                           .output = scratch.gate.data(),
                           .output_stride = columns,
                           .count = count,
                           .same_input = true},
                          begin, round_up(end, kPanelWidthMax), config_.activation, scratch.linear);
        for (size_t i = 0; i < count; ++i) {
          float* const values = scratch.inner.data() + i * columns;
          const float* const gates = scratch.gate.data() + i * columns;
          for (size_t column = 0; column < end - begin; ++column) values[column] *= gates[column];
        }
      }
      layer.down.apply_inputs(kernels_,
                              {.input = scratch.inner.data(),
                               .input_stride = columns,
                               .output = output,
                               .output_stride = stride_,
                               .count = count},
                              begin, end, scratch.inner_linear);
      scratch.step();
    }
    leave(layer.output_norm, {output, stride_}, entered, count);
  }
}

void Transformer::run_tile(Sequences tile, size_t tokens, Encoder::Scratch& scratch) const {
  size_t longest = 0;
  for (const TokenSequence& sequence : tile) longest = std::max(longest, sequence.ids.size());
  const size_t step = stretch(stride_ + kInnerColumns, tokens);
  scratch.state.grow(tokens * stride_);
  scratch.projected.grow(tokens * wide_);
  scratch.inner.grow(step * inner_columns(step));
  if (config_.gated) scratch.gate.grow(step * inner_columns(step));
  if (config_.pre_norm) scratch.normed.grow(stretch(stride_, tokens) * stride_);
  const size_t members = scratch.team() != nullptr ? scratch.team()->members() : 1;
  scratch.attention_share =
      round_up(attention_workspace(longest, config_.hidden / config_.heads), kPanelWidthMax);
  scratch.attention.grow(members * scratch.attention_share);
  scratch.places.clear();
  for (const TokenSequence& sequence : tile) {
    for (uint32_t place = 0; place < sequence.ids.size(); ++place) scratch.places.push_back(place);
  }

  look_up(tile, scratch.state.data());
  weights_.embedding_norm.apply(kernels_, scratch.state.data(), stride_, tokens);
  for (const Layer& layer : weights_.layers) {
    attend(layer, tile, tokens, scratch);
    feed_forward(layer, tokens, scratch);
  }
  if (weights_.final_norm)
    weights_.final_norm->apply(kernels_, scratch.state.data(), stride_, tokens);
}

}  // namespace embed
}  // namespace headrace
