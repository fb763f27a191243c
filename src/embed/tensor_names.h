// TensorNames: where each family keeps its tensors in model.safetensors.
//
// Threads: pure. Errors: none.
#pragma once

#include "embed/model_config.h"

namespace headrace::embed {

// "{}" in `layer` stands for the layer's number; what is null the family does not have, or has in
// another tensor.
struct TensorNames {
  // May stand before every name, or be absent; the second is a later program's.
  const char* prefix = "";
  const char* other_prefix = "";
  const char* words = "embeddings.word_embeddings.weight";
  const char* embedding_norm = "embeddings.LayerNorm";
  const char* layer = "encoder.layer.{}.";
  const char* projection = nullptr;  // query, key and value in one
  const char* query = nullptr;
  const char* key = nullptr;
  const char* value = nullptr;
  const char* attention_output = nullptr;
  const char* attention_norm = nullptr;
  bool first_norm = true;  // whether the first layer has an attention_norm
  const char* up = nullptr;
  const char* gate = nullptr;
  const char* up_gate = nullptr;  // both in one
  bool gate_first = false;        // in up_gate
  const char* down = nullptr;
  const char* output_norm = nullptr;
  const char* final_norm = nullptr;
};

TensorNames tensor_names(Family family);

// A head that makes one score of a text, as "…ForSequenceClassification" of the family has it: a
// dense part (with an activation, perhaps a norm), then the matrix with a row for each class.
struct ScoreNames {
  const char* dense = nullptr;
  bool dense_prefixed = false;  // behind the family's prefix
  Squash squash = Squash::tanh;
  const char* norm = nullptr;
  const char* output = "classifier";
};

ScoreNames score_names(Family family);

// A head that foretells words, as "…ForMaskedLM" has it: dense, activation, norm, then the matrix
// with a row for each word, which may be that of the embeddings.
struct WordNames {
  const char* dense = nullptr;
  const char* norm = nullptr;
  const char* decoder = nullptr;  // its weight, where it is not the embeddings'
  const char* bias = nullptr;
  const char* other_bias = nullptr;  // where `bias` is not there
};

WordNames word_names(Family family);

}  // namespace headrace::embed
