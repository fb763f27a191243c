// StaticEmbedder: a static model (embed/static_model.h) behind the interface of all models, joined
// with its tokenizer. Texts of any length are read whole.
//
// `static:M` is M itself where M is a static model, else distilled from M: once, then kept in the
// user's cache. Without a cache folder it is distilled each time.
//
// Threads: const and safe from any thread. Errors: those of model lookup and loading; cancelled.
#pragma once

#include <memory>
#include <string>

#include "embed/static_model.h"
#include "plan/vector_model.h"

namespace headrace {

class StaticEmbedder final : public VectorModel {
 public:
  // `model`: as for --model, without "static:".
  // `cancel` may be null; it ends the distilling.
  static Result<std::shared_ptr<const VectorModel>> load(const std::string& model,
                                                         const CancelToken* cancel = nullptr);
  StaticEmbedder(VectorModelInfo info, std::shared_ptr<const Tokenizer> tokenizer,
                 embed::StaticModel model);

  const VectorModelInfo& info() const override { return info_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const override { return tokenizer_; }
  Result<Embeddings> embed(std::span<const std::string> texts, const EmbedOptions& options,
                           ThreadPool& pool) const override;

 private:
  VectorModelInfo info_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  embed::StaticModel model_;
  size_t special_before_ = 0;
  size_t special_after_ = 0;
};

}  // namespace headrace
