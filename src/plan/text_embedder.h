// TextEmbedder: text → vectors, the join of a model's tokenizer and its encoder on a thread pool.
//
// Identical texts are computed once; texts are sorted by length and packed into tiles of tokens, so
// that no padding is computed; the order of the answers is the order of the texts.
//
// Owns: tokenizer, encoder, one scratch per concurrently working thread. Threads: const and safe
// from any thread. Errors: those of model lookup and loading; cancelled.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "embed/encoder.h"
#include "runtime/cancel.h"
#include "runtime/thread_pool.h"
#include "transform/tokenizer.h"

namespace headrace {

enum class EmbedPurpose : uint8_t { plain, query, passage };

struct Embeddings {
  std::vector<float> values;  // [texts, dimension], row-major
  uint64_t tokens = 0;        // computed, special tokens included
  uint64_t cut = 0;           // texts longer than the model takes, embedded by their beginning
};

class TextEmbedder {
 public:
  // `model`: as for --model; see embed/model_store.h.
  static Result<std::shared_ptr<const TextEmbedder>> load(const std::string& model);
  TextEmbedder(std::shared_ptr<const Tokenizer> tokenizer, std::unique_ptr<const Encoder> encoder)
      : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)) {}

  const EncoderInfo& info() const { return encoder_->info(); }
  const std::shared_ptr<const Tokenizer>& tokenizer() const { return tokenizer_; }

  Result<Embeddings> embed(std::span<const std::string> texts, EmbedPurpose purpose,
                           ThreadPool& pool, const CancelToken* cancel = nullptr) const;

 private:
  Encoder::ScratchPtr take_scratch() const;
  void give_scratch(Encoder::ScratchPtr scratch) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const Encoder> encoder_;
  mutable Mutex mutex_;
  mutable std::vector<Encoder::ScratchPtr> scratches_ HR_GUARDED_BY(mutex_);
};

}  // namespace headrace
