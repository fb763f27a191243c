// Matryoshka: models whose vectors mean the same, less exactly, when they are cut after some
// dimensions. Cut vectors have length 1; but those that a model's own files cut ("truncate_dim")
// are left as they are, as sentence-transformers leaves them.
//
// Threads: a VectorModel. Errors: invalid_argument for more dimensions than the model has; those of
// the model below.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "plan/vector_model.h"

namespace headrace {

// `model`, with its vectors cut after `dimensions` and brought to length 1. As many as it has:
// `model` itself. 0: as its own files say, but whole where `space_dimension` (of vectors that are
// there already; 0: none) says that those are.
Result<std::shared_ptr<const VectorModel>> with_dimensions(std::shared_ptr<const VectorModel> model,
                                                           uint32_t dimensions,
                                                           uint32_t space_dimension = 0);

}  // namespace headrace
