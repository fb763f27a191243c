// TransformerWeights: what a transformer holds, read from model.safetensors and packed once.
//
// The seam for architectures lies here: a family is a row of tensor names (names_of) plus what its
// embeddings need; the loop over layers (transformer.cpp) exists once.
//
// Owns: the weights. Threads: immutable after loading. Errors: damaged and unsupported, naming file
// and tensor.
#pragma once

#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "embed/kernels.h"
#include "embed/layers.h"
#include "embed/model_config.h"
#include "embed/model_store.h"
#include "embed/precision.h"

namespace headrace::embed {

struct Layer {
  Linear projection;  // query, key, value side by side
  Linear attention_output;
  LayerNorm attention_norm;
  Linear up;
  Linear down;
  LayerNorm output_norm;
};

struct TransformerWeights {
  AlignedBuffer<Half> words;
  std::vector<float> places;         // position (plus token type 0), positions x hidden
  std::vector<float> relative_bias;  // heads x (2 * tokens_max - 1), empty without
  LayerNorm embedding_norm;
  std::vector<Layer> layers;
  Hash128 digest;  // of everything read
};

Result<TransformerWeights> load_weights(const ModelFiles& files, const ModelConfig& config,
                                        const Kernels& kernels, Precision precision);

}  // namespace headrace::embed
