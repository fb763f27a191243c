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

}  // namespace headrace::embed
