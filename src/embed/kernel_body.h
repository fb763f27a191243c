// The one body of every kernel, over a vector type V that each instruction set supplies.
//
// Included only by kernels_*.cpp, which instantiate KernelBody with a V of their own unnamed
// namespace: so nothing compiled here for one instruction set can be linked into another. For the
// same reason no standard inline function may be used in this file.
//
// V offers: Reg, kWidth (floats in a Reg), kRows x kVectors (the register tile of the matrix
// kernel), and the static functions used below.
#pragma once

#include "embed/kernels.h"

#define HR_INLINE inline __attribute__((always_inline))
// Loops over the register tile must be unrolled whole, or its sums go through memory.
#define HR_INLINE_LAMBDA __attribute__((always_inline))
#define HR_UNROLL _Pragma("GCC unroll 16")

namespace headrace::embed {

template <class V, class Body>
struct Int8Body;  // kernel_int8.h
template <class V, class Body>
struct Int16Body;  // kernel_int16.h

template <class V>
struct KernelBody {
  using Reg = typename V::Reg;
  static constexpr size_t kWidth = V::kWidth;
  static constexpr int kRows = V::kRows;
  static constexpr int kVectors = V::kVectors;
  static constexpr size_t kPanel = kWidth * kVectors;
  // Depth is worked off in slices, so that half the L1 cache holds a slice of a panel.
  static constexpr size_t kHalfCache = 16 << 10;
  static constexpr size_t kSlice = kHalfCache / (kPanel * sizeof(float)) < kDepthSlice
                                       ? kHalfCache / (kPanel * sizeof(float))
                                       : kDepthSlice;
  static_assert(kPanel <= kPanelWidthMax && kRows <= static_cast<int>(kRowBlockMax));

  // --- elementary functions -------------------------------------------------------------------

  // 2^t for t in [-126, 126]; values outside are clamped. Relative error below 2e-7.
  static HR_INLINE Reg exp2(Reg t) {
    t = V::min(V::max(t, V::set(-126.0f)), V::set(126.0f));
    const Reg whole = V::round(t);
    return V::scale_by_power(exp2_part(V::sub(t, whole)), whole);
  }

  // 2^t for t <= 0, cheaper: below -126 it gives 2^-126. Adding 1.5 * 2^23 rounds t to a whole
  // number and leaves that number in the low bits, where scale_by_low_bits() finds it.
  static HR_INLINE Reg exp2_nonpositive(Reg t) {
    const Reg shift = V::set(12582912.0f);
    t = V::max(t, V::set(-126.0f));
    const Reg shifted = V::add(t, shift);
    return V::scale_by_low_bits(exp2_part(V::sub(t, V::sub(shifted, shift))), shifted);
  }

  // 2^part for part in [-0.5, 0.5].
  static HR_INLINE Reg exp2_part(Reg part) {
    Reg p = V::set(1.327647129e-3f);
    p = V::fma(p, part, V::set(9.675540961e-3f));
    p = V::fma(p, part, V::set(5.550713092e-2f));
    p = V::fma(p, part, V::set(2.402212024e-1f));
    p = V::fma(p, part, V::set(6.931469440e-1f));
    return V::fma(p, part, V::set(1.0f));
  }

  // x * Phi(x), Phi the normal distribution function: erf(x / sqrt 2) as an odd rational function,
  // a minimax fit on |x| <= 5.2 (beyond, erf is 1 in float). Absolute error below 1e-6.
  // Four at a time: the constants are loaded once, and the chains hide each other's latency.
  static constexpr int kGroup = 4;
  static HR_INLINE void gelu(Reg* x) {
    constexpr float kP[] = {4.815348120e-8f, 1.290268028e-5f, 3.285448765e-4f,
                            9.304903448e-3f, 6.655217707e-2f, 7.978844047e-1f};
    constexpr float kQ[] = {1.243210363e-6f, 7.285198080e-5f, 1.858613105e-3f,
                            2.834305167e-2f, 2.500763834e-1f, 1.0f};
    Reg u[kGroup], p[kGroup], q[kGroup];
    HR_UNROLL
    for (int i = 0; i < kGroup; ++i) {
      x[i] = V::max(x[i], V::set(-5.2f));
      const Reg z = V::min(x[i], V::set(5.2f));
      u[i] = V::mul(z, z);
      p[i] = V::set(kP[0]);
      q[i] = V::set(kQ[0]);
    }
    HR_UNROLL
    for (int k = 1; k < 6; ++k) {
      const Reg next_p = V::set(kP[k]);
      const Reg next_q = V::set(kQ[k]);
      HR_UNROLL
      for (int i = 0; i < kGroup; ++i) {
        p[i] = V::fma(p[i], u[i], next_p);
        q[i] = V::fma(q[i], u[i], next_q);
      }
    }
    HR_UNROLL
    for (int i = 0; i < kGroup; ++i) {
      const Reg half = V::mul(x[i], V::set(0.5f));
      const Reg z = V::min(x[i], V::set(5.2f));
      x[i] = V::fma(half, V::div(V::mul(z, p[i]), q[i]), half);
    }
  }

