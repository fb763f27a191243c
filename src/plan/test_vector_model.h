// A VectorModel for tests: a vector tells its text's bytes and length, and every computed text is
// counted.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "plan/vector_model.h"

namespace headrace {

class CountingModel final : public VectorModel {
 public:
  explicit CountingModel(uint32_t tokens_max = 0, std::string kind = "test",
                         uint32_t cut_dimension = 0)
      : tokenizer_(Tokenizer::without_model()) {
    info_.name = "counting";
    info_.kind = std::move(kind);
    info_.fingerprint = "counting";
    info_.dimension = 2;
    info_.cut_dimension = cut_dimension;
    info_.tokens_max = tokens_max;
    info_.query_prompt = "query: ";
  }
  const VectorModelInfo& info() const override { return info_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const override { return tokenizer_; }

  Result<Embeddings> embed(std::span<const std::string> texts, const EmbedOptions& /*options*/,
                           ThreadPool& /*pool*/) const override {
    if (during) during();
    most_at_once = std::max(most_at_once.load(), texts.size());
    if (fails) return fail(ErrorCode::io, "failed as asked");
    Embeddings result;
    for (const std::string& text : texts) {
      const MutexLock lock(mutex_);
      ++computed_[text];
      ++result.tokens;
      result.values.push_back(static_cast<float>(text.size()));
      result.values.push_back(static_cast<float>(hash64(text) % 1000));
    }
    return result;
  }
  static std::vector<float> expected(const std::string& text) {
    return {static_cast<float>(text.size()), static_cast<float>(hash64(text) % 1000)};
  }
  std::map<std::string, int> computed() const {
    const MutexLock lock(mutex_);
    return computed_;
  }

  std::function<void()> during;
  std::atomic<bool> fails = false;
  mutable std::atomic<size_t> most_at_once = 0;

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  VectorModelInfo info_;
  mutable Mutex mutex_;
  mutable std::map<std::string, int> computed_ HR_GUARDED_BY(mutex_);
};

}  // namespace headrace
