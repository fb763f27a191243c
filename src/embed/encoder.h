// Encoder: token ids → vectors, by our own CPU engine.
//
// Owns: the weights (mapped read-only where possible, packed once). Threads: a loaded Encoder is
// immutable; embed() is const and safe from any thread with one Scratch per thread. Errors: load()
// names the file and the tensor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/model_store.h"
#include "embed/precision.h"
#include "runtime/team.h"

namespace headrace {

struct EncoderInfo {
  std::string name;
  std::string
      fingerprint;  // hex hash of weights, configuration, precision: same ⇒ same vectors of ids
  uint32_t dimension = 0;      // of what embed() gives
  uint32_t cut_dimension = 0;  // what the model's own files cut that to afterwards; 0: nothing
  uint32_t tokens_max = 0;     // special tokens included; what the model's own files say
  bool normalized = false;     // the model's own files end in a Normalize module
  std::string query_prompt;    // put before a query / a passage, from the model's own files
  std::string passage_prompt;
  std::string plain_prompt;  // before a text of which nobody says what it is
  bool pools_prompt = true;  // else embed() must be told how many tokens the prompt has
  bool lower_cases = false;  // texts are to be in small letters before they are tokens
  Precision precision = Precision::fp32;
  std::string kernel;  // "avx512amx", "avx512vnni", "avx512", "avx2", "neondot", "neon", "scalar"
};

class Encoder {
 public:
  // Working memory of one thread; grows to the largest tile and stays.
  class Scratch;
  struct ScratchDeleter {
    void operator()(Scratch* scratch) const;
  };
  using ScratchPtr = std::unique_ptr<Scratch, ScratchDeleter>;

  virtual ~Encoder() = default;
  // Loads and packs the model; rejects what it cannot run exactly, naming the setting.
  static Result<std::unique_ptr<const Encoder>> load(const ModelFiles& files,
                                                     Precision precision = Precision::fp32);

  virtual const EncoderInfo& info() const = 0;
  virtual ScratchPtr new_scratch() const = 0;
  // How many tokens one call should be given for best speed (the tile that fits the cache).
  virtual size_t tile_tokens() const = 0;

  // Embeds each sequence (ids with special tokens, 1 … tokens_max of them, each < vocabulary) and
  // writes row i to out[i * dimension …]. Bit-identical whatever else is in the call.
  // `between` is called every millisecond or so, between steps: bulk work makes way there.
  // With a `team` its threads share each step: for a call that would leave cores idle.
  // The first `prompt_tokens` of each sequence are read, and have no say in its vector.
  // Errors: invalid_argument for an id or a length out of range.
  virtual Status embed(std::span<const std::span<const int32_t>> sequences, std::span<float> out,
                       Scratch& scratch, const std::function<void()>& between = {},
                       Team* team = nullptr, size_t prompt_tokens = 0) const = 0;
};

}  // namespace headrace