  // x / (1 + e^-x)
  static HR_INLINE Reg silu_of(Reg x, Reg scaled) {
    const Reg e = exp2(V::mul(scaled, V::set(-1.442695041f)));
    return V::div(x, V::add(V::set(1.0f), e));
  }

  // Applies the activation to kGroup vectors.
  static HR_INLINE void apply(Activation activation, Reg* x) {
    if (activation == Activation::gelu) {
      gelu(x);
      return;
    }
    HR_UNROLL
    for (int i = 0; i < kGroup; ++i) {
      if (activation == Activation::relu) {
        x[i] = V::max(x[i], V::zero());
      } else if (activation == Activation::silu) {
        x[i] = silu_of(x[i], x[i]);
      } else if (activation == Activation::gelu_tanh) {
        const Reg cubic = V::fma(V::mul(V::mul(x[i], x[i]), x[i]), V::set(0.044715f), x[i]);
        x[i] = silu_of(x[i], V::mul(cubic, V::set(1.595769122f)));  // 2 * sqrt(2 / pi)
      }
    }
  }

  // --- the register tile: R rows x one panel ----------------------------------------------------

  template <int R>
  struct Tile {
    Reg sum[R][kVectors];

    HR_INLINE void clear() {
      HR_UNROLL
      for (int r = 0; r < R; ++r) HR_UNROLL
      for (int v = 0; v < kVectors; ++v) sum[r][v] = V::zero();
    }
    HR_INLINE void load(const float* c, size_t stride) {
      HR_UNROLL
      for (int r = 0; r < R; ++r) HR_UNROLL
      for (int v = 0; v < kVectors; ++v) sum[r][v] = V::load(c + r * stride + v * kWidth);
    }
    HR_INLINE void store(float* c, size_t stride) const {
      HR_UNROLL
      for (int r = 0; r < R; ++r) HR_UNROLL
      for (int v = 0; v < kVectors; ++v) V::store(c + r * stride + v * kWidth, sum[r][v]);
    }
    // Every element's sum runs over k in order, whatever R is: this makes rows independent.
    template <class Element>
    HR_INLINE void multiply_add(const float* a, size_t stride, const Element* b, size_t depth) {
      const float* base[(R + 2) / 3];
      HR_UNROLL
      for (int i = 0; i < (R + 2) / 3; ++i) base[i] = a + 3 * i * stride;
      _Pragma("GCC unroll 4") for (size_t k = 0; k < depth; ++k) {
        Reg column[kVectors];
        HR_UNROLL
        for (int v = 0; v < kVectors; ++v) column[v] = V::load_b(b + v * kWidth);
        b += kPanel;
        HR_UNROLL
        for (int r = 0; r < R; ++r) {
          const Reg value = V::broadcast(base[r / 3] + (r % 3) * stride + k);
          HR_UNROLL
          for (int v = 0; v < kVectors; ++v) sum[r][v] = V::fma(value, column[v], sum[r][v]);
        }
      }
    }
  };

  // Rows are split into blocks of nearly equal height: a block of one or two rows would waste
  // most of the multiply-adders.
  struct RowSplit {
    size_t blocks, height, taller;  // the first `taller` blocks are one row higher
    explicit HR_INLINE RowSplit(size_t rows) {
      blocks = (rows + kRows - 1) / kRows;
      height = rows / blocks;
      taller = rows % blocks;
    }
    HR_INLINE size_t of(size_t block) const { return height + (block < taller ? 1 : 0); }
  };

