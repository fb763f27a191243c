// TensorNames: where each family keeps its tensors in model.safetensors.
//
// Threads: pure. Errors: none.
#pragma once

#include "embed/model_config.h"

namespace headrace::embed {

// "{}" in `layer` stands for the layer's number; what is null the family does not have, or has in
// another tensor.
struct TensorNames {
  const char* prefix = "";  // may stand before every name, or be absent
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

}  // namespace headrace::embed
