// The vector of the AVX-512 kernels, with or without VNNI: what the compiler was told decides.
// Included like kernel_body.h.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the deliberately undefined merge operands inside its own header for our mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "embed/kernel_body.h"
#include "embed/kernel_x86.h"

namespace headrace::embed {
namespace {

struct Vector {
  using Reg = __m512;
  static constexpr size_t kWidth = 16;
  static constexpr int kRows = 12;  // 24 sums, 2 columns, 1 value: 27 of 32 registers
  static constexpr int kVectors = 2;
  static constexpr bool kFastWords = true;

  static HR_INLINE Reg zero() { return _mm512_setzero_ps(); }
  static HR_INLINE Reg set(float x) { return _mm512_set1_ps(x); }
  static HR_INLINE Reg broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static HR_INLINE Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static HR_INLINE void store(float* p, Reg x) { _mm512_storeu_ps(p, x); }
  static HR_INLINE Reg load_b(const float* p) { return _mm512_loadu_ps(p); }
  static HR_INLINE Reg load_b(const Half* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static HR_INLINE Reg load_b(const Bfloat* p) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  using Int = __m512i;
  static HR_INLINE Int int_zero() { return _mm512_setzero_si512(); }
  static HR_INLINE Reg to_float(Int x) { return _mm512_cvtepi32_ps(x); }
  // Four bytes, for every column.
  static HR_INLINE Int four_bytes(const uint8_t* p) {
    int bytes;
    __builtin_memcpy(&bytes, p, sizeof(bytes));
    return _mm512_set1_epi32(bytes);
  }
  static HR_INLINE Int dot(Int sum, Int first, const int8_t* b, Int second, const int8_t* next) {
#if defined(__AVX512VNNI__)
    sum = _mm512_dpbusd_epi32(sum, first, _mm512_loadu_si512(b));
    return _mm512_dpbusd_epi32(sum, second, _mm512_loadu_si512(next));
#else
    const Int one = _mm512_maddubs_epi16(first, _mm512_loadu_si512(b));
    const Int two = _mm512_maddubs_epi16(second, _mm512_loadu_si512(next));
    return _mm512_add_epi32(sum,
                            _mm512_madd_epi16(_mm512_add_epi16(one, two), _mm512_set1_epi16(1)));
#endif
  }
  // The sums of the products of four.
  static HR_INLINE Int dot_four(Int four, const int8_t* b) {
#if defined(__AVX512VNNI__)
    return _mm512_dpbusd_epi32(int_zero(), four, _mm512_loadu_si512(b));
#else
    return _mm512_madd_epi16(_mm512_maddubs_epi16(four, _mm512_loadu_si512(b)),
                             _mm512_set1_epi16(1));
#endif
  }
  using Pair = __m512i;
  using Words = __m512i;
  // Two numbers, for every column.
  static HR_INLINE Pair pair(const int16_t* p) {
    int both;
    __builtin_memcpy(&both, p, sizeof(both));
    return _mm512_set1_epi32(both);
  }
  static HR_INLINE Words load_words(const int16_t* p) { return _mm512_loadu_si512(p); }
  static HR_INLINE Int dot_words(Int sum, Pair pair, Words column) {
#if defined(__AVX512VNNI__)
    return _mm512_dpwssd_epi32(sum, pair, column);
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pair, column));
#endif
  }
  static HR_INLINE void store_words(int16_t* p, Reg x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(x)));
  }
  // kWidth floats of 0 … 127, rounded to bytes.
  static HR_INLINE void store_bytes(uint8_t* p, Reg x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(x)));
  }
  static HR_INLINE void store_half(Half* p, Reg x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
  }
  static HR_INLINE Half narrow(float x) { return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT); }
  static HR_INLINE float widen(Half half) { return _cvtsh_ss(half); }
  static HR_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static HR_INLINE Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static HR_INLINE Reg sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static HR_INLINE Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static HR_INLINE Reg div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  static HR_INLINE Reg max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  static HR_INLINE Reg min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
  static HR_INLINE Reg round(Reg x) {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static HR_INLINE Reg scale_by_power(Reg x, Reg n) { return _mm512_scalef_ps(x, n); }
  // x * 2^n, n in the low bits of `shifted` (see exp2_nonpositive).
  static HR_INLINE Reg scale_by_low_bits(Reg x, Reg shifted) {
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), n));
  }
  static constexpr size_t kTransposed = 8;
  static HR_INLINE void transpose(const float* from, size_t from_stride, float* to,
                                  size_t to_stride) {
    transpose_8x8(from, from_stride, to, to_stride);
  }
  // A bit for each place.
  static HR_INLINE unsigned equal(Reg a, Reg b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static HR_INLINE float reduce_add(Reg x) { return _mm512_reduce_add_ps(x); }
  static HR_INLINE float reduce_max(Reg x) { return _mm512_reduce_max_ps(x); }
};

}  // namespace
}  // namespace headrace::embed