  // Calls f.template run<R>() with R = rows.
  template <int R = kRows, class F>
  static HR_INLINE void with_rows(size_t rows, const F& f) {
    if constexpr (R == 1) {
      f.template run<1>();
    } else {
      if (rows == R) {
        f.template run<R>();
      } else {
        with_rows<R - 1>(rows, f);
      }
    }
  }

  // R rows of one panel, two rows at a time; the last of an odd number is done twice over, from its
  // sums.
  template <int R>
  static HR_INLINE void activate_rows(Activation activation, float* c, size_t stride) {
    constexpr int kTogether = kGroup / kVectors;
    static_assert(kTogether == 1 || kTogether == 2);
    for (int r = 0; r < R; r += kTogether) {
      float* row[2] = {c + r * stride, c + (r + 1 < R ? r + 1 : r) * stride};
      Reg x[kGroup];
      HR_UNROLL
      for (int i = 0; i < kGroup; ++i) x[i] = V::load(row[i / kVectors] + (i % kVectors) * kWidth);
      apply(activation, x);
      HR_UNROLL
      for (int i = 0; i < kGroup; ++i) V::store(row[i / kVectors] + (i % kVectors) * kWidth, x[i]);
    }
  }

  // --- linear ---------------------------------------------------------------------------------

  template <class Element>
  struct LinearStep {
    const float* a;
    size_t a_stride;
    const Element* b;
    size_t depth;
    float* c;
    size_t c_stride;
    bool accumulate;
    const float* bias;  // non-null on the last slice of depth only
    Activation activation;

    template <int R>
    __attribute__((noinline)) void run() const {
      Tile<R> tile;
      if (accumulate) {
        tile.load(c, c_stride);
      } else {
        tile.clear();
      }
      tile.multiply_add(a, a_stride, b, depth);
      if (bias != nullptr) {
        HR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          const Reg add = V::load(bias + v * kWidth);
          HR_UNROLL
          for (int r = 0; r < R; ++r) tile.sum[r][v] = V::add(tile.sum[r][v], add);
        }
      }
      tile.store(c, c_stride);
      if (activation != Activation::none) activate_rows<R>(activation, c, c_stride);
    }
  };

  // One slice of depth of one panel: all blocks of rows. Meanwhile the weights that come next are
  // fetched, a part with each block, so that they are in the cache when it is their turn.
  template <class Element>
  static HR_INLINE void linear_slice(LinearStep<Element> step, const RowSplit& split,
                                     const char* next, size_t next_bytes) {
    const size_t share = (next_bytes / split.blocks + 63) / 64 * 64;
    for (size_t block = 0; block < split.blocks; ++block) {
      for (size_t at = block * share; at < (block + 1) * share && at < next_bytes; at += 64)
        __builtin_prefetch(next + at, 0, 2);
      const size_t rows = split.of(block);
      with_rows(rows, step);
      step.a += rows * step.a_stride;
      step.c += rows * step.c_stride;
    }
  }

  // With few blocks of rows, widening a panel first costs more than widening it for each block.
  static constexpr size_t kBlocksToWiden = 4;

  static void linear(const LinearCall& call) {
    if (call.bfloat) {
      linear_of(call, reinterpret_cast<const Bfloat*>(call.panels));
    } else {
      linear_of(call, call.panels);
    }
  }

