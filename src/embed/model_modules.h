// What follows a transformer's last layer, by the files that sentence-transformers writes:
// modules.json with a folder for each module (pooling, dense), sentence_bert_config.json and
// tokenizer_config.json (the longest input), config_sentence_transformers.json (prompts).
//
// Threads: pure but for reading. Errors: as model_config.h.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "embed/model_config.h"

namespace headrace::embed {

// Fills what config.json does not say. `config` holds what config.json says.
Status read_modules(const std::string& directory, ModelConfig& config);

// torch's name of an activation, such as "torch.nn.modules.activation.Tanh".
Result<Squash> parse_squash(std::string_view name, std::string_view key, std::string_view file);

// 1_Pooling/config.json alone: JSON text in, `file` for messages.
Status parse_pooling(std::string_view json, std::string_view file, ModelConfig& config);

}  // namespace headrace::embed
