// Kernels without any instruction set beyond the platform's own: the reference that the others are
// tested against, and what runs where they cannot.
#include "embed/kernel_body.h"
#include "embed/kernels.h"

namespace headrace::embed {
namespace {

// Four floats; the compiler maps them to whatever the platform has (SSE2, NEON, plain registers).
struct Vector {
  typedef float Reg __attribute__((vector_size(16)));
  static constexpr size_t kWidth = 4;
  static constexpr int kRows = 4;
  static constexpr int kVectors = 2;
  static constexpr bool kFastWords = false;

  static HR_INLINE Reg zero() { return Reg{}; }
  static HR_INLINE Reg set(float x) { return Reg{x, x, x, x}; }
  static HR_INLINE Reg broadcast(const float* p) { return set(*p); }
  static HR_INLINE Reg load(const float* p) {
    Reg x;
    __builtin_memcpy(&x, p, sizeof(x));
    return x;
  }
  static HR_INLINE void store(float* p, Reg x) { __builtin_memcpy(p, &x, sizeof(x)); }
  static HR_INLINE Reg load_b(const float* p) { return load(p); }
  static HR_INLINE Reg load_b(const Half* p) {
    return Reg{from_half(p[0]), from_half(p[1]), from_half(p[2]), from_half(p[3])};
  }
  static HR_INLINE Reg load_b(const Bfloat* p) {
    return Reg{from_bfloat(p[0]), from_bfloat(p[1]), from_bfloat(p[2]), from_bfloat(p[3])};
  }
  typedef int32_t Int __attribute__((vector_size(16)));
  static HR_INLINE Int int_zero() { return Int{}; }
  static HR_INLINE Reg to_float(Int x) { return __builtin_convertvector(x, Reg); }
  static HR_INLINE const uint8_t* four_bytes(const uint8_t* p) { return p; }
  static HR_INLINE Int dot(Int sum, const uint8_t* first, const int8_t* b, const uint8_t* second,
                           const int8_t* next) {
    for (int column = 0; column < 4; ++column)
      for (int k = 0; k < 4; ++k)
        sum[column] += first[k] * b[4 * column + k] + second[k] * next[4 * column + k];
    return sum;
  }
  static HR_INLINE Int dot_four(const uint8_t* four, const int8_t* b) {
    Int sum = int_zero();
    for (int column = 0; column < 4; ++column)
      for (int k = 0; k < 4; ++k) sum[column] += four[k] * b[4 * column + k];
    return sum;
  }
  using Pair = const int16_t*;
  using Words = const int16_t*;
  static HR_INLINE Pair pair(const int16_t* p) { return p; }
  static HR_INLINE Words load_words(const int16_t* p) { return p; }
  static HR_INLINE Int dot_words(Int sum, Pair pair, Words column) {
    for (int i = 0; i < 4; ++i) sum[i] += pair[0] * column[2 * i] + pair[1] * column[2 * i + 1];
    return sum;
  }
  static HR_INLINE void store_words(int16_t* p, Reg x) {
    const Reg whole = round(x);
    for (int i = 0; i < 4; ++i) p[i] = static_cast<int16_t>(whole[i]);
  }
  static HR_INLINE void store_bytes(uint8_t* p, Reg x) {
    const Reg whole = round(x);
    for (int i = 0; i < 4; ++i)
      p[i] = whole[i] > 0 ? static_cast<uint8_t>(whole[i] < 127 ? whole[i] : 127) : 0;
  }
  static HR_INLINE void store_half(Half* p, Reg x) {
    for (int i = 0; i < 4; ++i) p[i] = to_half(x[i]);
  }
  static HR_INLINE Half narrow(float x) { return to_half(x); }
  static HR_INLINE float widen(Half half) { return from_half(half); }
  static HR_INLINE Reg fma(Reg a, Reg b, Reg c) { return a * b + c; }
  static HR_INLINE Reg add(Reg a, Reg b) { return a + b; }
  static HR_INLINE Reg sub(Reg a, Reg b) { return a - b; }
  static HR_INLINE Reg mul(Reg a, Reg b) { return a * b; }
  static HR_INLINE Reg div(Reg a, Reg b) { return a / b; }
  static HR_INLINE Reg max(Reg a, Reg b) { return a > b ? a : b; }
  static HR_INLINE Reg min(Reg a, Reg b) { return a < b ? a : b; }
  // Adding and taking away 1.5 * 2^23 leaves the nearest integer (|x| < 2^22 here).
  static HR_INLINE Reg round(Reg x) {
    const Reg shift = set(12582912.0f);
    return (x + shift) - shift;
  }
  static HR_INLINE Reg scale_by_power(Reg x, Reg n) {
    Reg y;
    for (int i = 0; i < 4; ++i) {
      const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n[i]) + 127) << 23;
      y[i] = x[i] * __builtin_bit_cast(float, bits);
    }
    return y;
  }
  static HR_INLINE Reg scale_by_low_bits(Reg x, Reg shifted) {
    return scale_by_power(x, shifted - set(12582912.0f));
  }
  static constexpr size_t kTransposed = 4;
  static HR_INLINE void transpose(const float* from, size_t from_stride, float* to,
                                  size_t to_stride) {
    for (size_t i = 0; i < 4; ++i)
      for (size_t j = 0; j < 4; ++j) to[j * to_stride + i] = from[i * from_stride + j];
  }
  static HR_INLINE unsigned equal(Reg a, Reg b) {
    unsigned mask = 0;
    for (int i = 0; i < 4; ++i) mask |= (a[i] == b[i] ? 1U : 0U) << i;
    return mask;
  }
  static HR_INLINE float reduce_add(Reg x) { return (x[0] + x[2]) + (x[1] + x[3]); }
  static HR_INLINE float reduce_max(Reg x) {
    const float a = x[0] > x[1] ? x[0] : x[1];
    const float b = x[2] > x[3] ? x[2] : x[3];
    return a > b ? a : b;
  }
};

constexpr Kernels kTable = KernelBody<Vector>::table("scalar");

}  // namespace

const Kernels* scalar_kernels() {
  return &kTable;
}

}  // namespace headrace::embed
