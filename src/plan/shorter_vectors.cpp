#include "plan/shorter_vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "embed/pooling.h"

namespace headrace {

namespace {

class ShorterModel final : public VectorModel {
 public:
  ShorterModel(std::shared_ptr<const VectorModel> model, uint32_t dimensions)
      : model_(std::move(model)), info_(model_->info()) {
    info_.dimension = dimensions;
    info_.normalized = true;
    info_.fingerprint =
        hash128(fmt::format("{}|dimensions {}", info_.fingerprint, dimensions)).hex();
  }

  const VectorModelInfo& info() const override { return info_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const override { return model_->tokenizer(); }

  Result<Embeddings> embed(std::span<const std::string> texts, const EmbedOptions& options,
                           ThreadPool& pool) const override {
    HR_ASSIGN(Embeddings result, model_->embed(texts, options, pool));
    const size_t whole = model_->info().dimension;
    const size_t kept = info_.dimension;
    // Rows move towards the front, in place.
    for (size_t i = 0; i < texts.size(); ++i) {
      float* const to = result.values.data() + i * kept;
      std::copy_n(result.values.data() + i * whole, kept, to);
      embed::normalize(std::span(to, kept));
    }
    result.values.resize(texts.size() * kept);
    return result;
  }

 private:
  const std::shared_ptr<const VectorModel> model_;
  VectorModelInfo info_;
};

}  // namespace

Result<std::shared_ptr<const VectorModel>> with_dimensions(std::shared_ptr<const VectorModel> model,
                                                           uint32_t dimensions) {
  const uint32_t whole = model->info().dimension;
  if (dimensions == 0 || dimensions == whole) return model;
  if (dimensions > whole) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} makes vectors of {} dimensions, not {}", model->info().name, whole,
                            dimensions),
                fmt::format("ask for {} or fewer", whole));
  }
  return std::make_shared<const ShorterModel>(std::move(model), dimensions);
}

}  // namespace headrace
