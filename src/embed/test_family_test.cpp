#include "embed/test_family.h"

namespace headrace::embed {
namespace {

TestFamily bert_family(uint32_t types) {
  return {
      .projection = {"attention.self.query", "attention.self.key", "attention.self.value"},
      .attention_output = "attention.output.dense",
      .attention_norm = "attention.output.LayerNorm",
      .up = {"intermediate.dense"},
      .down = "output.dense",
      .output_norm = "output.LayerNorm",
      .types = types,
  };
}

}  // namespace

TestFamily test_family(Family family) {
  switch (family) {
    case Family::bert:
      return bert_family(2);
    case Family::roberta:
      return bert_family(1);
    case Family::distilbert:
      return {
          .layer = "transformer.layer.{}.",
          .projection = {"attention.q_lin", "attention.k_lin", "attention.v_lin"},
          .attention_output = "attention.out_lin",
          .attention_norm = "sa_layer_norm",
          .up = {"ffn.lin1"},
          .down = "ffn.lin2",
          .output_norm = "output_layer_norm",
      };
    case Family::mpnet:
      return {
          .projection = {"attention.attn.q", "attention.attn.k", "attention.attn.v"},
          .attention_output = "attention.attn.o",
          .attention_norm = "attention.LayerNorm",
          .up = {"intermediate.dense"},
          .down = "output.dense",
          .output_norm = "output.LayerNorm",
      };
    case Family::nomic:
      return {
          .embedding_norm = "emb_ln",
          .layer = "encoder.layers.{}.",
          .projection = {"attn.Wqkv"},
          .attention_output = "attn.out_proj",
          .attention_norm = "norm1",
          .up = {"mlp.fc11", "mlp.fc12"},
          .gated = true,
          .down = "mlp.fc2",
          .output_norm = "norm2",
          .types = 2,
          .position_table = false,
          .attention_bias = false,
          .up_bias = false,
          .down_bias = false,
          .silu = true,
      };
    case Family::modernbert:
      return {
          .words = "embeddings.tok_embeddings.weight",
          .embedding_norm = "embeddings.norm",
          .layer = "layers.{}.",
          .projection = {"attn.Wqkv"},
          .attention_output = "attn.Wo",
          .attention_norm = "attn_norm",
          .first_norm = false,
          .up = {"mlp.Wi"},
          .gated = true,
          .gate_first = true,
          .down = "mlp.Wo",
          .output_norm = "mlp_norm",
          .final_norm = "final_norm",
          .position_table = false,
          .attention_bias = false,
          .up_bias = false,
          .down_bias = false,
          .norm_bias = false,
          .pre_norm = true,
      };
    case Family::gte:
      return {
          .projection = {"attention.qkv_proj"},
          .attention_output = "attention.o_proj",
          .attention_norm = "attn_ln",
          .up = {"mlp.up_gate_proj"},
          .gated = true,
          .down = "mlp.down_proj",
          .output_norm = "mlp_ln",
          .types = 2,
          .position_table = false,
          .up_bias = false,
      };
  }
  return {};
}

}  // namespace headrace::embed
