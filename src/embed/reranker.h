// Reranker: pairs of texts → scores, by a transformer with a head for classification
// (cross-encoder). Pairs are packed like texts: no padding.
//
// Owns: the weights. Threads: immutable after loading; score() is const and safe from any thread
// with one Scratch per thread. Errors: load() names file, setting and tensor; score() as
// Encoder::embed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/dense_layer.h"
#include "embed/encoder.h"
#include "embed/transformer.h"

namespace headrace::embed {

class Reranker {
 public:
  static Result<std::unique_ptr<const Reranker>> load(const ModelFiles& files,
                                                      const Kernels& kernels,
                                                      Precision precision = Precision::fp32);
  Reranker(std::string name, Transformer transformer, DenseLayer dense,
           std::optional<LayerNorm> norm, DenseLayer output);

  const std::string& name() const { return name_; }
  // Before every query, from the model's own files ("default_prompt_name").
  const std::string& prompt() const { return transformer_.config().plain_prompt; }
  uint32_t tokens_max() const { return transformer_.config().tokens_max; }
  Encoder::ScratchPtr new_scratch() const;
  // scores[i] belongs to pairs[i]; the same whatever else is in the call.
  Status score(std::span<const TokenSequence> pairs, std::span<float> scores,
               Encoder::Scratch& scratch, const std::function<void()>& between = {},
               Team* team = nullptr) const;

 private:
  void finish_tile(std::span<const TokenSequence> tile, const float* rows, float* scores,
                   Encoder::Scratch& scratch) const;

  std::string name_;
  Transformer transformer_;
  DenseLayer dense_;
  std::optional<LayerNorm> norm_;
  DenseLayer output_;
};

}  // namespace headrace::embed
