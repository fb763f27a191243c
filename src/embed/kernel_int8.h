// Linear layers in whole numbers of 7 bits: part of kernel_body.h, and by its rules.
//
// V further offers Int and the functions four_bytes(), dot(), dot_four(), to_float(),
// store_bytes(), equal().
#pragma once

#include "embed/kernels.h"

namespace headrace::embed {

template <class V, class Body>
struct Int8Body {
  using Reg = typename V::Reg;
  static constexpr size_t kWidth = V::kWidth;
  static constexpr int kVectors = V::kVectors;
  static constexpr size_t kPanel = kWidth * kVectors;
  // Added up with four weights, the one at that place alone remains.
  alignas(4) static constexpr uint8_t kPick[4][4] = {
      {1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};

  static void quantise(const QuantiseCall& call) {
    const size_t padded = round_up(call.depth, kInt8Step);
    alignas(64) float rest[kInt8Group];
    for (size_t r = 0; r < call.rows; ++r) {
      const float* row = call.input + r * call.input_stride;
      uint8_t* out = call.output + r * call.output_stride;
      Int8Scale* scale = call.scales + r;
      for (size_t begin = 0; begin < call.depth; begin += kInt8Group) {
        const size_t left = call.depth - begin;
        const size_t count = left < kInt8Group ? left : kInt8Group;
        *scale = quantise_group(row + begin, count, rest, out + begin);
        scale += call.scale_stride;
      }
      for (size_t i = call.depth; i < padded; ++i) out[i] = 0;
    }
  }

  // `rest` becomes the group without the value farthest from zero: another one is in its place.
  static HR_INLINE Int8Scale quantise_group(const float* row, size_t count, float* rest,
                                            uint8_t* out) {
    constexpr float kLevels = 127.0f;
    const size_t whole = count / kWidth * kWidth;
    const size_t place = farthest(row, count, rest);
    const float far = row[place];
    if (count > 1) rest[place] = row[place > 0 ? 0 : 1];

    Reg highs = V::set(rest[0]);
    Reg lows = highs;
    for (size_t i = 0; i < whole; i += kWidth) {
      const Reg x = V::load(rest + i);
      highs = V::max(highs, x);
      lows = V::min(lows, x);
    }
    float high = V::reduce_max(highs);
    float low = -V::reduce_max(V::sub(V::zero(), lows));
    for (size_t i = whole; i < count; ++i) {
      high = rest[i] > high ? rest[i] : high;
      low = rest[i] < low ? rest[i] : low;
    }
    const float span = high - low;
    const float inverse = span > 0 ? kLevels / span : 0.0f;
    const Reg least = V::set(low);
    const Reg inverses = V::set(inverse);
    for (size_t i = 0; i < whole; i += kWidth)
      V::store_bytes(out + i, V::mul(V::sub(V::load(rest + i), least), inverses));
    for (size_t i = whole; i < count; ++i) {
      const float level = (rest[i] - low) * inverse + 0.5f;
      out[i] = level > 0 ? static_cast<uint8_t>(level < kLevels ? level : kLevels) : 0;
    }
    out[place] = 0;
    return {.step = span / kLevels,
            .least = low,
            .beyond = far - low,
            .place = static_cast<uint32_t>(place)};
  }

  // Where the value farthest from zero is; copies the row.
  static HR_INLINE size_t farthest(const float* row, size_t count, float* copy) {
    const size_t whole = count / kWidth * kWidth;
    Reg sizes = V::zero();
    for (size_t i = 0; i < whole; i += kWidth) {
      const Reg x = V::load(row + i);
      V::store(copy + i, x);
      sizes = V::max(sizes, V::max(x, V::sub(V::zero(), x)));
    }
    float most = V::reduce_max(sizes);
    size_t place = 0;
    const Reg high = V::set(most);
    const Reg low = V::set(-most);
    for (size_t i = 0; i < whole; i += kWidth) {
      const Reg x = V::load(copy + i);
      const unsigned found = V::equal(x, high) | V::equal(x, low);
      if (found == 0) continue;
      place = i + static_cast<size_t>(__builtin_ctz(found));
      break;
    }
    for (size_t i = whole; i < count; ++i) {
      copy[i] = row[i];
      const float size = row[i] < 0 ? -row[i] : row[i];
      if (size <= most) continue;
      most = size;
      place = i;
    }
    return place;
  }

  // A group of inputs for some rows and a panel's columns.
  struct Step {
    const uint8_t* a;
    size_t a_stride;
    const Int8Scale* scales;
    const int8_t* b;
    size_t depth;
    const float* weight_steps;
    const float* weight_sums;
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
      const uint8_t* base[(R + 2) / 3];
      HR_UNROLL
      for (int i = 0; i < (R + 2) / 3; ++i) base[i] = a + 3 * i * a_stride;
      const int8_t* from = b;
      _Pragma("GCC unroll 2") for (size_t k = 0; k < depth; k += kInt8Step) {
        HR_UNROLL
        for (int r = 0; r < R; ++r) {
          const uint8_t* eight = base[r / 3] + (r % 3) * a_stride + k;
          const auto first = V::four_bytes(eight);
          const auto second = V::four_bytes(eight + 4);
          HR_UNROLL
          for (int v = 0; v < kVectors; ++v)
            sum[r][v] = V::dot(sum[r][v], first, from + v * 4 * kWidth, second,
                               from + 4 * kPanel + v * 4 * kWidth);
        }
        from += kInt8Step * kPanel;
      }
      HR_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const Reg weight_step = V::load(weight_steps + v * kWidth);
        const Reg weight_sum = V::load(weight_sums + v * kWidth);
        HR_UNROLL
        for (int r = 0; r < R; ++r) {
          const Int8Scale& scale = scales[r];
          float* at = c + r * c_stride + v * kWidth;
          const Reg start = V::load(accumulate ? at : bias + v * kWidth);
          const Reg value = V::fma(V::set(scale.least), weight_sum, start);
          const auto pick = V::four_bytes(kPick[scale.place % 4]);
          const int8_t* weights = b + scale.place / 4 * 4 * kPanel + v * 4 * kWidth;
          const Reg far = V::mul(V::to_float(V::dot_four(pick, weights)), V::set(scale.beyond));
          const Reg scaled = V::fma(V::to_float(sum[r][v]), V::set(scale.step), far);
          V::store(at, V::fma(scaled, weight_step, value));
        }
      }
      if (activation != Activation::none) Body::template activate_rows<R>(activation, c, c_stride);
    }
  };

