#include "embed/ragged_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "embed/dense_layer.h"
#include "embed/model_json.h"
#include "embed/pooling.h"
#include "embed/transformer.h"
#include "embed/weight_files.h"
#include "embed/word_head.h"

namespace headrace::embed {
namespace {

// ColBERT's first programs keep the matrix over tokens in the model's own file.
constexpr const char* kProjection = "linear.weight";

// Of equal ones the first.
void keep_weightiest(size_t count, RaggedRow& row) {
  std::vector<size_t> order(row.ids.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(count);
  std::ranges::nth_element(order, end, [&](size_t a, size_t b) {
    return row.values[a] != row.values[b] ? row.values[a] > row.values[b] : a < b;
  });
  std::sort(order.begin(), end);
  for (size_t i = 0; i < count; ++i) {
    row.ids[i] = row.ids[order[i]];
    row.values[i] = row.values[order[i]];
  }
  row.ids.resize(count);
  row.values.resize(count);
}

class TransformerRows final : public RaggedEncoder {
 public:
  TransformerRows(Transformer transformer, std::optional<WordHead> words,
                  std::vector<DenseLayer> dense, EncoderInfo info)
      : transformer_(std::move(transformer)),
        words_(std::move(words)),
        dense_(std::move(dense)),
        info_(std::move(info)) {}

  const EncoderInfo& info() const override { return info_; }
  const SkippedTokens& skipped() const override { return transformer_.config().skipped; }
  Encoder::ScratchPtr new_scratch() const override {
    return Encoder::ScratchPtr(std::make_unique<Encoder::Scratch>().release());
  }

  Status embed(std::span<const std::span<const int32_t>> sequences, std::span<RaggedRow> rows,
               Encoder::Scratch& scratch, const std::function<void()>& between) const override {
    HR_CHECK(rows.size() == sequences.size(), "one row for each sequence");
    std::vector<TokenSequence> tokens;
    for (const auto& ids : sequences) tokens.push_back({.ids = ids});
    HR_TRY(transformer_.check(tokens, info_.name));
    scratch.share_with(nullptr);
    transformer_.run(tokens, scratch, between, [&](size_t first, size_t count, const float* from) {
      const auto tile = std::span(tokens).subspan(first, count);
      if (words_) {
        words_->weigh(transformer_.kernels(), tile, from, transformer_.stride(),
                      rows.subspan(first, count), scratch);
        const size_t words_max = transformer_.config().words_max;
        for (RaggedRow& row : rows.subspan(first, count))
          if (words_max != 0 && row.ids.size() > words_max) keep_weightiest(words_max, row);
      } else {
        project(tile, from, rows.subspan(first, count), scratch);
      }
    });
    return {};
  }

 private:
  void project(std::span<const TokenSequence> tile, const float* from, std::span<RaggedRow> rows,
               Encoder::Scratch& scratch) const {
    size_t tokens = 0;
    for (const TokenSequence& sequence : tile) tokens += sequence.ids.size();
    size_t stride = transformer_.stride();
    AlignedBuffer<float>* free[] = {&scratch.head, &scratch.head_next};
    for (const DenseLayer& layer : dense_) {
      free[0]->grow(tokens * layer.padded_outputs());
      layer.apply(transformer_.kernels(),
                  {.input = from,
                   .input_stride = stride,
                   .output = free[0]->data(),
                   .output_stride = layer.padded_outputs(),
                   .count = tokens},
                  scratch.linear);
      from = free[0]->data();
      stride = layer.padded_outputs();
      std::swap(free[0], free[1]);
    }
    const size_t dimension = info_.dimension;
    for (size_t text = 0; text < tile.size(); ++text) {
      RaggedRow& row = rows[text];
      for (const int32_t id : tile[text].ids) {
        row.ids.push_back(static_cast<uint32_t>(id));
        row.values.insert(row.values.end(), from, from + dimension);
        normalize(std::span(row.values).last(dimension));
        from += stride;
      }
    }
  }

  Transformer transformer_;
  std::optional<WordHead> words_;
  std::vector<DenseLayer> dense_;
  EncoderInfo info_;
};

// The matrices over tokens: those of folders beside the model, or the one in its own file.
Result<std::vector<DenseLayer>> load_projection(const ModelFiles& files, const ModelConfig& config,
                                                WeightReader& reader, Hasher128& digest) {
  std::vector<DenseLayer> dense;
  if (config.output == ModelOutput::tokens) {
    for (const DenseConfig& one : config.dense) {
      HR_ASSIGN(DenseLayer layer, DenseLayer::load(files.directory, one, reader.kernels(),
                                                   reader.precision(), digest));
      dense.push_back(std::move(layer));
    }
    return dense;
  }
  if (!reader.contains(kProjection)) return dense;
  HR_ASSIGN(const uint32_t outputs, reader.rows_of(kProjection));
  const Linear::Part part{kProjection, "", outputs};
  HR_ASSIGN(DenseLayer layer, DenseLayer::load(reader, part, config.hidden, Squash::none));
  dense.push_back(std::move(layer));
  return dense;
}

}  // namespace

Result<std::unique_ptr<const RaggedEncoder>> RaggedEncoder::load(const ModelFiles& files,
                                                                 const Kernels& kernels,
                                                                 ModelOutput output,
                                                                 Precision precision) {
  HR_CHECK(output == ModelOutput::sparse || output == ModelOutput::tokens, "the output is ragged");
  HR_ASSIGN(ModelConfig config, read_model_config(files.directory));
  HR_ASSIGN(const SafeTensors file, open_weights(files.directory));
  WeightReader reader = reader_of(file, config, kernels, precision);
  HR_ASSIGN(TransformerWeights weights, load_weights(reader, config));
  const Precision exact = precision == Precision::bf16 ? precision : Precision::fp32;
  const bool sparse = output == ModelOutput::sparse;
  WeightReader head(file, "", kernels, exact);
  Hasher128 digest;
  digest.update(weights.digest.hex());
  std::optional<WordHead> words;
  std::vector<DenseLayer> dense;
  EncoderInfo info{.name = files.name,
                   .tokens_max = config.tokens_max,
                   .query_prompt = config.query_prompt,
                   .passage_prompt = config.passage_prompt,
                   .plain_prompt = config.plain_prompt,
                   .lower_cases = config.lower_cases,
                   .precision = precision,
                   .kernel = kernels.name};
  if (sparse) {
    HR_ASSIGN(words, WordHead::load(head, config, reader.prefix()));
    info.dimension = config.vocabulary;
  } else {
    HR_ASSIGN(dense, load_projection(files, config, head, digest));
    info.dimension = dense.empty() ? config.hidden : dense.back().outputs();
    info.normalized = true;
  }
  digest.update(head.digest().hex());
  digest.update(fmt::format("{} {} {}", sparse ? "sparse" : "tokens", config.tokens_max,
                            rounding_name(precision)));
  info.fingerprint = digest.digest().hex();
  return std::make_unique<const TransformerRows>(
      Transformer(std::move(config), kernels, std::move(weights)), std::move(words),
      std::move(dense), std::move(info));
}

}  // namespace headrace::embed
