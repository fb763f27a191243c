// The scan over the sums of a window of rows, in the instruction set of this CPU.
//
// Owns: nothing. Threads: pure. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace headrace::index {

struct ScoredPlace {
  uint32_t place = 0;
  uint32_t sum = 0;
};

// Writes the places whose sum is above `bar` to `out`, ascending, and sets all sums to 0. `count`
// is a multiple of 32, sums lie at a multiple of 32 bytes, they and bar are below 2^31. Gives how
// many were written (`out` takes `count`).
using CollectAbove = size_t (*)(uint32_t* sums, size_t count, uint32_t bar, ScoredPlace* out);
CollectAbove collect_above();

size_t collect_above_scalar(uint32_t* sums, size_t count, uint32_t bar, ScoredPlace* out);
size_t collect_above_avx2(uint32_t* sums, size_t count, uint32_t bar, ScoredPlace* out);

}  // namespace headrace::index
