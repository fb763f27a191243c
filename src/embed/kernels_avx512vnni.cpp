// Kernels for AVX-512 with VNNI. Compiled with those flags: see kernel_body.h for the rules.
#include "embed/kernels.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VNNI__)
#include "embed/kernel_avx512.h"

namespace headrace::embed {
namespace {

constexpr Kernels kTable = KernelBody<Vector>::table("avx512vnni");

}  // namespace

const Kernels* avx512vnni_kernels() {
  return &kTable;
}

}  // namespace headrace::embed

#else

namespace headrace::embed {
const Kernels* avx512vnni_kernels() {
  return nullptr;
}
}  // namespace headrace::embed

#endif
