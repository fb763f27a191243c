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
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "embed/kernels.h"
#include "embed/safetensors.h"

namespace headrace::embed {

// A buffer of T at a 64-byte boundary, zeroed.
template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t count) { resize(count); }
  void resize(size_t count) {
    lines_.resize((count * sizeof(T) + sizeof(Line) - 1) / sizeof(Line));
    count_ = count;
  }
  void grow(size_t count) {
    if (count > count_) resize(count);
  }
  size_t size() const { return count_; }
  T* data() { return reinterpret_cast<T*>(lines_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(lines_.data()); }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> lines_;
  size_t count_ = 0;
};

// Reads tensors in a fixed order and hashes what it read, so that equal hashes mean equal weights.
class WeightReader {
 public:
  // `prefix` is put before every name ("bert." or nothing).
  WeightReader(const SafeTensors& file, std::string prefix, const Kernels& kernels)
      : file_(file), prefix_(std::move(prefix)), kernels_(kernels) {}

  const Kernels& kernels() const { return kernels_; }
  Result<std::vector<float>> vector(const std::string& name, uint64_t size);
  // A table row by row as halves.
  Result<AlignedBuffer<Half>> half_table(const std::string& name, uint64_t rows, uint64_t width);
  // Adds `count` rows of a table, from row `first` of its `rows`, to out (count x width).
  Status add_table(const std::string& name, uint64_t rows, uint64_t width, uint64_t first,
                   std::span<float> out);
  // Packs a matrix stored as [outputs, inputs] into panels whose columns begin at `column`.
  Status pack(const std::string& name, uint64_t outputs, uint64_t inputs, Half* panels,
              uint64_t column);
  Hash128 digest() const { return hasher_.digest(); }

 private:
  // Reads the tensor as rows of `width` floats: take(row number, floats).
  Status rows(const std::string& name, std::span<const uint64_t> shape, uint64_t width,
              const std::function<void(uint64_t, const float*)>& take);
  std::unexpected<Error> too_big(const std::string& name) const;

  const SafeTensors& file_;
  std::string prefix_;
  const Kernels& kernels_;
  Hasher128 hasher_;
};

// y = x W + b, W packed as halves in panels. Several matrices with the same input may lie side by
// side (query, key and value), so that one call computes them all.
class Linear {
 public:
  struct Part {
    std::string weight;  // tensor names
    std::string bias;    // empty: none
    uint32_t outputs;
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
  };
  // Columns [begin, end) of the output, begin on a panel's edge.
  void apply(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
             Activation activation, float* workspace) const;
  // The part of the product that inputs [begin, end) contribute; the bias is added with the last.
  void apply_inputs(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
                    float* workspace) const;

 private:
  uint32_t inputs_ = 0;
  uint32_t outputs_ = 0;
  size_t padded_ = 0;
  size_t panel_width_ = 0;
  AlignedBuffer<Half> panels_;
  AlignedBuffer<float> bias_;
};

class LayerNorm {
 public:
  static Result<LayerNorm> load(WeightReader& reader, const std::string& name, uint32_t width,
                                float epsilon);
  // rows = norm(rows + residual); residual may be null and has the same stride.
  void apply(const Kernels& kernels, float* rows, const float* residual, size_t stride,
             size_t count) const;

 private:
  std::vector<float> scale_;
  std::vector<float> shift_;
  float epsilon_ = 0;
};

}  // namespace headrace::embed
