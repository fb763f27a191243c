// Kernels for ARM64, which always has NEON. See kernel_body.h for the rules.
#include "embed/kernels.h"

#if defined(__aarch64__)
#include "embed/kernel_neon.h"

namespace headrace::embed {
namespace {

constexpr Kernels kTable = KernelBody<Vector>::table("neon");

}  // namespace

const Kernels* neon_kernels() {
  return &kTable;
}

}  // namespace headrace::embed

#else

namespace headrace::embed {
const Kernels* neon_kernels() {
  return nullptr;
}
}  // namespace headrace::embed

#endif
