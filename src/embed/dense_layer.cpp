#include "embed/dense_layer.h"

#include <cmath>

#include "embed/safetensors.h"

namespace headrace::embed {
namespace {

float squashed(Squash squash, float x) {
  switch (squash) {
    case Squash::none:
      return x;
    case Squash::tanh:
      return std::tanh(x);
    case Squash::relu:
      return x > 0 ? x : 0;
    case Squash::gelu:
      return 0.5f * x * (1 + std::erf(x * 0.70710678f));
    case Squash::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Squash::silu:
      return x / (1 + std::exp(-x));
  }
  return x;
}

}  // namespace

Result<DenseLayer> DenseLayer::load(const std::string& directory, const DenseConfig& config,
                                    const Kernels& kernels, Precision precision,
                                    Hasher128& digest) {
  HR_ASSIGN(const SafeTensors file,
            SafeTensors::open(directory + "/" + config.folder + "/model.safetensors"));
  WeightReader reader(file, "", kernels, precision);
  const Linear::Part part{"linear.weight", config.bias ? "linear.bias" : "", config.outputs};
  HR_ASSIGN(DenseLayer layer, load(reader, part, config.inputs, config.squash));
  digest.update(reader.digest().hex());
  return layer;
}

Result<DenseLayer> DenseLayer::load(WeightReader& reader, const Linear::Part& part, uint32_t inputs,
                                    Squash squash) {
  DenseLayer layer;
  layer.squash_ = squash;
  HR_ASSIGN(layer.linear_, Linear::load(reader, {&part, 1}, inputs));
  return layer;
}

void DenseLayer::apply(const Kernels& kernels, const Linear::Rows& rows,
                       LinearWorkspace& workspace) const {
  linear_.apply(kernels, rows, 0, linear_.padded_outputs(), Activation::none, workspace);
  if (squash_ == Squash::none) return;
  for (size_t row = 0; row < rows.count; ++row) {
    float* const values = rows.output + row * rows.output_stride;
    for (size_t i = 0; i < linear_.outputs(); ++i) values[i] = squashed(squash_, values[i]);
  }
}

}  // namespace headrace::embed
