// Kernels: the arithmetic under the layers, one implementation per instruction set.
//
// A Kernels is a table of plain functions over pointers, chosen once per process by what the CPU
// can do. Every table computes the same thing; results differ between tables only by rounding, and
// within one table a row's result depends on that row's inputs alone: never on how many rows are
// in the call, on its place among them, or on the thread. tests compare each table with a
// double-precision reference.
//
// Matrices: activations are row-major float with a leading dimension ("stride") in elements.
// Weights are packed into panels: panel p holds columns [p * width, (p + 1) * width) as
// depth x width halves, so a kernel reads them front to back. Widths are padded with zeros.
//
// Owns: nothing. Threads: all functions are pure but for the output they are given. Errors: none;
// callers have checked every size.
#pragma once

#include <cstddef>
#include <cstdint>

namespace headrace::embed {

using Half = uint16_t;            // IEEE 754 binary16 bits
enum class Bfloat : uint16_t {};  // the upper half of a float

enum class Activation : uint8_t { none, gelu, gelu_tanh, relu, silu };

// output[r, n] = activation(bias[n] + sum over k of input[r, k] * weights[k, n]  (+ output[r, n]))
struct LinearCall {
  const float* input = nullptr;
  size_t input_stride = 0;
  size_t rows = 0;
  const Half* panels = nullptr;  // first panel wanted, first row of depth wanted
  bool bfloat = false;           // the panels hold Bfloats instead
  size_t panel_stride = 0;       // halves from one panel to the next
  size_t depth = 0;
  size_t columns = 0;           // a multiple of the panel width
  const float* bias = nullptr;  // `columns` of them, or null
  float* output = nullptr;
  size_t output_stride = 0;
  bool accumulate = false;  // add to what output holds
  Activation activation = Activation::none;
  float* workspace = nullptr;  // linear_workspace() floats, 64-byte aligned
};

// What the bytes of a row stand for, by groups of kInt8Group of them: least + step * byte, and the
// one at `place` in its group, whose byte is 0, for `beyond` more. That is the value farthest from
// zero: in some rows of a transformer one is a hundred times larger than the rest, which steps that
// reach to it would round to nothing.
struct Int8Scale {
  float step;
  float least;
  float beyond;
  uint32_t place;
};

// Rows as numbers of 7 bits.
struct QuantiseCall {
  const float* input = nullptr;
  size_t input_stride = 0;
  size_t rows = 0;
  size_t depth = 0;
  uint8_t* output = nullptr;  // 0 … 127; zeros follow up to a multiple of depth_step
  size_t output_stride = 0;
  Int8Scale* scales = nullptr;  // for each group of inputs one a row
  size_t scale_stride = 0;      // from group to group
};

// output[r, n] = activation(bias[n] + sum over k of what input[r, k] and weights[k, n] stand for).
// A weight is -63 … 63 times the column's step in its group of kInt8Group inputs. Products of 7-bit
// numbers are summed four at a time in 16 bits without loss (4 * 127 * 63 < 2^15), so sums are
// exact and equal with every table. Panels hold, for each four rows of depth, each column's four
// weights side by side.
struct LinearInt8Call {
  const uint8_t* input = nullptr;
  size_t input_stride = 0;
  const Int8Scale* scales = nullptr;  // of the rows, as QuantiseCall leaves them
  size_t scale_stride = 0;
  size_t rows = 0;
  const int8_t* panels = nullptr;
  size_t panel_stride = 0;
  size_t depth = 0;                     // a multiple of the table's depth_step
  size_t columns = 0;                   // a multiple of the panel width
  const float* weight_steps = nullptr;  // for each group of inputs one a column
  const float* weight_sums = nullptr;   // the same: the sum of the group's weights
  size_t weight_stride = 0;             // from group to group
  const float* bias = nullptr;          // or null; not where it accumulates
  float* output = nullptr;
  size_t output_stride = 0;
  bool accumulate = false;
  Activation activation = Activation::none;
};

// Rows as numbers of -kInt16InputMax … kInt16InputMax: input[r, k] is about
// steps[r] * output[r, k].
struct QuantiseWordsCall {
  const float* input = nullptr;
  size_t input_stride = 0;
  size_t rows = 0;
  size_t depth = 0;
  int16_t* output = nullptr;  // zeros follow up to a multiple of depth_step; see put_word
  size_t output_stride = 0;
  float* steps = nullptr;  // one a row
};

// output[r, n] = activation(bias[n] + sum over k of what input[r, k] and weights[k, n] stand for).
// The sizes of a column's weights must not add up to more than kInt16WeightsMax: then no sum leaves
// 32 bits whatever the inputs are, and sums are exact and equal with every table.
// Panels hold, for each two rows of depth, each column's two weights side by side; or planes of
// bytes: see put_word.
struct LinearInt16Call {
  const int16_t* input = nullptr;
  size_t input_stride = 0;
  const float* steps = nullptr;  // of the rows, as QuantiseWordsCall leaves them
  size_t rows = 0;
  const int16_t* panels = nullptr;
  size_t panel_stride = 0;
  size_t depth = 0;    // a multiple of the table's depth_step
  size_t columns = 0;  // a multiple of the panel width
  const float* weight_steps = nullptr;
  const float* bias = nullptr;  // or null
  float* output = nullptr;
  size_t output_stride = 0;
  bool accumulate = false;
  Activation activation = Activation::none;
};

// One head of one sequence: output = softmax(scale * query * key^T + bias) * value.
struct AttentionCall {
  const float* query = nullptr;
  const float* key = nullptr;
  const float* value = nullptr;
  size_t stride = 0;   // of query, key and value
  size_t tokens = 0;   // keys and values
  size_t queries = 0;  // 0: as many as tokens
  size_t head_size = 0;
  float scale = 1;
  // Null, or for each distance d = key place - query place the term at relative_bias[d].
  const float* relative_bias = nullptr;
  float* output = nullptr;
  size_t output_stride = 0;
  float* workspace = nullptr;  // attention_workspace() floats, 64-byte aligned
};

struct LayerNormCall {
  float* rows = nullptr;  // normalised in place
  size_t stride = 0;
  const float* residual = nullptr;  // rows that are added first, or null
  size_t residual_stride = 0;
  size_t count = 0;
  size_t width = 0;
  const float* scale = nullptr;
  const float* shift = nullptr;
  float epsilon = 0;
};

struct Kernels {
  const char* name = nullptr;
  size_t panel_width = 0;
  size_t depth_step = 8;         // whole numbers: a depth is a multiple of it
  bool words_in_planes = false;  // see put_word
  size_t row_block = 0;          // rows are handled this many at a time; multiples run best
  bool fast_words = false;       // linear_int16 is faster than linear