  template <class Weight>
  static void linear_of(const LinearCall& call, const Weight* panels) {
    if (call.rows == 0) return;
    const RowSplit split(call.rows);
    const size_t slices = (call.depth + kSlice - 1) / kSlice;
    const size_t slice_depth = (call.depth + slices - 1) / slices;
    alignas(64) static constexpr float kNoBias[kPanelWidthMax] = {};
    for (size_t column = 0; column < call.columns; column += kPanel) {
      const Weight* panel = panels + column / kPanel * call.panel_stride;
      const float* bias = call.bias != nullptr ? call.bias + column : kNoBias;
      for (size_t begin = 0; begin < call.depth; begin += slice_depth) {
        const size_t end = begin + slice_depth < call.depth ? begin + slice_depth : call.depth;
        const bool last = end == call.depth;
        const Weight* slice = panel + begin * kPanel;
        const char* next =
            reinterpret_cast<const char*>(last ? panel + call.panel_stride : panel + end * kPanel);
        const size_t bytes = (end - begin) * kPanel * sizeof(Weight);
        const auto run = [&](auto* weights) HR_INLINE_LAMBDA {
          using Element = __typeof__(*weights);
          linear_slice<typename RemoveConst<Element>::Type>(
              {.a = call.input + begin,
               .a_stride = call.input_stride,
               .b = weights,
               .depth = end - begin,
               .c = call.output + column,
               .c_stride = call.output_stride,
               .accumulate = call.accumulate || begin > 0,
               .bias = last ? bias : nullptr,
               .activation = last ? call.activation : Activation::none},
              split, next, bytes);
        };
        if (split.blocks < kBlocksToWiden) {
          run(slice);
        } else {
          widen(slice, call.workspace, (end - begin) * kPanel);
          run(static_cast<const float*>(call.workspace));
        }
      }
    }
  }

  template <class T>
  struct RemoveConst {
    using Type = T;
  };
  template <class T>
  struct RemoveConst<const T> {
    using Type = T;
  };

  template <class Weight>
  static HR_INLINE void widen(const Weight* from, float* to, size_t count) {
    for (size_t i = 0; i < count; i += kWidth) V::store(to + i, V::load_b(from + i));
  }

  // --- attention ------------------------------------------------------------------------------

  static constexpr float kLog2e = 1.442695041f;

  struct AttentionStep {
    const AttentionCall& call;
    const float* key_panels;    // [tokens / kPanel][head_size][kPanel]
    const float* value_panels;  // [head_size / kPanel][tokens][kPanel]
    float* scores;              // kRows x padded
    float* result;              // kRows x head_size, padded
    size_t padded;
    size_t first;  // query row

    template <int R>
    __attribute__((noinline)) void run() const {
      const size_t d = call.head_size;
      const size_t result_stride = (d + kPanel - 1) / kPanel * kPanel;
      const float* query = call.query + first * call.stride;
      const bool biased = call.relative_bias != nullptr;
      Tile<R> tile;
      Reg highest[R];
      HR_UNROLL
      for (int r = 0; r < R; ++r) highest[r] = V::set(-__builtin_inff());
      for (size_t j = 0; j < padded; j += kPanel) {
        tile.clear();
        tile.multiply_add(query, call.stride, key_panels + j * d, d);
        tile.store(scores + j, padded);
        if (biased || j + kPanel > call.tokens) {
          for (int r = 0; r < R; ++r) adjust(scores + r * padded + j, first + r, j);
          tile.load(scores + j, padded);
        }
        HR_UNROLL
        for (int r = 0; r < R; ++r) {
          HR_UNROLL
          for (int v = 0; v < kVectors; ++v) highest[r] = V::max(highest[r], tile.sum[r][v]);
        }
      }
      const float factor = biased ? kLog2e : call.scale * kLog2e;
      float top[R];
      HR_UNROLL
      for (int r = 0; r < R; ++r) top[r] = V::reduce_max(highest[r]);
      float inverse[R];
      for (int r = 0; r < R; ++r) inverse[r] = softmax(scores + r * padded, factor, top[r]);
      for (size_t j = 0; j < result_stride; j += kPanel) {
        tile.clear();
        tile.multiply_add(scores, padded, value_panels + j * call.tokens, call.tokens);
        HR_UNROLL
        for (int r = 0; r < R; ++r) {
          const Reg scale = V::set(inverse[r]);
          HR_UNROLL
          for (int v = 0; v < kVectors; ++v) tile.sum[r][v] = V::mul(tile.sum[r][v], scale);
        }
        if (j + kPanel <= d) {
          tile.store(call.output + first * call.output_stride + j, call.output_stride);
        } else {
          tile.store(result + j, result_stride);
          for (int r = 0; r < R; ++r)
            for (size_t i = j; i < d; ++i)
              call.output[(first + r) * call.output_stride + i] = result[r * result_stride + i];
        }
      }
    }

