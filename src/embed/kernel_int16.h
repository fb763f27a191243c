// Linear layers in whole numbers of 13 and 16 bits: part of kernel_body.h, and by its rules.
//
// V further offers Pair, Words and the functions pair(), load_words(), dot_words(), store_words().
#pragma once

#include "embed/kernels.h"

namespace headrace::embed {

template <class V, class Body>
struct Int16Body {
  using Reg = typename V::Reg;
  static constexpr size_t kWidth = V::kWidth;
  static constexpr int kVectors = V::kVectors;
  static constexpr size_t kPanel = kWidth * kVectors;

  static void quantise(const QuantiseWordsCall& call) {
    constexpr float kMost = kInt16InputMax;
    const size_t whole = call.depth / kWidth * kWidth;
    const size_t padded = round_up(call.depth, kInt16Step);
    for (size_t r = 0; r < call.rows; ++r) {
      const float* row = call.input + r * call.input_stride;
      int16_t* out = call.output + r * call.output_stride;
      Reg highs = V::zero();
      for (size_t i = 0; i < whole; i += kWidth) {
        const Reg x = V::load(row + i);
        highs = V::max(highs, V::max(x, V::sub(V::zero(), x)));
      }
      float high = V::reduce_max(highs);
      for (size_t i = whole; i < call.depth; ++i) {
        const float size = row[i] < 0 ? -row[i] : row[i];
        high = size > high ? size : high;
      }
      const float inverse = high > 0 ? kMost / high : 0.0f;
      call.steps[r] = high / kMost;
      const Reg inverses = V::set(inverse);
      const Reg least = V::set(-kMost);
      const Reg most = V::set(kMost);
      for (size_t i = 0; i < whole; i += kWidth) {
        const Reg level = V::mul(V::load(row + i), inverses);
        V::store_words(out + i, V::min(V::max(level, least), most));
      }
      for (size_t i = whole; i < call.depth; ++i) {
        const float level = row[i] * inverse;
        const float near = level < 0 ? level - 0.5f : level + 0.5f;
        out[i] = static_cast<int16_t>(near > -kMost ? (near < kMost ? near : kMost) : -kMost);
      }
      for (size_t i = call.depth; i < padded; ++i) out[i] = 0;
    }
  }

  struct Step {
    const int16_t* a;
    size_t a_stride;
    const float* steps;
    const int16_t* b;
    size_t depth;
    const float* weight_steps;
    const float* bias;
    float* c;
    size_t c_stride;
    bool accumulate;
    Activation activation;

    template <int R>
    __attribute__((noinline)) void run() const {
      typename V::Int sum[R][kVectors];
      HR_UNROLL
      for (int r = 0; r < R; ++r) HR_UNROLL
      for (int v = 0; v < kVectors; ++v) sum[r][v] = V::int_zero();
      const int16_t* base[(R + 2) / 3];
      HR_UNROLL
      for (int i = 0; i < (R + 2) / 3; ++i) base[i] = a + 3 * i * a_stride;
      const int16_t* from = b;
      _Pragma("GCC unroll 4") for (size_t k = 0; k < depth; k += 2) {
        typename V::Words column[kVectors];
        HR_UNROLL
        for (int v = 0; v < kVectors; ++v) column[v] = V::load_words(from + v * 2 * kWidth);
        from += 2 * kPanel;
        HR_UNROLL
        for (int r = 0; r < R; ++r) {
          const typename V::Pair pair = V::pair(base[r / 3] + (r % 3) * a_stride + k);
          HR_UNROLL
          for (int v = 0; v < kVectors; ++v) sum[r][v] = V::dot_words(sum[r][v], pair, column[v]);
        }
      }
      HR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const Reg weight_step = V::load(weight_steps + v * kWidth);
        const Reg add = V::load(bias + v * kWidth);
        HR_UNROLL
        for (int r = 0; r < R; ++r) {
          float* at = c + r * c_stride + v * kWidth;
          const Reg value = accumulate ? V::add(V::load(at), add) : add;
          const Reg scaled = V::mul(V::to_float(sum[r][v]), V::set(steps[r]));
          V::store(at, V::fma(scaled, weight_step, value));
        }
      }
      if (activation != Activation::none) Body::template activate_rows<R>(activation, c, c_stride);
    }
  };

  static void linear(const LinearInt16Call& call) {
    if (call.rows == 0) return;
    const typename Body::RowSplit split(call.rows);
    const size_t bytes = call.depth * kPanel * sizeof(int16_t);
    const size_t share = (bytes / split.blocks + 63) / 64 * 64;
    alignas(64) static constexpr float kNoBias[kPanelWidthMax] = {};
    for (size_t column = 0; column < call.columns; column += kPanel) {
      const int16_t* panel = call.panels + column / kPanel * call.panel_stride;
      const char* next = reinterpret_cast<const char*>(panel + call.panel_stride);
      Step step{.a = call.input,
                .a_stride = call.input_stride,
                .steps = call.steps,
                .b = panel,
                .depth = call.depth,
                .weight_steps = call.weight_steps + column,
                .bias = call.bias != nullptr ? call.bias + column : kNoBias,
                .c = call.output + column,
                .c_stride = call.output_stride,
                .accumulate = call.accumulate,
                .activation = call.activation};
      for (size_t block = 0; block < split.blocks; ++block) {
        for (size_t at = block * share; at < (block + 1) * share && at < bytes; at += 64)
          __builtin_prefetch(next + at, 0, 2);
        const size_t rows = split.of(block);
        Body::with_rows(rows, step);
        step.a += rows * step.a_stride;
        step.steps += rows;
        step.c += rows * step.c_stride;
      }
    }
  }
};

}  // namespace headrace::embed
