#include "embed/word_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "embed/model_json.h"
#include "embed/tensor_names.h"

namespace headrace::embed {
namespace {

// So many words at a time, for so many tokens at a time: what comes of them stays in the cache.
constexpr size_t kWords = 512;
constexpr size_t kTokens = 128;
static_assert(kWords % kPanelWidthMax == 0);

}  // namespace

Result<WordHead> WordHead::load(WeightReader& reader, const ModelConfig& config,
                                const std::string& prefix) {
  const WordNames names = word_names(config.family);
  const uint32_t hidden = config.hidden;
  const std::string dense = names.dense;
  if (!reader.contains(dense + ".weight")) {
    return fail(
        ErrorCode::unsupported,
        fmt::format("there is no tensor \"{}.weight\": the model has no head that foretells "
                    "words, which sparse vectors are made of",
                    dense),
        "take a SPLADE model, or another output");
  }
  const bool modern = config.family == Family::modernbert;
  WordHead head;
  head.activation_ = modern ? config.score_activation : config.activation;
  const Linear::Part dense_part{
      dense + ".weight", modern && !config.score_bias ? std::string() : dense + ".bias", hidden};
  HR_ASSIGN(head.dense_, Linear::load(reader, {&dense_part, 1}, hidden));
  HR_ASSIGN(head.norm_,
            LayerNorm::load(reader, names.norm, hidden, config.epsilon, config.norm_bias));
  std::string bias;
  for (const char* name : {names.bias, names.other_bias}) {
    if (bias.empty() && name != nullptr && reader.contains(name)) bias = name;
  }
  const bool tied = !reader.contains(names.decoder);
  const Linear::Part decoder_part{
      tied ? prefix + tensor_names(config.family).words : std::string(names.decoder), bias,
      config.vocabulary};
  HR_ASSIGN(head.decoder_, Linear::load(reader, {&decoder_part, 1}, hidden));
  return head;
}

void WordHead::weigh(const Kernels& kernels, std::span<const TokenSequence> tile, const float* rows,
                     size_t stride, std::span<RaggedRow> out, Encoder::Scratch& scratch) const {
  std::vector<uint32_t> text_of;  // for each token
  for (uint32_t text = 0; text < tile.size(); ++text)
    text_of.insert(text_of.end(), tile[text].ids.size(), text);
  const size_t tokens = text_of.size();
  scratch.head.grow(tokens * stride);
  for (size_t row = 0; row < tokens; row += kTokens) {
    const size_t count = std::min(kTokens, tokens - row);
    float* const to = scratch.head.data() + row * stride;
    dense_.apply(kernels,
                 {.input = rows + row * stride,
                  .input_stride = stride,
                  .output = to,
                  .output_stride = stride,
                  .count = count},
                 0, dense_.padded_outputs(), activation_, scratch.linear);
    norm_.apply(kernels, to, stride, count);
    scratch.step();
  }
  scratch.head_slice.grow(kTokens * kWords);
  std::vector<float> largest(tile.size() * kWords);
  for (size_t word = 0; word < decoder_.outputs(); word += kWords) {
    const size_t end = std::min(word + kWords, decoder_.padded_outputs());
    const size_t words = std::min(kWords, decoder_.outputs() - word);
    std::ranges::fill(largest, 0.0f);
    for (size_t row = 0; row < tokens; row += kTokens) {
      const size_t count = std::min(kTokens, tokens - row);
      decoder_.apply(kernels,
                     {.input = scratch.head.data() + row * stride,
                      .input_stride = stride,
                      .output = scratch.head_slice.data(),
                      .output_stride = kWords,
                      .count = count},
                     word, end, Activation::none, scratch.linear);
      for (size_t i = 0; i < count; ++i) {
        const float* const from = scratch.head_slice.data() + i * kWords;
        float* const to = largest.data() + text_of[row + i] * kWords;
        for (size_t w = 0; w < words; ++w) to[w] = to[w] < from[w] ? from[w] : to[w];
      }
      scratch.step();
    }
    for (size_t text = 0; text < tile.size(); ++text) {
      for (size_t w = 0; w < words; ++w) {
        const float most = largest[text * kWords + w];
        if (!(most > 0)) continue;
        out[text].ids.push_back(static_cast<uint32_t>(word + w));
        out[text].values.push_back(std::log1p(most));
      }
    }
  }
}

}  // namespace headrace::embed
