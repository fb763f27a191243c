// ModelConfig: what a model's own JSON files say, checked against what we can run exactly.
//
// Reads config.json (architecture and sizes: parse_config) and what follows the last layer
// (model_modules.h). Anything that would change the vectors and that we do not implement is refused
// by name; what only matters in training is ignored.
//
// A family is told apart here and in tensor_names.h only: what the layers compute is data below
// (where norms stand, which activation, gated or not, which positions, which layers see how far).
//
// Owns: its strings. Threads: a value. Errors: damaged (not JSON, missing or absurd sizes) and
// unsupported (an architecture or a setting), each naming file and setting.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "embed/kernels.h"

namespace headrace::embed {

// Where tensors lie and what their settings are called.
enum class Family : uint8_t { bert, roberta, distilbert, mpnet, nomic, modernbert, gte };
std::string_view family_name(Family family);

enum class Pooling : uint8_t { mean, cls, max, mean_sqrt_length, weighted_mean, last };

// Of vectors that stand for a whole text, which are few: plain functions, no kernels.
enum class Squash : uint8_t { none, tanh, relu, gelu, sigmoid, silu };

// Rotary positions: pair i of a head's dimensions turns by place * base^(-2i / dimensions) /
// divisor.
struct RotaryConfig {
  float base = 0;  // 0: the model has none
  float divisor = 1;
};

// A matrix after pooling, or after the tokens (a folder of its own with a model.safetensors).
struct DenseConfig {
  std::string folder;  // relative to the model's
  uint32_t inputs = 0;
  uint32_t outputs = 0;
  bool bias = true;
  Squash squash = Squash::tanh;
};

// Tokens whose vectors are left out of what a model of token vectors makes (ColBERT: punctuation).
struct SkippedTokens {
  std::vector<std::string> tokens;
  bool in_queries = false;
  bool in_passages = false;  // and in texts of which nobody says what they are
};

// What the tokens' last rows become when the model is asked for its own kind of vectors.
enum class ModelOutput : uint8_t {
  dense,   // one vector a text
  sparse,  // weights of words of the vocabulary (SPLADE)
  tokens,  // one vector a token (ColBERT)
  score,   // nothing that the files name: a reranker's, or the transformer alone
};

struct ModelConfig {
  Family family = Family::bert;
  uint32_t hidden = 0;
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t intermediate = 0;
  uint32_t vocabulary = 0;
  uint32_t positions = 0;         // rows of the position table; with rotary ones: the most tokens
  uint32_t position_offset = 0;   // the first token's row (RoBERTa counts from padding id + 1)
  uint32_t token_types = 0;       // 0: the family has none
  uint32_t relative_buckets = 0;  // MPNet
  float epsilon = 0;
  Activation activation = Activation::gelu;

  bool pre_norm = false;  // norms stand before the parts of a layer, and one after the last layer
  bool gated = false;     // feed-forward: activation(gate) * up
  bool norm_bias = true;
  bool attention_bias = true;
  bool up_bias = true;
  bool down_bias = true;
  uint32_t rotary_dimensions = 0;  // of each head
  RotaryConfig rotary;             // base 0: a position table
  RotaryConfig local_rotary;       // of local layers
  uint32_t reach = 0;              // local layers see so many tokens to each side
  std::vector<uint8_t> local;      // for each layer: 1 where it sees `reach` only; empty: none

  Activation score_activation = Activation::gelu;  // of ModernBERT's score head
  bool score_bias = true;                          // …
  bool score_of_mean = false;                      // …, else of the first token
  Squash score_squash = Squash::sigmoid;           // a reranker's scores

  ModelOutput output = ModelOutput::dense;
  Pooling pooling = Pooling::mean;
  std::vector<Pooling> joined;     // what these give is joined to what `pooling` gives
  bool pools_prompt = true;        // else a prompt's tokens are read, and have no say
  std::vector<DenseConfig> dense;  // in turn
  bool normalize = false;
  uint32_t cut_dimension = 0;  // vectors are cut to so many at last, as they are; 0: whole
  uint32_t words_max = 0;      // sparse: so many words are kept, the weightiest; 0: all
  SkippedTokens skipped;       // tokens
  uint32_t tokens_max = 0;
  std::string query_prompt;
  std::string passage_prompt;
  std::string plain_prompt;  // where it is not said which of them a text is
  bool lower_cases = false;  // texts, before they reach the tokenizer

  // Of what the model's own kind of output is (sparse: the vocabulary's size).
  uint32_t dimension() const { return dense.empty() ? pooled() : dense.back().outputs; }
  uint32_t pooled() const { return hidden * (1 + static_cast<uint32_t>(joined.size())); }
  bool is_local(uint32_t layer) const { return layer < local.size() && local[layer] != 0; }
};

Result<ModelConfig> read_model_config(const std::string& directory);

// "model_type" as config.json has it, also where we cannot run it; empty when there is none.
std::string read_model_type(const std::string& directory);

// config.json alone, for tests: JSON text in, `file` for messages.
Status parse_config(std::string_view json, std::string_view file, ModelConfig& config);

}  // namespace headrace::embed
