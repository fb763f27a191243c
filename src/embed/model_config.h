// ModelConfig: what a model's own JSON files say, checked against what we can run exactly.
//
// Reads config.json (architecture and sizes), modules.json with 1_Pooling/config.json (what happens
// after the last layer), sentence_bert_config.json and tokenizer_config.json (the longest input)
// and config_sentence_transformers.json (prompts). Anything that would change the vectors and that
// we do not implement is refused by name; what only matters in training is ignored.
//
// Owns: its strings. Threads: a value. Errors: damaged (not JSON, missing or absurd sizes) and
// unsupported (an architecture or a setting), each naming file and setting.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "embed/kernels.h"

namespace headrace::embed {

// Families that share the layers of BERT and differ in names and embeddings.
enum class Family : uint8_t { bert, roberta, distilbert, mpnet };
std::string_view family_name(Family family);

enum class Pooling : uint8_t { mean, cls, max, mean_sqrt_length, weighted_mean, last };

struct ModelConfig {
  Family family = Family::bert;
  uint32_t hidden = 0;
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t intermediate = 0;
  uint32_t vocabulary = 0;
  uint32_t positions = 0;         // rows of the position table
  uint32_t position_offset = 0;   // the first token's row (RoBERTa counts from padding id + 1)
  uint32_t token_types = 0;       // 0: the family has none
  uint32_t relative_buckets = 0;  // MPNet
  float epsilon = 0;
  Activation activation = Activation::gelu;

  Pooling pooling = Pooling::mean;
  bool normalize = false;
  uint32_t tokens_max = 0;
  std::string query_prompt;
  std::string passage_prompt;
};

Result<ModelConfig> read_model_config(const std::string& directory);

// "model_type" as config.json has it, also where we cannot run it; empty when there is none.
std::string read_model_type(const std::string& directory);

// The parts, for tests and for listing models: JSON text in, `file` for messages.
Status parse_config(std::string_view json, std::string_view file, ModelConfig& config);
Status parse_pooling(std::string_view json, std::string_view file, ModelConfig& config);

// A small file, whole. Errors: not_found, too_large beyond 16 MiB.
Result<std::string> read_small_file(const std::string& path);

}  // namespace headrace::embed
