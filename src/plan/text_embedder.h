// TextEmbedder: our own encoders as a VectorModel, the join of a model's tokenizer and its encoder
// on a thread pool.
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
#include "plan/scratch_pool.h"
#include "plan/vector_model.h"

namespace headrace {

// unsupported where the model's files ask for small letters and its tokenizer tells them apart from
// capitals: the vectors would be others.
Status check_case(const EncoderInfo& encoder, const Tokenizer& tokenizer);

class TextEmbedder final : public VectorModel {
 public:
  // `model`: as for --model; see embed/model_store.h.
  static Result<std::shared_ptr<const VectorModel>> load(const std::string& model,
                                                         Precision precision = Precision::fp32);
  TextEmbedder(std::shared_ptr<const Tokenizer> tokenizer, std::unique_ptr<const Encoder> encoder);

  const VectorModelInfo& info() const override { return info_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const override { return tokenizer_; }
  Result<Embeddings> embed(std::span<const std::string> texts, const EmbedOptions& options,
                           ThreadPool& pool) const override;

 private:
  Encoder::ScratchPtr take_scratch() const;
  // Of the prompt's tokens, those that have no say in a vector.
  size_t tokens_without_say(const std::string& prompt) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const Encoder> encoder_;
  VectorModelInfo info_;
  mutable ScratchPool scratches_;
};

}  // namespace headrace
