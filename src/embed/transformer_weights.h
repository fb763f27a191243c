// TransformerWeights: what a transformer holds, read from model.safetensors and packed once.
//
// The seam for architectures lies here: a layer is described by data (which norms and where, gated
// or not, which rotary positions, how far it sees), so that the loop over layers (transformer.cpp)
// exists once.
//
// Owns: the weights. Threads: immutable after loading. Errors: damaged and unsupported, naming file
// and tensor.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "embed/kernels.h"
#include "embed/layers.h"
#include "embed/model_config.h"
#include "embed/model_store.h"
#include "embed/precision.h"
#include "embed/rotary.h"
#include "embed/safetensors.h"
#include "embed/tensor_names.h"
#include "embed/word_table.h"

namespace headrace::embed {

struct Layer {
  Linear projection;  // query, key, value side by side
  Linear attention_output;
  std::optional<LayerNorm> attention_norm;  // before or after the attention, as the config says
  Linear up;
  std::optional<Linear> gate;  // activation(gate) * up instead of activation(up)
  Linear down;
  std::optional<LayerNorm> output_norm;  // before or after the feed-forward part
  bool local = false;  // sees the config's `reach` only, and has the local rotary positions
};

struct TransformerWeights {
  WordTable words;
  // What is added to a word: position (plus token type 0), positions x hidden; with rotary
  // positions one row for all.
  std::vector<float> places;
  std::vector<float> second_type;    // token type 1 less token type 0; empty without
  std::vector<float> relative_bias;  // heads x (2 * tokens_max - 1), empty without
  std::array<Rotary, 2> rotary;      // of the layers that see all, and of the local ones
  LayerNorm embedding_norm;
  std::vector<Layer> layers;
  std::optional<LayerNorm> final_norm;
  Hash128 digest;  // of everything read
};

// The reader of a model's tensors, whose names may all stand behind the family's prefix.
WeightReader reader_of(const SafeTensors& file, const ModelConfig& config, const Kernels& kernels,
                       Precision precision);
Result<TransformerWeights> load_weights(WeightReader& reader, const ModelConfig& config);
// Whether the files hold the table of words that the config asks for: tells those of another model
// without reading them.
Status check_words(const SafeTensors& file, const ModelConfig& config);

}  // namespace headrace::embed
