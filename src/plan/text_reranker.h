// TextReranker: how well texts answer a query, by a cross-encoder: slower and better than comparing
// vectors, so made for the best rows of a search.
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
#include "embed/reranker.h"
#include "plan/scratch_pool.h"
#include "runtime/cancel.h"
#include "runtime/thread_pool.h"
#include "transform/tokenizer.h"

namespace headrace {

inline constexpr const char* kDefaultReranker = "cross-encoder/ms-marco-MiniLM-L6-v2";

class TextReranker {
 public:
  // `model`: a folder, NAME or ORG/NAME, see embed/model_store.h.
  static Result<std::shared_ptr<const TextReranker>> load(const std::string& model,
                                                          Precision precision = Precision::fp32);
  TextReranker(std::shared_ptr<const Tokenizer> tokenizer,
               std::unique_ptr<const embed::Reranker> reranker);

  const embed::Reranker& model() const { return *reranker_; }
  // The score of each text, the higher the better. Somebody waits for it: bulk work makes way.
  Result<std::vector<float>> rerank(const std::string& query, std::span<const std::string> texts,
                                    ThreadPool& pool, const CancelToken* cancel = nullptr) const;

 private:
  Encoder::ScratchPtr take_scratch() const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const embed::Reranker> reranker_;
  mutable ScratchPool scratches_;
};

}  // namespace headrace
