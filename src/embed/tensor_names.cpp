#include "embed/tensor_names.h"

namespace headrace::embed {
namespace {

constexpr TensorNames kBert = {
    .prefix = "bert.",
    .query = "attention.self.query",
    .key = "attention.self.key",
    .value = "attention.self.value",
    .attention_output = "attention.output.dense",
    .attention_norm = "attention.output.LayerNorm",
    .up = "intermediate.dense",
    .down = "output.dense",
    .output_norm = "output.LayerNorm",
};

constexpr TensorNames kDistilbert = {
    .prefix = "distilbert.",
    .layer = "transformer.layer.{}.",
    .query = "attention.q_lin",
    .key = "attention.k_lin",
    .value = "attention.v_lin",
    .attention_output = "attention.out_lin",
    .attention_norm = "sa_layer_norm",
    .up = "ffn.lin1",
    .down = "ffn.lin2",
    .output_norm = "output_layer_norm",
};

constexpr TensorNames kNomic = {
    .prefix = "bert.",
    .other_prefix = "nomic_bert.",
    .embedding_norm = "emb_ln",
    .layer = "encoder.layers.{}.",
    .projection = "attn.Wqkv",
    .attention_output = "attn.out_proj",
    .attention_norm = "norm1",
    .up = "mlp.fc11",
    .gate = "mlp.fc12",
    .down = "mlp.fc2",
    .output_norm = "norm2",
};

constexpr TensorNames kModernbert = {
    .prefix = "model.",
    .words = "embeddings.tok_embeddings.weight",
    .embedding_norm = "embeddings.norm",
    .layer = "layers.{}.",
    .projection = "attn.Wqkv",
    .attention_output = "attn.Wo",
    .attention_norm = "attn_norm",
    .first_norm = false,
    .up_gate = "mlp.Wi",
    .gate_first = true,
    .down = "mlp.Wo",
    .output_norm = "mlp_norm",
    .final_norm = "final_norm",
};

constexpr TensorNames kGte = {
    .prefix = "new.",
    .other_prefix = "gte.",
    .projection = "attention.qkv_proj",
    .attention_output = "attention.o_proj",
    .attention_norm = "attn_ln",
    .up_gate = "mlp.up_gate_proj",
    .down = "mlp.down_proj",
    .output_norm = "mlp_ln",
};

}  // namespace

TensorNames tensor_names(Family family) {
  TensorNames names = kBert;
  switch (family) {
    case Family::bert:
      break;
    case Family::roberta:
      names.prefix = "roberta.";
      break;
    case Family::distilbert:
      return kDistilbert;
    case Family::mpnet:
      names.prefix = "mpnet.";
      names.query = "attention.attn.q";
      names.key = "attention.attn.k";
      names.value = "attention.attn.v";
      names.attention_output = "attention.attn.o";
      names.attention_norm = "attention.LayerNorm";
      break;
    case Family::nomic:
      return kNomic;
    case Family::modernbert:
      return kModernbert;
    case Family::gte:
      return kGte;
  }
  return names;
}

ScoreNames score_names(Family family) {
  switch (family) {
    case Family::roberta:
    case Family::mpnet:
      return {.dense = "classifier.dense", .output = "classifier.out_proj"};
    case Family::distilbert:
      return {.dense = "pre_classifier", .squash = Squash::relu};
    case Family::modernbert:
      return {.dense = "head.dense", .squash = Squash::gelu, .norm = "head.norm"};
    default:
      return {.dense = "pooler.dense", .dense_prefixed = true};
  }
}

WordNames word_names(Family family) {
  switch (family) {
    case Family::roberta:
    case Family::mpnet:
      return {.dense = "lm_head.dense",
              .norm = "lm_head.layer_norm",
              .decoder = "lm_head.decoder.weight",
              .bias = "lm_head.bias",
              .other_bias = "lm_head.decoder.bias"};
    case Family::distilbert:
      return {.dense = "vocab_transform",
              .norm = "vocab_layer_norm",
              .decoder = "vocab_projector.weight",
              .bias = "vocab_projector.bias"};
    case Family::modernbert:
      return {.dense = "head.dense",
              .norm = "head.norm",
              .decoder = "decoder.weight",
              .bias = "decoder.bias"};
    case Family::gte:
      return {.dense = "lm_head.dense",
              .norm = "lm_head.norm",
              .decoder = "lm_head.decoder.weight",
              .bias = "lm_head.decoder.bias"};
    case Family::nomic:
      return {.dense = "cls.predictions.transform.dense",
              .norm = "cls.predictions.transform.layer_norm",
              .decoder = "cls.predictions.decoder.weight",
              .bias = "cls.predictions.decoder.bias",
              .other_bias = "cls.predictions.bias"};
    default:
      return {.dense = "cls.predictions.transform.dense",
              .norm = "cls.predictions.transform.LayerNorm",
              .decoder = "cls.predictions.decoder.weight",
              .bias = "cls.predictions.bias",
              .other_bias = "cls.predictions.decoder.bias"};
  }
}

}  // namespace headrace::embed
