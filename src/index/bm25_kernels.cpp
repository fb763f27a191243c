#include "index/bm25_kernels.h"

namespace headrace::index {

size_t collect_above_scalar(uint32_t* sums, size_t count, uint32_t bar, ScoredPlace* out) {
  size_t found = 0;
  for (size_t i = 0; i < count; ++i) {
    if (sums[i] > bar) out[found++] = {static_cast<uint32_t>(i), sums[i]};
    sums[i] = 0;
  }
  return found;
}

CollectAbove collect_above() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return collect_above_avx2;
#endif
  return collect_above_scalar;
}

}  // namespace headrace::index
