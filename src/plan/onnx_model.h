// `onnx:FILE` as a VectorModel: the tokenizer beside the file, ONNX Runtime for the arithmetic.
//
// Texts are sorted by length, so that batches hold little padding; batches run beside one another,
// one thread each. Threads: safe from any. Errors: those of loading and of the runtime.
#pragma once

#include <memory>
#include <string>

#include "plan/vector_model.h"

namespace headrace {

Result<std::shared_ptr<const VectorModel>> load_onnx_model(const std::string& file);

}  // namespace headrace
