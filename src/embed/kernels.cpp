#include "embed/kernels.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace headrace::embed {
namespace {

bool cpu_runs_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
#else
  return false;
#endif
}

bool cpu_runs_avx512() {
#if defined(__x86_64__)
  return cpu_runs_avx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

bool cpu_runs_avx512vnni() {
#if defined(__x86_64__)
  return cpu_runs_avx512() && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

// The system must let this process have tiles: it is asked once.
bool cpu_runs_avx512amx() {
#if defined(__x86_64__) && defined(__linux__)
  static const bool runs = [] {
    constexpr unsigned kTiles = 1U << 24;
    constexpr unsigned kTilesInt8 = 1U << 25;
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (!cpu_runs_avx512vnni() || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
    if ((d & kTiles) == 0 || (d & kTilesInt8) == 0) return false;
    constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
    constexpr long kTileData = 18;
    return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return runs;
#else
  return false;
#endif
}

bool cpu_runs_neondot() {
#if defined(__aarch64__) && defined(__linux__)
  return (::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return false;
#endif
}

const Kernels& choose() {
  if (const char* wanted = std::getenv("HEADRACE_KERNEL"); wanted != nullptr) {
    if (const Kernels* found = find_kernels(wanted)) return *found;
  }
  for (const char* name : {"avx512amx", "avx512vnni", "avx512", "avx2", "neondot", "neon"}) {
    if (const Kernels* found = find_kernels(name)) return *found;
  }
  return *scalar_kernels();
}

}  // namespace

const Kernels* find_kernels(const char* name) {
  if (std::strcmp(name, "avx512amx") == 0)
    return cpu_runs_avx512amx() ? avx512amx_kernels() : nullptr;
  if (std::strcmp(name, "avx512vnni") == 0)
    return cpu_runs_avx512vnni() ? avx512vnni_kernels() : nullptr;
  if (std::strcmp(name, "avx512") == 0) return cpu_runs_avx512() ? avx512_kernels() : nullptr;
  if (std::strcmp(name, "avx2") == 0) return cpu_runs_avx2() ? avx2_kernels() : nullptr;
  if (std::strcmp(name, "neondot") == 0) return cpu_runs_neondot() ? neondot_kernels() : nullptr;
  if (std::strcmp(name, "neon") == 0) return neon_kernels();
  if (std::strcmp(name, "scalar") == 0) return scalar_kernels();
  return nullptr;
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

Half to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<Half>(sign | 0x7e00u);   // NaN
  if (magnitude >= 0x477ff000u) return static_cast<Half>(sign | 0x7c00u);  // rounds to infinity
  if (magnitude < 0x38800000u) {
    // Below 2^-14: the result counts multiples of 2^-24. Adding 0.5 lets the FPU round it there.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<Half>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<Half>(sign | ((rounded - 0x38000000u) >> 13));
}

float from_half(Half half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (magnitude << 13));
  if (magnitude < 0x400u) {
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
}

Bfloat to_bfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<Bfloat>(bits >> 16 | 0x40u);  // NaN
  return static_cast<Bfloat>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float from_bfloat(Bfloat bfloat) {
  return std::bit_cast<float>(static_cast<uint32_t>(bfloat) << 16);
}

}  // namespace headrace::embed
