// Transformer: token ids → one row a token, for every family of encoders we know.
//
// The loop over layers exists once; what differs between families is data (transformer_weights.h).
// Activations of a tile of sequences lie packed, one row a token, without padding; every matrix
// product runs over all rows of the tile, attention over one sequence and head at a time.
//
// Owns: the weights. Threads: immutable after loading; run() is const and safe from any thread with
// one Scratch per thread. Errors: as Encoder::load and Encoder::embed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/encoder.h"
#include "embed/kernels.h"
#include "embed/layers.h"
#include "embed/model_config.h"
#include "embed/transformer_weights.h"

namespace headrace {

// Buffers for one tile; rows are `stride` floats apart.
class Encoder::Scratch {
 public:
  embed::AlignedBuffer<float> state;  // tokens x hidden: what enters a layer
  // tokens x (query, then attention's result; key, then what leaves the block; value)
  embed::AlignedBuffer<float> projected;
  embed::AlignedBuffer<float> inner;      // some tokens x some of the intermediate columns
  embed::AlignedBuffer<float> gate;       // the same, where they are gated
  embed::AlignedBuffer<float> normed;     // some tokens x hidden, where norms come first
  embed::AlignedBuffer<float> attention;  // the kernels' own, for each member of a team
  size_t attention_share = 0;             // floats
  embed::AlignedBuffer<float> head;       // of what follows the last layer
  embed::AlignedBuffer<float> head_next;
  embed::AlignedBuffer<float> head_slice;
  std::vector<uint32_t> places;  // of the tile's tokens in their texts
  const std::function<void()>* between = nullptr;

  // A step is done.
  void step() const {
    if (between != nullptr && *between) (*between)();
  }
  embed::LinearWorkspace linear;
  embed::LinearWorkspace inner_linear;

  // The threads that share the work from now on; null: the caller alone.
  void share_with(Team* team) {
    linear.team = team;
    inner_linear.team = team;
  }
  Team* team() const { return linear.team; }
};

namespace embed {

// A text's ids, special tokens included.
struct TokenSequence {
  std::span<const int32_t> ids;
  // Where tokens of the second kind begin (the second of a pair of texts).
  size_t second = std::numeric_limits<size_t>::max();
};

class Transformer {
 public:
  Transformer(ModelConfig config, const Kernels& kernels, TransformerWeights weights)
      : config_(std::move(config)),
        kernels_(kernels),
        stride_(round_up(config_.hidden, kPanelWidthMax)),
        // What leaves a block lies where keys were, padded like any row.
        wide_(round_up(std::max(3 * size_t{config_.hidden}, config_.hidden + stride_),
                       kPanelWidthMax)),
        weights_(std::move(weights)) {
    make_window_bias();
  }

  const ModelConfig& config() const { return config_; }
  const Kernels& kernels() const { return kernels_; }
  const TransformerWeights& weights() const { return weights_; }
  // Between two rows, in floats.
  size_t stride() const { return stride_; }

  using Sequences = std::span<const TokenSequence>;
  // Lengths and ids; `name` is the model's, for the message.
  Status check(Sequences sequences, const std::string& name) const;
  // Runs the sequences tile by tile; take(number of the tile's first sequence, how many, their
  // tokens' rows one after another) sees each tile once. They must have passed check().
  void run(Sequences sequences, Encoder::Scratch& scratch, const std::function<void()>& between,
           const std::function<void(size_t first, size_t count, const float* rows)>& take) const;
  // How many tokens a tile has at least, while there are sequences left.
  static constexpr size_t kTileTokens = 256;

 private:
  void make_window_bias();
  void run_tile(Sequences tile, size_t tokens, Encoder::Scratch& scratch) const;
  void look_up(Sequences tile, float* state) const;
  void attend(const Layer& layer, Sequences tile, size_t tokens, Encoder::Scratch& scratch) const;
  void attend_heads(const Layer& layer, Sequences tile, Encoder::Scratch& scratch) const;
  void attend_head(const Layer& layer, size_t head, size_t tokens, float* projected,
                   float* workspace) const;
  void feed_forward(const Layer& layer, size_t tokens, Encoder::Scratch& scratch) const;
  // Rows of hidden floats, and so many floats from one to the next.
  template <class Float>
  struct Strided {
    Float* data;
    size_t stride;
  };
  // The rows as a part of a layer reads them: themselves, or with norms that come first a copy.
  Strided<const float> entering(const std::optional<LayerNorm>& norm, Strided<const float> rows,
                                size_t count, Encoder::Scratch& scratch) const;
  // A part's result: what entered is added, and with norms that come last it is normalised.
  void leave(const std::optional<LayerNorm>& norm, Strided<float> rows,
             Strided<const float> entered, size_t count) const;
  size_t stretch(size_t row_floats, size_t tokens) const;
  size_t inner_columns(size_t rows) const;

  ModelConfig config_;
  const Kernels& kernels_;
  size_t stride_;
  size_t wide_;  // of rows of query, key and value
  TransformerWeights weights_;
  // For each distance what local layers add to a score: nothing, or minus infinity.
  std::vector<float> window_bias_;
};

}  // namespace embed
}  // namespace headrace
