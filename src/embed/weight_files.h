// WeightFiles: which files of a model's folder hold its weights: model.safetensors, or the parts
// that model.safetensors.index.json lists, as Hugging Face's save_pretrained writes large models.
//
// Owns: nothing. Threads: plain functions. Errors: not_found; damaged where the list is no list,
// leads out of the folder, or names a tensor that its part does not hold.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "embed/safetensors.h"

namespace headrace::embed {

// Names in `directory`, ascending, that are there or should be.
Result<std::vector<std::string>> weight_files(const std::string& directory);

Result<SafeTensors> open_weights(const std::string& directory);

}  // namespace headrace::embed