  static void linear(const LinearInt8Call& call) {
    if (call.rows == 0) return;
    const typename Body::RowSplit split(call.rows);
    const size_t bytes = call.depth * kPanel;
    const size_t share = (bytes / split.blocks + 63) / 64 * 64;
    alignas(64) static constexpr float kNoBias[kPanelWidthMax] = {};
    for (size_t column = 0; column < call.columns; column += kPanel) {
      const int8_t* panel = call.panels + column / kPanel * call.panel_stride;
      const char* next = reinterpret_cast<const char*>(panel + call.panel_stride);
      size_t row = 0;
      for (size_t block = 0; block < split.blocks; ++block) {
        for (size_t at = block * share; at < (block + 1) * share && at < bytes; at += 64)
          __builtin_prefetch(next + at, 0, 2);
        const size_t rows = split.of(block);
        for (size_t k = 0, group = 0; k < call.depth; k += kInt8Group, ++group) {
          const bool last = call.depth - k <= kInt8Group;
          const size_t weights = group * call.weight_stride + column;
          const Step step{.a = call.input + row * call.input_stride + k,
                          .a_stride = call.input_stride,
                          .scales = call.scales + group * call.scale_stride + row,
                          .b = panel + k * kPanel,
                          .depth = last ? call.depth - k : kInt8Group,
                          .weight_steps = call.weight_steps + weights,
                          .weight_sums = call.weight_sums + weights,
                          .bias = call.bias != nullptr ? call.bias + column : kNoBias,
                          .c = call.output + row * call.output_stride + column,
                          .c_stride = call.output_stride,
                          .accumulate = k > 0 || call.accumulate,
                          .activation = last ? call.activation : Activation::none};
          Body::with_rows(rows, step);
        }
        row += rows;
      }
    }
  }
};

}  // namespace headrace::embed