    // One panel of scores: adds the bias, and makes the keys after the last token weigh nothing.
    HR_INLINE void adjust(float* panel, size_t query_place, size_t key_place) const {
      for (size_t i = 0; i < kPanel; ++i) {
        const size_t j = key_place + i;
        if (j >= call.tokens) {
          panel[i] = -__builtin_inff();
        } else if (call.relative_bias != nullptr) {
          panel[i] = panel[i] * call.scale + (call.relative_bias - query_place)[j];
        }
      }
    }

    // Turns a row of scores into weights, 2^((score - top) * factor); returns 1 / their sum, which
    // is applied to the result.
    HR_INLINE float softmax(float* row, float factor, float top) const {
      const Reg factors = V::set(factor);
      const Reg tops = V::set(top);
      Reg total[kVectors];
      HR_UNROLL
      for (int v = 0; v < kVectors; ++v) total[v] = V::zero();
      for (size_t j = 0; j < padded; j += kPanel) {
        HR_UNROLL
        for (int v = 0; v < kVectors; ++v) {
          float* at = row + j + v * kWidth;
          const Reg weight = exp2_nonpositive(V::mul(V::sub(V::load(at), tops), factors));
          V::store(at, weight);
          total[v] = V::add(total[v], weight);
        }
      }
      HR_UNROLL
      for (int v = 1; v < kVectors; ++v) total[0] = V::add(total[0], total[v]);
      return 1.0f / V::reduce_add(total[0]);
    }
  };

  // Keys as panels: [tokens / kPanel][head_size][kPanel], zeros after the last token.
  static HR_INLINE void pack_keys(const AttentionCall& call, float* panels) {
    constexpr size_t kBlock = V::kTransposed;
    const size_t d = call.head_size;
    const size_t whole = d / kBlock * kBlock;
    for (size_t first = 0; first < call.tokens; first += kPanel) {
      float* panel = panels + first * d;
      for (size_t j = 0; j < kPanel; j += kBlock) {
        const float* from = call.key + (first + j) * call.stride;
        float* to = panel + j;
        size_t done = 0;
        if (first + j + kBlock <= call.tokens) {
          for (; done < whole; done += kBlock)
            V::transpose(from + done, call.stride, to + done * kPanel, kPanel);
        }
        for (size_t t = 0; t < kBlock; ++t) {
          const bool there = first + j + t < call.tokens;
          for (size_t i = done; i < d; ++i)
            to[i * kPanel + t] = there ? from[t * call.stride + i] : 0;
        }
      }
    }
  }

  static void attention(const AttentionCall& call) {
    const size_t tokens = call.tokens;
    const size_t d = call.head_size;
    if (tokens == 0) return;
    const size_t padded = (tokens + kPanel - 1) / kPanel * kPanel;
    const size_t value_columns = (d + kPanel - 1) / kPanel * kPanel;
    float* key_panels = call.workspace;
    float* value_panels = key_panels + padded * d;
    float* scores = value_panels + padded * value_columns;
    float* result = scores + kRows * padded;
    pack_keys(call, key_panels);
    for (size_t begin = 0; begin < value_columns; begin += kPanel) {
      for (size_t j = 0; j < tokens; ++j) {
        float* to = value_panels + begin * tokens + j * kPanel;
        const float* from = call.value + j * call.stride + begin;
        if (begin + kPanel <= d) {
          for (int v = 0; v < kVectors; ++v) V::store(to + v * kWidth, V::load(from + v * kWidth));
        } else {
          for (size_t i = 0; i < kPanel; ++i) to[i] = begin + i < d ? from[i] : 0;
        }
      }
    }
    const RowSplit split(call.queries > 0 ? call.queries : tokens);
    AttentionStep step{call, key_panels, value_panels, scores, result, padded, 0};
    for (size_t block = 0; block < split.blocks; ++block) {
      const size_t rows = split.of(block);
      with_rows(rows, step);
      step.first += rows;
    }
  }

  // --- rows ------------------------------------------------------------------------------------

