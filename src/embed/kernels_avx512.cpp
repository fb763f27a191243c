// Kernels for AVX-512 (F, BW, VL, DQ). Compiled with those flags: see kernel_body.h for the rules.
#include "embed/kernels.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include "embed/kernel_avx512.h"

namespace headrace::embed {
namespace {

constexpr Kernels kTable = KernelBody<Vector>::table("avx512");

}  // namespace

const Kernels* avx512_kernels() {
  return &kTable;
}

}  // namespace headrace::embed

#else

namespace headrace::embed {
const Kernels* avx512_kernels() {
  return nullptr;
}
}  // namespace headrace::embed

#endif
