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
  ShorterModel(std::shared_ptr<const VectorModel> model, uint32_t dimensions, bool to_length_1)
      : model_(std::move(model)), info_(model_->info()) {
    info_.dimension = dimensions;
    info_.cut_dimension = 0;
    info_.normalized = to_length_1;
    info_.fingerprint = hash128(fmt::format("{}|{} {}", info_.fingerprint,
                                            to_length_1 ? "dimensions" : "cut", dimensions))
                            .hex();
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
      if (info_.normalized) embed::normalize(std::span(to, kept));
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
                                                           uint32_t dimensions,
                                                           uint32_t space_dimension) {
  const uint32_t whole = model->info().dimension;
  const uint32_t own = model->info().cut_dimension;
  if (dimensions == 0 && own != 0 && own < whole && space_dimension != whole)
    return std::make_shared<const ShorterModel>(std::move(model), own, /*to_length_1=*/false);
  if (dimensions == 0 || dimensions == whole) return model;
  if (dimensions > whole) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} makes vectors of {} dimensions, not {}", model->info().name, whole,
                            dimensions),
                fmt::format("ask for {} or fewer", whole));
  }
  return std::make_shared<const ShorterModel>(std::move(model), dimensions, /*to_length_1=*/true);
}

}  // namespace headrace
