// ModelList: the models on this machine, each with why it could not be used: what embed/model_store
// finds, with its tokenizer read too.
//
// Threads: plain functions. Errors: in each model's `problem`.
#pragma once

#include <vector>

#include "embed/model_store.h"

namespace headrace {

std::vector<ModelSummary> list_checked_models();

}  // namespace headrace
