// The vector of the ARM kernels, with or without dot products of bytes: what the compiler was told
// decides. Included like kernel_body.h.
#pragma once

#include <arm_neon.h>

#include "embed/kernel_body.h"

namespace headrace::embed {
namespace {

struct Vector {
  using Reg = float32x4_t;
  static constexpr size_t kWidth = 4;
  static constexpr int kRows = 6;  // 24 sums, 4 columns, 1 value: 29 of 32 registers
  static constexpr int kVectors = 4;
  static constexpr bool kFastWords = false;

  static HR_INLINE Reg zero() { return vdupq_n_f32(0); }
  static HR_INLINE Reg set(float x) { return vdupq_n_f32(x); }
  static HR_INLINE Reg broadcast(const float* p) { return vld1q_dup_f32(p); }
  static HR_INLINE Reg load(const float* p) { return vld1q_f32(p); }
  static HR_INLINE void store(float* p, Reg x) { vst1q_f32(p, x); }
  static HR_INLINE Reg load_b(const float* p) { return vld1q_f32(p); }
  static HR_INLINE Reg load_b(const Half* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
  static HR_INLINE Reg load_b(const Bfloat* p) {
    const uint16x4_t halves = vld1_u16(reinterpret_cast<const uint16_t*>(p));
    return vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
  }
  static HR_INLINE void store_half(Half* p, Reg x) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x)));
  }
  static HR_INLINE Half narrow(float x) { return to_half(x); }
  static HR_INLINE float widen(Half half) { return from_half(half); }
  static HR_INLINE Reg fma(Reg a, Reg b, Reg c) { return vfmaq_f32(c, a, b); }
  static HR_INLINE Reg add(Reg a, Reg b) { return vaddq_f32(a, b); }
  static HR_INLINE Reg sub(Reg a, Reg b) { return vsubq_f32(a, b); }
  static HR_INLINE Reg mul(Reg a, Reg b) { return vmulq_f32(a, b); }
  static HR_INLINE Reg div(Reg a, Reg b) { return vdivq_f32(a, b); }
  static HR_INLINE Reg max(Reg a, Reg b) { return vmaxq_f32(a, b); }
  static HR_INLINE Reg min(Reg a, Reg b) { return vminq_f32(a, b); }
  static HR_INLINE Reg round(Reg x) { return vrndnq_f32(x); }
  // x * 2^n for integral n: n is added to the exponent bits.
  static HR_INLINE Reg scale_by_power(Reg x, Reg n) {
    const int32x4_t shifted = vshlq_n_s32(vcvtnq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), shifted));
  }
  // x * 2^n, n in the low bits of `shifted` (see exp2_nonpositive).
  static HR_INLINE Reg scale_by_low_bits(Reg x, Reg shifted) {
    const int32x4_t n = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), n));
  }

  using Int = int32x4_t;
  static HR_INLINE Int int_zero() { return vdupq_n_s32(0); }
  static HR_INLINE Reg to_float(Int x) { return vcvtq_f32_s32(x); }
  // Four bytes of 0 … 127, for every column: they are signed ones, too.
  static HR_INLINE int8x16_t four_bytes(const uint8_t* p) {
    uint32_t bytes;
    __builtin_memcpy(&bytes, p, sizeof(bytes));
    return vreinterpretq_s8_u32(vdupq_n_u32(bytes));
  }
  static HR_INLINE Int dot(Int sum, int8x16_t first, const int8_t* b, int8x16_t second,
                           const int8_t* next) {
    const int8x16_t one = vld1q_s8(b);
    const int8x16_t two = vld1q_s8(next);
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(vdotq_s32(sum, one, first), two, second);
#else
    const int16x8_t low = vmlal_s8(vmull_s8(vget_low_s8(one), vget_low_s8(first)), vget_low_s8(two),
                                   vget_low_s8(second));
    const int16x8_t high = vmlal_high_s8(vmull_high_s8(one, first), two, second);
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
  }
  // The sums of the products of four.
  static HR_INLINE Int dot_four(int8x16_t four, const int8_t* b) {
    const int8x16_t column = vld1q_s8(b);
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(int_zero(), column, four);
#else
    const int16x8_t low = vmull_s8(vget_low_s8(column), vget_low_s8(four));
    return vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(vmull_high_s8(column, four)));
#endif
  }
  using Pair = int16x8_t;
  using Words = int16x8_t;
  // Two numbers, for every column.
  static HR_INLINE Pair pair(const int16_t* p) {
    uint32_t both;
    __builtin_memcpy(&both, p, sizeof(both));
    return vreinterpretq_s16_u32(vdupq_n_u32(both));
  }
  static HR_INLINE Words load_words(const int16_t* p) { return vld1q_s16(p); }
  static HR_INLINE Int dot_words(Int sum, Pair pair, Words column) {
    const int32x4_t low = vmull_s16(vget_low_s16(column), vget_low_s16(pair));
    return vaddq_s32(sum, vpaddq_s32(low, vmull_high_s16(column, pair)));
  }
  static HR_INLINE void store_words(int16_t* p, Reg x) {
    vst1_s16(p, vqmovn_s32(vcvtnq_s32_f32(x)));
  }
  // kWidth floats of 0 … 127, rounded to bytes.
  static HR_INLINE void store_bytes(uint8_t* p, Reg x) {
    const uint16x4_t words = vqmovn_u32(vcvtnq_u32_f32(x));
    const uint32_t bytes =
        vget_lane_u32(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(words, words))), 0);
    __builtin_memcpy(p, &bytes, sizeof(bytes));
  }

  static constexpr size_t kTransposed = 4;
  static HR_INLINE void transpose(const float* from, size_t from_stride, float* to,
                                  size_t to_stride) {
    const float32x4x2_t ab = vtrnq_f32(vld1q_f32(from), vld1q_f32(from + from_stride));
    const float32x4x2_t cd =
        vtrnq_f32(vld1q_f32(from + 2 * from_stride), vld1q_f32(from + 3 * from_stride));
    vst1q_f32(to, vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0])));
    vst1q_f32(to + to_stride, vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1])));
    vst1q_f32(to + 2 * to_stride, vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0])));
    vst1q_f32(to + 3 * to_stride, vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1])));
  }
  // A bit for each place.
  static HR_INLINE unsigned equal(Reg a, Reg b) {
    const uint32x4_t bits = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vceqq_f32(a, b), bits));
  }
  static HR_INLINE float reduce_add(Reg x) { return vaddvq_f32(x); }
  static HR_INLINE float reduce_max(Reg x) { return vmaxvq_f32(x); }
};

}  // namespace
}  // namespace headrace::embed
