// The basis of an epoch: orthonormal directions by falling variance of residuals.
//
// Owns: nothing. Threads: uses the pool given. Errors: none.
#pragma once

#include <span>

#include "index/vector_epoch.h"
#include "runtime/thread_pool.h"

namespace headrace::index {

// Sets the basis and the spread. `residuals`: rows of padded_length(dimension); the epoch's
// dimension and basis_size are set.
void find_basis(VectorEpoch& epoch, std::span<const float> residuals, ThreadPool& pool);

}  // namespace headrace::index
