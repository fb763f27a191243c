// Kernels for AVX2 with FMA and F16C. Compiled with those flags: see kernel_body.h for the rules.
#include "embed/kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

#include "embed/kernel_body.h"
#include "embed/kernel_x86.h"

namespace headrace::embed {
namespace {

struct Vector {
  using Reg = __m256;
  static constexpr size_t kWidth = 8;
  static constexpr int kRows = 6;  // 12 sums, 2 columns, 1 value: 15 of 16 registers
  static constexpr int kVectors = 2;
  static constexpr bool kFastWords = true;

  static HR_INLINE Reg zero() { return _mm256_setzero_ps(); }
  static HR_INLINE Reg set(float x) { return _mm256_set1_ps(x); }
  static HR_INLINE Reg broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static HR_INLINE Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static HR_INLINE void store(float* p, Reg x) { _mm256_storeu_ps(p, x); }
  static HR_INLINE Reg load_b(const float* p) { return _mm256_loadu_ps(p); }
  static HR_INLINE Reg load_b(const Half* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static HR_INLINE Reg load_b(const Bfloat* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  using Int = __m256i;
  static HR_INLINE Int int_zero() { return _mm256_setzero_si256(); }
  static HR_INLINE Reg to_float(Int x) { return _mm256_cvtepi32_ps(x); }
  // Four bytes, for every column.
  static HR_INLINE Int four_bytes(const uint8_t* p) {
    int bytes;
    __builtin_memcpy(&bytes, p, sizeof(bytes));
    return _mm256_set1_epi32(bytes);
  }
  static HR_INLINE Int dot(Int sum, Int first, const int8_t* b, Int second, const int8_t* next) {
    const Int one =
        _mm256_maddubs_epi16(first, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)));
    const Int two =
        _mm256_maddubs_epi16(second, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(next)));
    return _mm256_add_epi32(sum,
                            _mm256_madd_epi16(_mm256_add_epi16(one, two), _mm256_set1_epi16(1)));
  }
  // The sums of the products of four.
  static HR_INLINE Int dot_four(Int four, const int8_t* b) {
    const Int pairs =
        _mm256_maddubs_epi16(four, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }
  using Pair = __m256i;
  using Words = __m256i;
  // Two numbers, for every column.
  static HR_INLINE Pair pair(const int16_t* p) {
    int both;
    __builtin_memcpy(&both, p, sizeof(both));
    return _mm256_set1_epi32(both);
  }
  static HR_INLINE Words load_words(const int16_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static HR_INLINE Int dot_words(Int sum, Pair pair, Words column) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pair, column));
  }
  static HR_INLINE void store_words(int16_t* p, Reg x) {
    const __m256i whole = _mm256_cvtps_epi32(x);
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(p),
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1)));
  }
  // kWidth floats of 0 … 127, rounded to bytes.
  static HR_INLINE void store_bytes(uint8_t* p, Reg x) {
    const __m256i whole = _mm256_cvtps_epi32(x);
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
  }
  static HR_INLINE void store_half(Half* p, Reg x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
  }
  static HR_INLINE Half narrow(float x) { return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT); }
  static HR_INLINE float widen(Half half) { return _cvtsh_ss(half); }
  static HR_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static HR_INLINE Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static HR_INLINE Reg sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static HR_INLINE Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static HR_INLINE Reg div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  static HR_INLINE Reg max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  static HR_INLINE Reg min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
  static HR_INLINE Reg round(Reg x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // x * 2^n for integral n: n is added to the exponent bits.
  static HR_INLINE Reg scale_by_power(Reg x, Reg n) {
    const __m256i shifted = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), shifted));
  }
  // x * 2^n, n in the low bits of `shifted` (see exp2_nonpositive).
  static HR_INLINE Reg scale_by_low_bits(Reg x, Reg shifted) {
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), n));
  }
  static constexpr size_t kTransposed = 8;
  static HR_INLINE void transpose(const float* from, size_t from_stride, float* to,
                                  size_t to_stride) {
    transpose_8x8(from, from_stride, to, to_stride);
  }
  // A bit for each place.
  static HR_INLINE unsigned equal(Reg a, Reg b) {
    return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)));
  }
  static HR_INLINE float reduce_add(Reg x) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
  }
  static HR_INLINE float reduce_max(Reg x) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
  }
};

constexpr Kernels kTable = KernelBody<Vector>::table("avx2");

}  // namespace

const Kernels* avx2_kernels() {
  return &kTable;
}

}  // namespace headrace::embed

#else

namespace headrace::embed {
const Kernels* avx2_kernels() {
  return nullptr;
}
}  // namespace headrace::embed

#endif
