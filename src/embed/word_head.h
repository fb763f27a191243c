// WordHead: the head that foretells words ("…ForMaskedLM"), used for what it says of a whole text.
//
// Owns: its weights. Threads: immutable after loading. Errors: loading names file and tensor.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "embed/encoder.h"
#include "embed/layers.h"
#include "embed/model_config.h"
#include "embed/ragged_encoder.h"
#include "embed/transformer.h"

namespace headrace::embed {

class WordHead {
 public:
  // `prefix`: of the transformer's tensors in the file, for a matrix that is the embeddings'.
  static Result<WordHead> load(WeightReader& reader, const ModelConfig& config,
                               const std::string& prefix);
  // Each text's words that weigh anything. rows: the tile's last rows, one after another.
  void weigh(const Kernels& kernels, std::span<const TokenSequence> tile, const float* rows,
             size_t stride, std::span<RaggedRow> out, Encoder::Scratch& scratch) const;

 private:
  Linear dense_;
  Activation activation_ = Activation::gelu;
  LayerNorm norm_;
  Linear decoder_;
};

}  // namespace headrace::embed
