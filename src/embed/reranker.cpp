#include "embed/reranker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "embed/model_json.h"
#include "embed/pooling.h"
#include "embed/tensor_names.h"
#include "embed/weight_files.h"

namespace headrace::embed {
namespace {

// How many classes the head tells apart: the rows of its matrix.
Status check_one_class(const SafeTensors& file, const std::string& name) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) {
    return refused_model(
        file.path(), fmt::format("there is no tensor \"{}\": the model is no reranker (no head for "
                                 "classification)",
                                 name));
  }
  const uint64_t classes = found->second.shape.empty() ? 0 : found->second.shape[0];
  if (classes == 1) return {};
  return refused_model(file.path(), fmt::format("tensor \"{}\" tells {} classes apart; a reranker "
                                                "has one",
                                                name, classes));
}

Result<Squash> squash_of(Activation activation, const std::string& path) {
  switch (activation) {
    case Activation::gelu:
      return Squash::gelu;
    case Activation::relu:
      return Squash::relu;
    case Activation::silu:
      return Squash::silu;
    default:
      return refused_model(path, "\"classifier_activation\" is not implemented");
  }
}

}  // namespace

Reranker::Reranker(std::string name, Transformer transformer, DenseLayer dense,
                   std::optional<LayerNorm> norm, DenseLayer output)
    : name_(std::move(name)),
      transformer_(std::move(transformer)),
      dense_(std::move(dense)),
      norm_(std::move(norm)),
      output_(std::move(output)) {}

Encoder::ScratchPtr Reranker::new_scratch() const {
  return Encoder::ScratchPtr(std::make_unique<Encoder::Scratch>().release());
}

Result<std::unique_ptr<const Reranker>> Reranker::load(const ModelFiles& files,
                                                       const Kernels& kernels,
                                                       Precision precision) {
  HR_ASSIGN(ModelConfig config, read_model_config(files.directory));
  HR_ASSIGN(const SafeTensors file, open_weights(files.directory));
  ScoreNames names = score_names(config.family);
  if (config.family == Family::modernbert) {
    HR_ASSIGN(names.squash, squash_of(config.score_activation, files.directory + "/config.json"));
  }
  const std::string output_name = std::string(names.output) + ".weight";
  HR_TRY(check_one_class(file, output_name));
  WeightReader reader = reader_of(file, config, kernels, precision);
  HR_ASSIGN(TransformerWeights weights, load_weights(reader, config));
  // The head in the default precision: it is small, and decides.
  const Precision exact = precision == Precision::bf16 ? precision : Precision::fp32;
  const std::string prefix = names.dense_prefixed ? reader.prefix() : "";
  WeightReader head(file, "", kernels, exact);
  const uint32_t hidden = config.hidden;
  const bool bias = config.family != Family::modernbert || config.score_bias;
  const Linear::Part dense_part{prefix + names.dense + ".weight",
                                bias ? prefix + names.dense + ".bias" : "", hidden};
  HR_ASSIGN(DenseLayer dense, DenseLayer::load(head, dense_part, hidden, names.squash));
  std::optional<LayerNorm> norm;
  if (names.norm != nullptr) {
    HR_ASSIGN(norm, LayerNorm::load(head, names.norm, hidden, config.epsilon, config.norm_bias));
  }
  const Linear::Part output_part{output_name, std::string(names.output) + ".bias", 1};
  HR_ASSIGN(DenseLayer output, DenseLayer::load(head, output_part, hidden, config.score_squash));
  return std::make_unique<const Reranker>(
      files.name, Transformer(std::move(config), kernels, std::move(weights)), std::move(dense),
      std::move(norm), std::move(output));
}

Status Reranker::score(std::span<const TokenSequence> pairs, std::span<float> scores,
                       Encoder::Scratch& scratch, const std::function<void()>& between,
                       Team* team) const {
  HR_CHECK(pairs.size() == scores.size(), "one score for each pair");
  HR_TRY(transformer_.check(pairs, name_));
  scratch.share_with(team);
  transformer_.run(pairs, scratch, between, [&](size_t first, size_t count, const float* rows) {
    finish_tile(pairs.subspan(first, count), rows, scores.data() + first, scratch);
  });
  return {};
}

void Reranker::finish_tile(std::span<const TokenSequence> tile, const float* rows, float* scores,
                           Encoder::Scratch& scratch) const {
  const ModelConfig& config = transformer_.config();
  const Kernels& kernels = transformer_.kernels();
  const size_t stride = transformer_.stride();
  scratch.head.grow(tile.size() * stride);
  scratch.head_next.grow(tile.size() * stride);
  const Pooling pooling = config.score_of_mean ? Pooling::mean : Pooling::cls;
  for (size_t i = 0; i < tile.size(); ++i) {
    pool(pooling, {.rows = rows, .stride = stride, .count = tile[i].ids.size()},
         std::span(scratch.head.data() + i * stride, config.hidden));
    rows += tile[i].ids.size() * stride;
  }
  const Linear::Rows through{.input = scratch.head.data(),
                             .input_stride = stride,
                             .output = scratch.head_next.data(),
                             .output_stride = stride,
                             .count = tile.size()};
  dense_.apply(kernels, through, scratch.linear);
  if (norm_) norm_->apply(kernels, scratch.head_next.data(), stride, tile.size());
  const size_t width = output_.padded_outputs();
  scratch.head_slice.grow(tile.size() * width);
  output_.apply(kernels,
                {.input = scratch.head_next.data(),
                 .input_stride = stride,
                 .output = scratch.head_slice.data(),
                 .output_stride = width,
                 .count = tile.size()},
                scratch.linear);
  for (size_t i = 0; i < tile.size(); ++i) scores[i] = scratch.head_slice.data()[i * width];
}

}  // namespace headrace::embed
