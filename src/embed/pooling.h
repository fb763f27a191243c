// Pooling: from one row a token to one row a text.
//
// Threads: pure. Errors: none.
#pragma once

#include <cstddef>
#include <span>

#include "embed/model_config.h"

namespace headrace::embed {

struct TokenRows {
  const float* rows = nullptr;
  size_t stride = 0;
  size_t count = 0;    // at least one
  size_t skipped = 0;  // at the beginning, without a say: "cls" is then the first after them
};

// Pools the first out.size() columns of the rows. Where all are skipped: zeros, but "cls" takes the
// first. As sentence-transformers 6.
void pool(Pooling pooling, const TokenRows& tokens, std::span<float> out);
// Divides by the Euclidean norm; a zero vector stays zero.
void normalize(std::span<float> vector);

}  // namespace headrace::embed
