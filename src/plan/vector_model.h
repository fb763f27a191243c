// VectorModel: whatever turns texts into vectors: our own encoders, static models, ONNX files,
// remote endpoints, Python callables. Every stage that embeds speaks to this and to nothing below.
//
// Threads: a model is safe from any thread; embed() may be called from several at once. Errors:
// those of loading (what is missing and how to get it) and of the provider, each naming the model;
// cancelled. A failed call gives no vectors at all, never some.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/precision.h"
#include "runtime/cancel.h"
#include "runtime/thread_pool.h"
#include "transform/tokenizer.h"

namespace headrace {

// Which of the model's own prompts goes before each text.
enum class EmbedPurpose : uint8_t { plain, query, passage };

// Somebody waits for a query: it overtakes bulk work where the model can (at the next tile).
enum class EmbedPriority : uint8_t { bulk, query };

// What becomes of a text that is longer than the model reads.
enum class LongTexts : uint8_t {
  cut,     // embedded by its beginning
  window,  // embedded in windows, whose vectors are averaged by their lengths
};

struct EmbedOptions {
  EmbedPurpose purpose = EmbedPurpose::plain;
  EmbedPriority priority = EmbedPriority::bulk;
  const CancelToken* cancel = nullptr;
  // Given the vectors that were made before a call failed, by the text's number; on the calling
  // thread. For models whose vectors are paid for; may be none.
  std::function<void(size_t text, std::span<const float> vector)> keep = nullptr;
  // Given each text that the model refuses for itself, and why; on the calling thread. Its vector
  // is all zeros then. Without it, or where too many are refused, the call fails.
  std::function<void(size_t text, const Error& why)> refuse = nullptr;
};

struct Embeddings {
  std::vector<float> values;     // [texts, dimension], row-major
  std::vector<uint32_t> longer;  // texts longer than the model reads, ascending: cut or windowed
  uint64_t tokens = 0;           // computed, special tokens included
  uint64_t cut = 0;              // texts embedded by their beginning
  uint64_t windowed = 0;         // texts embedded in windows
  uint64_t reused = 0;           // texts whose vector was already there: repeated, or in the cache
  uint64_t requests = 0;         // to a remote endpoint, repeated ones included
  uint64_t retries = 0;          // repeated ones
  double cost = 0;               // tokens × the price given with the model

  // Adds the other's tokens, reused, requests, retries and cost.
  void add_counts(const Embeddings& other);
};

struct VectorModelInfo {
  std::string name;
  std::string kind;  // "encoder", "static", "onnx", "openai", "python"
  // Hex: same ⇒ same vectors of the same ids (weights, configuration, pooling, precision; of a
  // distilled table but for rounding). What ids a text becomes is Tokenizer::digest().
  std::string fingerprint;
  uint32_t dimension = 0;
  uint32_t cut_dimension =
      0;                     // what the model's own files ask its vectors to be cut to; 0: nothing
  uint32_t tokens_max = 0;   // special tokens included; 0: the model reads texts of any length
  bool normalized = false;   // vectors come out with length 1
  std::string query_prompt;  // put before a query / a passage
  std::string passage_prompt;
  std::string plain_prompt;  // … before a text of which nobody says what it is
  std::string precision;     // "fp32", "int8", …: what the arithmetic keeps
  std::string kernel;        // who computes: "avx2", "onnxruntime 1.23.0", a host's name, …
};

// The model's own prompt before a text; `Info` is of this model or of its encoder.
template <typename Info>
const std::string& prompt_for(const Info& info, EmbedPurpose purpose) {
  if (purpose == EmbedPurpose::query) return info.query_prompt;
  return purpose == EmbedPurpose::passage ? info.passage_prompt : info.plain_prompt;
}

class VectorModel {
 public:
  virtual ~VectorModel() = default;
  virtual const VectorModelInfo& info() const = 0;
  // Counts tokens for chunking. A model that brings none (remote, Python) has
  // Tokenizer::without_model(), which counts pieces of words.
  virtual const std::shared_ptr<const Tokenizer>& tokenizer() const = 0;
  // Row i of the answer is the vector of texts[i]. Texts may hold any bytes and be empty.
  virtual Result<Embeddings> embed(std::span<const std::string> texts, const EmbedOptions& options,
                                   ThreadPool& pool) const = 0;
  // Why vectors are not kept for later runs, where they should be and cannot; no reason to fail.
  // With `write` those that wait are written first.
  virtual Status kept(bool write) const {
    (void)write;
    return {};
  }
};

// "cut" or "window".
Result<LongTexts> parse_long_texts(const std::string& name);

struct ModelOptions {
  LongTexts long_texts = LongTexts::cut;
  // Of our own encoders; Precision::table: the static model distilled from it, as `static:M`.
  Precision precision = Precision::fp32;
  // Vectors are cut to so many and brought to length 1. 0: as the model's own files say, which may
  // cut them and leave them as they are.
  uint32_t dimensions = 0;
  // Of the vectors that are there already, 0: none. Those of a model whose own files cut them, made
  // before that was heeded, are whole: such stay whole.
  uint32_t space_dimension = 0;
  // Asked while a model is made (a static one, the first time), not kept.
  const CancelToken* cancel = nullptr;
  // Where vectors are kept between runs: a folder, "off", or empty for the default
  // (embed/vector_cache.h).
  std::string cache;
};

// What every model gets that is not loaded by name: identical texts once, long texts as wished.
// Without a fingerprint that stands for the weights (`persistent` false) nothing is kept on disk.
Result<std::shared_ptr<const VectorModel>> with_reuse(std::shared_ptr<const VectorModel> model,
                                                      const ModelOptions& options, bool persistent);

// Refuses a precision that was asked for by name ("" and "auto" are not) where the arithmetic is
// not ours to choose: `onnx:` and `openai:`. What nothing would read is not ignored.
Status check_precision_of(const std::string& spec, const std::string& precision);

// `spec`: a folder, NAME or ORG/NAME (see embed/model_store.h), `static:M`, `onnx:FILE`,
// `openai:URL#NAME`.
Result<std::shared_ptr<const VectorModel>> load_vector_model(const std::string& spec,
                                                             const ModelOptions& options = {});
// The name under which `spec`, loaded as `model`, is found from any other folder too: files and
// folders by their whole path.
std::string lasting_spec(const std::string& spec, const VectorModel& model);

}  // namespace headrace
