// TextEncoder: a transformer with what follows its last layer, as an Encoder: pooling, matrices
// over the pooled vectors, normalisation.
//
// Owns: the weights. Threads and errors: as Encoder.
#pragma once

#include <memory>

#include "base/result.h"
#include "embed/encoder.h"
#include "embed/kernels.h"
#include "embed/precision.h"

namespace headrace::embed {

Result<std::unique_ptr<const Encoder>> load_encoder(const ModelFiles& files, const Kernels& kernels,
                                                    Precision precision = Precision::fp32);

}  // namespace headrace::embed