  void (*linear)(const LinearCall&) = nullptr;
  void (*quantise)(const QuantiseCall&) = nullptr;
  void (*linear_int8)(const LinearInt8Call&) = nullptr;
  void (*quantise_words)(const QuantiseWordsCall&) = nullptr;
  void (*linear_int16)(const LinearInt16Call&) = nullptr;
  void (*attention)(const AttentionCall&) = nullptr;
  void (*layer_norm)(const LayerNormCall&) = nullptr;
  // output[i] = widened halves[i] + addend[i]
  void (*widen_add)(const Half* halves, const float* addend, float* output, size_t count) = nullptr;
  // halves[i] = floats[i], rounded to nearest even; false when one became infinite.
  bool (*narrow)(const float* floats, Half* halves, size_t count) = nullptr;
  // values[i] = activation(values[i]); count is a multiple of 64.
  void (*activate)(Activation activation, float* values, size_t count) = nullptr;
  // Runs `rounds` rounds of independent multiply-adds from registers and returns how many floating
  // point operations that was: the floor that the benchmark compares with.
  uint64_t (*burn)(uint64_t rounds, float* sink) = nullptr;
};

// Depth is worked off in slices of at most this many rows, so that a panel's slice stays in the L1
// cache.
inline constexpr size_t kDepthSlice = 256;
inline constexpr size_t kPanelWidthMax = 32;
inline constexpr size_t kInt8Step = 8;
inline constexpr size_t kInt8Group = 192;  // a multiple of every depth_step
inline constexpr size_t kInt16Step = 8;
inline constexpr int kInt16InputMax = 8191;
inline constexpr int kInt16WeightsMax = INT32_MAX / kInt16InputMax;
inline constexpr size_t kRowBlockMax = 16;

constexpr size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
// Puts a weight of 16 bits where a table's panel of this depth has it. With `words_in_planes` there
// is a plane of the upper bytes of all weights and behind it one of the lower bytes, each as a
// panel of 8 bits; rows of inputs are a plane of upper and one of lower bytes too.
inline void put_word(const Kernels& table, int16_t* panel, size_t depth, size_t row, size_t column,
                     int16_t weight) {
  if (!table.words_in_planes) {
    panel[(row / 2 * table.panel_width + column) * 2 + row % 2] = weight;
    return;
  }
  auto* const upper = reinterpret_cast<int8_t*>(panel);
  const size_t place = (row / 4 * table.panel_width + column) * 4 + row % 4;
  upper[place] = static_cast<int8_t>(weight >> 8);
  upper[depth * table.panel_width + place] = static_cast<int8_t>(weight & 0xFF);
}

constexpr size_t linear_workspace() {
  return kDepthSlice * kPanelWidthMax;
}
constexpr size_t attention_workspace(size_t tokens, size_t head_size) {
  const size_t padded = round_up(tokens, kPanelWidthMax);
  return padded * head_size + padded * round_up(head_size, kPanelWidthMax) + kRowBlockMax * padded +
         kRowBlockMax * round_up(head_size, kPanelWidthMax);
}

// The best table for this CPU. HEADRACE_KERNEL=scalar|avx2|avx512|avx512vnni|avx512amx|neon|neondot
// asks for another one; a table that the CPU cannot run is never returned.
const Kernels& kernels();
// The table of that name, or null when this build or this CPU has none.
const Kernels* find_kernels(const char* name);

// IEEE conversions, round to nearest even.
Half to_half(float value);
float from_half(Half half);
Bfloat to_bfloat(float value);
float from_bfloat(Bfloat bfloat);

// One per instruction set; null when this build has none. Use find_kernels().
const Kernels* scalar_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* avx512vnni_kernels();
const Kernels* avx512amx_kernels();
const Kernels* neon_kernels();
const Kernels* neondot_kernels();

}  // namespace headrace::embed
