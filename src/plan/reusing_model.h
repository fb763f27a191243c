// ReusingModel: reuse before compute, in front of any VectorModel. A text is computed once, however
// often it comes: within a call, by several calls at the same time (the later ones wait for the
// first), lately (a bounded memory), and in earlier runs (a VectorCache, if there is one).
//
// A query does not wait for bulk work that happens to hold its text, and leaves nothing on disk.
//
// Owns: the model, the cache, the memory of late vectors (kRecentBytesMax). Threads: safe from any.
// Errors: those of the model; a failed call leaves nothing behind.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "embed/vector_cache.h"
#include "plan/vector_model.h"

namespace headrace {

class ReusingModel final : public VectorModel {
 public:
  static constexpr uint64_t kRecentBytesMax = 8ULL << 20;

  // `mode`: what else decides about the vectors (how long texts are taken); `cache` may be null.
  ReusingModel(std::shared_ptr<const VectorModel> model, std::string mode,
               std::unique_ptr<VectorCache> cache);

  const VectorModelInfo& info() const override { return model_->info(); }
  const std::shared_ptr<const Tokenizer>& tokenizer() const override { return model_->tokenizer(); }
  Result<Embeddings> embed(std::span<const std::string> texts, const EmbedOptions& options,
                           ThreadPool& pool) const override;
  Status kept(bool write) const override;

 private:
  struct Plan;

  Hash128 key_of(std::string_view text, const std::string& prompt) const;
  bool recall(const Hash128& key, bool persistent, CachedVector& out) const HR_EXCLUDES(mutex_);
  void remember(const Hash128& key, const CachedVector& vector) const HR_EXCLUDES(mutex_);
  // True when this call is to compute the key; false when another one is at it.
  bool take_off(const Hash128& key) const HR_EXCLUDES(mutex_);
  void land(std::span<const Hash128> keys) const HR_EXCLUDES(mutex_);
  Status wait_for(const Hash128& key, const CancelToken* cancel) const HR_EXCLUDES(mutex_);
  Status compute(Plan& plan, const EmbedOptions& options, ThreadPool& pool) const;

  const std::shared_ptr<const VectorModel> model_;
  const std::string mode_;
  const std::unique_ptr<VectorCache> cache_;
  const size_t recent_max_;
  mutable Mutex mutex_;
  mutable CondVar landed_;
  mutable std::map<Hash128, CachedVector> recent_ HR_GUARDED_BY(mutex_);
  mutable std::deque<Hash128> recent_order_ HR_GUARDED_BY(mutex_);  // oldest first
  mutable std::map<Hash128, uint32_t> flying_ HR_GUARDED_BY(mutex_);
};

}  // namespace headrace
