// Matryoshka: models whose vectors mean the same, less exactly, when they are cut after some
// dimensions. Cut vectors have length 1.
//
// Threads: a VectorModel. Errors: invalid_argument for more dimensions than the model has; those of
// the model below.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "plan/vector_model.h"

namespace headrace {

// `model`, with its vectors cut after `dimensions` and brought to length 1. 0, or as many as it
// has: `model` itself.
Result<std::shared_ptr<const VectorModel>> with_dimensions(std::shared_ptr<const VectorModel> model,
                                                           uint32_t dimensions);

}  // namespace headrace
