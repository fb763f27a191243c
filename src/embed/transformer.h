// Transformer: the encoder for the families that share BERT's layers.
//
// The seam for architectures: a family is a row of tensor names (names_of) plus what its
// embeddings need; the loop over layers exists once. Activations of a tile of sequences lie
// packed, one row a token, without padding; every matrix product runs over all rows of the tile,
// attention over one sequence and head at a time.
//
// Owns: the weights. Threads: as Encoder. Errors: as Encoder::load.
#pragma once

#include <memory>

#include "base/result.h"
#include "embed/encoder.h"
#include "embed/kernels.h"
#include "embed/model_config.h"

namespace headrace::embed {

Result<std::unique_ptr<const Encoder>> load_transformer(const ModelFiles& files,
                                                        const Kernels& kernels,
                                                        Precision precision = Precision::fp32);

}  // namespace headrace::embed
