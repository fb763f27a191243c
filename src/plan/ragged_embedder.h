// RaggedEmbedder: texts → weights of words, or a vector for each token (embed/ragged_encoder.h),
// joined with the model's tokenizer on a thread pool.
//
// Owns: tokenizer, model, one scratch per concurrently working thread. Threads: const and safe from
// any thread. Errors: those of model lookup and loading; cancelled.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "embed/ragged_encoder.h"
#include "plan/scratch_pool.h"
#include "plan/vector_model.h"

namespace headrace {

struct RaggedRows {
  std::vector<embed::RaggedRow> rows;  // row i is texts[i]'s
  uint64_t tokens = 0;                 // computed, special tokens included
  uint64_t cut = 0;                    // texts taken by their beginning
};

class RaggedEmbedder {
 public:
  // `model`: a folder, NAME or ORG/NAME. `output`: "sparse" or "tokens".
  static Result<std::shared_ptr<const RaggedEmbedder>> load(const std::string& model,
                                                            const std::string& output,
                                                            Precision precision = Precision::fp32);
  RaggedEmbedder(std::shared_ptr<const Tokenizer> tokenizer,
                 std::unique_ptr<const embed::RaggedEncoder> encoder);

  const EncoderInfo& info() const { return encoder_->info(); }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  // Texts may hold any bytes and be empty.
  Result<RaggedRows> embed(std::span<const std::string> texts, EmbedPurpose purpose,
                           ThreadPool& pool, const CancelToken* cancel = nullptr) const;

 private:
  Encoder::ScratchPtr take_scratch() const;
  void leave_out(embed::RaggedRow& row) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const embed::RaggedEncoder> encoder_;
  std::vector<uint32_t> skipped_;  // ids of tokens whose vectors the model leaves out, ascending
  mutable ScratchPool scratches_;
};

}  // namespace headrace
