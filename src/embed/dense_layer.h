// DenseLayer: a matrix with an activation after pooling, or over every token's row, from a folder
// of its own in the model's.
//
// Owns: its weights. Threads: immutable after loading. Errors: loading names file and tensor.
#pragma once

#include <string>

#include "base/hash.h"
#include "base/result.h"
#include "embed/layers.h"
#include "embed/model_config.h"

namespace headrace::embed {

class DenseLayer {
 public:
  // `directory` is the model's; `digest` takes in what was read.
  static Result<DenseLayer> load(const std::string& directory, const DenseConfig& config,
                                 const Kernels& kernels, Precision precision, Hasher128& digest);
  // From tensors of the model's own file.
  static Result<DenseLayer> load(WeightReader& reader, const Linear::Part& part, uint32_t inputs,
                                 Squash squash);

  uint32_t outputs() const { return linear_.outputs(); }
  // The least stride of output rows.
  size_t padded_outputs() const { return linear_.padded_outputs(); }
  void apply(const Kernels& kernels, const Linear::Rows& rows, LinearWorkspace& workspace) const;

 private:
  Linear linear_;
  Squash squash_ = Squash::none;
};

}  // namespace headrace::embed
