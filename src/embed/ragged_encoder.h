// RaggedEncoder: texts → rows of their own lengths: weights of words (SPLADE), or a vector for each
// token (ColBERT), by the same transformer as everything else.
//
// Sparse: the head that foretells words gives each token a number for each word of the vocabulary;
// a word weighs log(1 + max(0, its largest number over the tokens)). Where the model's files say
// how many words are kept ("max_active_dims"), the weightiest are. Worked off some words at a time:
// a table of tokens × vocabulary never exists.
//
// Tokens: each token's row, through the model's matrices over tokens if it has any, with length 1.
//
// Owns: the weights. Threads: immutable after loading; embed() is const and safe from any thread
// with one Scratch per thread. Errors: as Encoder.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "embed/encoder.h"
#include "embed/kernels.h"
#include "embed/model_config.h"

namespace headrace::embed {

struct RaggedRow {
  std::vector<uint32_t> ids;  // sparse: words, ascending; tokens: each token's id
  std::vector<float> values;  // sparse: their weights; tokens: [ids, dimension]
};

class RaggedEncoder {
 public:
  // `output`: sparse or tokens, whatever the model's own files say it makes. Without a head for
  // words (sparse) the model is refused.
  static Result<std::unique_ptr<const RaggedEncoder>> load(const ModelFiles& files,
                                                           const Kernels& kernels,
                                                           ModelOutput output,
                                                           Precision precision = Precision::fp32);
  virtual ~RaggedEncoder() = default;

  // `dimension`: the vocabulary's size, or that of a token's vector.
  virtual const EncoderInfo& info() const = 0;
  // Tokens whose vectors are to be left out; embed() gives all.
  virtual const SkippedTokens& skipped() const = 0;
  virtual Encoder::ScratchPtr new_scratch() const = 0;
  virtual Status embed(std::span<const std::span<const int32_t>> sequences,
                       std::span<RaggedRow> rows, Encoder::Scratch& scratch,
                       const std::function<void()>& between = {}) const = 0;
};

}  // namespace headrace::embed
