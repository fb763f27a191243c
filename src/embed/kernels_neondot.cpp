// Kernels for ARM64 with dot products of bytes (ARMv8.2 and later). See kernel_body.h for the
// rules.
#include "embed/kernels.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include "embed/kernel_neon.h"

namespace headrace::embed {
namespace {

constexpr Kernels kTable = KernelBody<Vector>::table("neondot");

}  // namespace

const Kernels* neondot_kernels() {
  return &kTable;
}

}  // namespace headrace::embed

#else

namespace headrace::embed {
const Kernels* neondot_kernels() {
  return nullptr;
}
}  // namespace headrace::embed

#endif
