// TestFamily: what the tests know of a family, written down once more and independently of the
// engine: names of tensors, which biases there are, where the norms stand. Only tests include this.
//
// Threads: pure. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "embed/model_config.h"

namespace headrace::embed {

struct TestFamily {
  std::string words = "embeddings.word_embeddings.weight";
  std::string embedding_norm = "embeddings.LayerNorm";
  std::string layer = "encoder.layer.{}.";
  std::vector<std::string> projection;  // query, key and value, or one for all three
  std::string attention_output;
  std::string attention_norm;
  bool first_norm = true;       // in layer 0 too
  std::vector<std::string> up;  // one; up and gate; or one for both
  bool gated = false;
  bool gate_first = false;  // in the one for both
  std::string down;
  std::string output_norm;
  std::string final_norm;
  uint32_t types = 0;
  bool position_table = true;
  bool attention_bias = true;
  bool up_bias = true;
  bool down_bias = true;
  bool norm_bias = true;
  bool pre_norm = false;
  bool silu = false;  // else gelu
};

TestFamily test_family(Family family);

}  // namespace headrace::embed