  static void layer_norm(const LayerNormCall& call) {
    const size_t whole = call.width / kWidth * kWidth;
    const float inverse_width = 1.0f / static_cast<float>(call.width);
    for (size_t r = 0; r < call.count; ++r) {
      float* row = call.rows + r * call.stride;
      if (call.residual != nullptr) {
        const float* more = call.residual + r * call.residual_stride;
        for (size_t i = 0; i < whole; i += kWidth)
          V::store(row + i, V::add(V::load(row + i), V::load(more + i)));
        for (size_t i = whole; i < call.width; ++i) row[i] += more[i];
      }
      Reg sum = V::zero();
      for (size_t i = 0; i < whole; i += kWidth) sum = V::add(sum, V::load(row + i));
      float total = V::reduce_add(sum);
      for (size_t i = whole; i < call.width; ++i) total += row[i];
      const float mean = total * inverse_width;
      const Reg means = V::set(mean);
      Reg squares = V::zero();
      for (size_t i = 0; i < whole; i += kWidth) {
        const Reg centred = V::sub(V::load(row + i), means);
        squares = V::fma(centred, centred, squares);
      }
      float spread = V::reduce_add(squares);
      for (size_t i = whole; i < call.width; ++i) spread += (row[i] - mean) * (row[i] - mean);
      const float factor = 1.0f / __builtin_sqrtf(spread * inverse_width + call.epsilon);
      const Reg factors = V::set(factor);
      for (size_t i = 0; i < whole; i += kWidth) {
        const Reg centred = V::mul(V::sub(V::load(row + i), means), factors);
        V::store(row + i, V::fma(centred, V::load(call.scale + i), V::load(call.shift + i)));
      }
      for (size_t i = whole; i < call.width; ++i)
        row[i] = (row[i] - mean) * factor * call.scale[i] + call.shift[i];
    }
  }

  static void widen_add(const Half* halves, const float* addend, float* output, size_t count) {
    size_t i = 0;
    for (; i + kWidth <= count; i += kWidth)
      V::store(output + i, V::add(V::load_b(halves + i), V::load(addend + i)));
    for (; i < count; ++i) output[i] = V::widen(halves[i]) + addend[i];
  }

  static bool narrow(const float* floats, Half* halves, size_t count) {
    size_t i = 0;
    for (; i + kWidth <= count; i += kWidth) V::store_half(halves + i, V::load(floats + i));
    for (; i < count; ++i) halves[i] = V::narrow(floats[i]);
    uint32_t worst = 0;
    for (i = 0; i < count; ++i) {
      const uint32_t exponent = halves[i] & 0x7c00u;
      worst = exponent > worst ? exponent : worst;
    }
    return worst < 0x7c00u;
  }

  static void activate(Activation activation, float* values, size_t count) {
    for (size_t i = 0; i < count; i += kGroup * kWidth) {
      Reg x[kGroup];
      for (int j = 0; j < kGroup; ++j) x[j] = V::load(values + i + j * kWidth);
      apply(activation, x);
      for (int j = 0; j < kGroup; ++j) V::store(values + i + j * kWidth, x[j]);
    }
  }

  // Enough independent sums to hide the multiply-adders' latency.
  __attribute__((noinline)) static uint64_t burn(uint64_t rounds, float* sink) {
    constexpr int kSums = 12;
    Reg sum[kSums];
    for (int i = 0; i < kSums; ++i) sum[i] = V::set(1.0f + static_cast<float>(i));
    const Reg factor = V::set(0.999f);
    const Reg addend = V::set(0.001f);
    for (uint64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
      for (int i = 0; i < kSums; ++i) sum[i] = V::fma(sum[i], factor, addend);
    }
    for (int i = 1; i < kSums; ++i) sum[0] = V::add(sum[0], sum[i]);
    *sink = V::reduce_add(sum[0]);
    return rounds * kSums * kWidth * 2;
  }

  static constexpr Kernels table(const char* name) {
    return {.name = name,
            .panel_width = kPanel,
            .row_block = kRows,
            .fast_words = V::kFastWords,
            .linear = linear,
            .quantise = Int8Body<V, KernelBody>::quantise,
            .linear_int8 = Int8Body<V, KernelBody>::linear,
            .quantise_words = Int16Body<V, KernelBody>::quantise,
            .linear_int16 = Int16Body<V, KernelBody>::linear,
            .attention = attention,
            .layer_norm = layer_norm,
            .widen_add = widen_add,
            .narrow = narrow,
            .activate = activate,
            .burn = burn};
  }
};

}  // namespace headrace::embed

#include "embed/kernel_int16.h"
#include "embed/kernel_int8.h"
