// Layers: the blocks that transformers are built from, over packed weights.
//
// A layer holds its weights in the form the kernels want and offers one function that applies it
// to some rows. A model is a list of such calls; what differs between families (names, order,
// embeddings) lives with the models, never here.
//
// Owns: its weights. Threads: immutable after loading. Errors: loading names file and tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "embed/aligned_buffer.h"
#include "embed/kernels.h"
#include "embed/precision.h"
#include "embed/safetensors.h"
#include "runtime/team.h"

namespace headrace::embed {

// Reads tensors in a fixed order and hashes what it read, so that equal hashes mean equal weights.
class WeightReader {
 public:
  // `prefix` is put before every name ("bert." or nothing).
  WeightReader(const SafeTensors& file, std::string prefix, const Kernels& kernels,
               Precision precision = Precision::fp32)
      : file_(file), prefix_(std::move(prefix)), kernels_(kernels), precision_(precision) {}

  const Kernels& kernels() const { return kernels_; }
  const std::string& prefix() const { return prefix_; }
  bool contains(const std::string& name) const { return file_.contains(prefix_ + name); }
  // Of a matrix whose number of rows the configuration does not say.
  Result<uint32_t> rows_of(const std::string& name) const;
  // Of the matrices that are loaded next.
  Precision precision() const { return precision_; }
  Result<std::vector<float>> vector(const std::string& name, uint64_t size);
  // Adds `count` rows of a table, from row `first` of its `rows`, to out (count x width).
  Status add_table(const std::string& name, uint64_t rows, uint64_t width, uint64_t first,
                   std::span<float> out);
  // A matrix stored as [outputs, inputs], or a table of so many rows: take(its number, its values).
  Status matrix(const std::string& name, uint64_t outputs, uint64_t inputs,
                const std::function<void(uint64_t, const float*)>& take);
  // What is wrong with a tensor that half precision cannot hold.
  std::unexpected<Error> too_big(const std::string& name) const;
  Hash128 digest() const { return hasher_.digest(); }

 private:
  // Reads the tensor as rows of `width` floats: take(row number, floats).
  Status rows(const std::string& name, std::span<const uint64_t> shape, uint64_t width,
              const std::function<void(uint64_t, const float*)>& take);

  const SafeTensors& file_;
  std::string prefix_;
  const Kernels& kernels_;
  const Precision precision_;
  Hasher128 hasher_;
};

// Working memory of linear layers: one for each thread, grows to the largest call and stays.
class LinearWorkspace {
 public:
  // The threads that share out the columns of the next calls; null: the caller alone.
  Team* team = nullptr;

 private:
  friend class Linear;
  AlignedBuffer<float> panel;    // linear_workspace() floats for each member of the team
  AlignedBuffer<uint8_t> bytes;  // the rows as bytes, group after group
  AlignedBuffer<Int8Scale> scales;
  AlignedBuffer<int16_t> words;  // or as numbers of 16 bits
  AlignedBuffer<float> steps;
};

// y = x W + b, W packed in panels: halves, bfloats or whole numbers, as the precision wants.
// Several matrices with the same input may lie side by side (query, key and value), so that one
// call computes them all.
class Linear {
 public:
  struct Part {
    std::string weight;  // tensor names
    std::string bias;    // empty: none
    uint32_t outputs;
    // Where the tensors hold more than this part: its first row, and how many rows there are.
    uint32_t first = 0;
    uint32_t of = 0;  // 0: as many as outputs
  };
  static Result<Linear> load(WeightReader& reader, std::span<const Part> parts, uint32_t inputs);

  uint32_t inputs() const { return inputs_; }
  uint32_t outputs() const { return outputs_; }
  // Outputs rounded up to whole panels: the stride that the output rows need at least.
  size_t padded_outputs() const { return padded_; }

  // What to compute; rows of input and output lie `stride` floats apart.
  struct Rows {
    const float* input;
    size_t input_stride;
    float* output;
    size_t output_stride;
    size_t count;
    // The input is that of the call before on this workspace: what was made of it is used again.
    bool same_input = false;
  };
  // Columns [begin, end) of the output, begin on a panel's edge.
  void apply(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
             Activation activation, LinearWorkspace& workspace) const;
  // The part of the product that inputs [begin, end) contribute, begin a multiple of kInputGroup;
  // the bias is added with the first or the last.
  void apply_inputs(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
                    LinearWorkspace& workspace) const;
  // With whole numbers, products of so many inputs are summed in one go, a multiple of kInt8Group
  // and kInt16Step.
  static constexpr size_t kInputGroup = 384;

 private:
  // Adds a part's weights; its outputs begin at `column`.
  Status take_rows(WeightReader& reader, const Part& part,
                   const std::function<void(uint64_t, const float*)>& take) const;
  Status pack_halves(WeightReader& reader, const Part& part, uint32_t column);
  Status pack_bytes(WeightReader& reader, const Part& part, uint32_t column);
  Status pack_words(WeightReader& reader, const Part& part, uint32_t column);
  // The above that the precision asks for.
  Status pack(WeightReader& reader, const Part& part, uint32_t column);
  size_t group_depth(size_t group) const;
  // Columns [begin, end) of the product of inputs [first, last); rows.input is input `first`.
  void apply_part(const Kernels& kernels, const Rows& rows, size_t begin, size_t end, size_t first,
                  size_t last, Activation activation, LinearWorkspace& workspace) const;
  void apply_bytes(const Kernels& kernels, const Rows& rows, size_t begin, size_t end, size_t first,
                   size_t last, Activation activation, LinearWorkspace& workspace) const;
  void apply_words(const Kernels& kernels, const Rows& rows, size_t begin, size_t end, size_t first,
                   size_t last, Activation activation, LinearWorkspace& workspace) const;
  // Calls body(first column, last column, member) for stretches of [begin, end) of whole panels.
  static void share_columns(size_t begin, size_t end, Team* team,
                            const std::function<void(size_t, size_t, size_t)>& body);

  Precision precision_ = Precision::fp32;
  uint32_t inputs_ = 0;
  uint32_t outputs_ = 0;
  size_t padded_ = 0;
  size_t panel_width_ = 0;
  size_t depth_step_ = 0;
  AlignedBuffer<Half> panels_;  // or Bfloats
  AlignedBuffer<float> bias_;
  // int8 and int16: for each group of inputs the panels of its depth and each column's step; with
  // int8 also each column's sum, both for each kInt8Group.
  AlignedBuffer<int8_t> bytes_;
  AlignedBuffer<int16_t> words_;
  AlignedBuffer<float> weight_steps_;
  AlignedBuffer<float> weight_sums_;
};

class LayerNorm {
 public:
  // Without `bias` rows are scaled only.
  static Result<LayerNorm> load(WeightReader& reader, const std::string& name, uint32_t width,
                                float epsilon, bool bias = true);
  // rows = norm(rows)
  void apply(const Kernels& kernels, float* rows, size_t stride, size_t count) const;
  // rows = norm(rows + residual)
  void apply(const Kernels& kernels, float* rows, size_t stride, const float* residual,
             size_t residual_stride, size_t count) const;

 private:
  std::vector<float> scale_;
  std::vector<float> shift_;
  float epsilon_ = 0;
};

}  // namespace headrace::embed
