#include "plan/text_reranker.h"

#include <atomic>
#include <optional>
#include <utility>

#include "embed/kernels.h"
#include "embed/model_store.h"
#include "plan/text_pairs.h"
#include "plan/tiles.h"
#include "runtime/right_of_way.h"

namespace headrace {

TextReranker::TextReranker(std::shared_ptr<const Tokenizer> tokenizer,
                           std::unique_ptr<const embed::Reranker> reranker)
    : tokenizer_(std::move(tokenizer)), reranker_(std::move(reranker)) {}

Result<std::shared_ptr<const TextReranker>> TextReranker::load(const std::string& model,
                                                               Precision precision) {
  if (precision == Precision::table) {
    return fail(ErrorCode::invalid_argument, "there is no static model of a reranker",
                "give auto, fp32, bf16, int16 or int8");
  }
  HR_ASSIGN(const ModelFiles files, find_model(model));
  HR_ASSIGN(auto tokenizer, Tokenizer::load(files.directory));
  HR_ASSIGN(auto reranker, embed::Reranker::load(files, embed::kernels(), precision));
  return std::make_shared<const TextReranker>(std::move(tokenizer), std::move(reranker));
}

Encoder::ScratchPtr TextReranker::take_scratch() const {
  Encoder::ScratchPtr scratch = scratches_.take();
  return scratch ? std::move(scratch) : reranker_->new_scratch();
}

Result<std::vector<float>> TextReranker::rerank(const std::string& query,
                                                std::span<const std::string> texts,
                                                ThreadPool& pool, const CancelToken* cancel) const {
  const RightOfWay::Urgent urgent(RightOfWay::of_process());
  const TextPairs joined(*tokenizer_, reranker_->prompt() + query, reranker_->tokens_max());
  std::vector<TextPair> pairs(texts.size());
  pool.parallel_for(texts.size(), [&](size_t i) { pairs[i] = joined.with(texts[i]); });
  std::vector<size_t> lengths(texts.size());
  for (size_t i = 0; i < pairs.size(); ++i) lengths[i] = pairs[i].ids.size();
  const auto tiles = make_tiles(lengths, embed::Transformer::kTileTokens);

  std::vector<float> scores(texts.size());
  Mutex failure_mutex;
  std::optional<Error> failure;
  std::atomic<bool> failed = false;
  pool.parallel_for(tiles.size(), [&](size_t t) {
    if (failed.load(std::memory_order_relaxed) || (cancel != nullptr && cancel->requested()))
      return;
    std::vector<embed::TokenSequence> sequences;
    for (const uint32_t i : tiles[t])
      sequences.push_back({.ids = pairs[i].ids, .second = pairs[i].second});
    std::vector<float> out(sequences.size());
    Encoder::ScratchPtr scratch = take_scratch();
    Status status = reranker_->score(sequences, out, *scratch);
    scratches_.give(std::move(scratch));
    if (!status) {
      const MutexLock lock(failure_mutex);
      failed = true;
      failure = std::move(status).error();
      return;
    }
    for (size_t i = 0; i < out.size(); ++i) scores[tiles[t][i]] = out[i];
  });
  if (failure) return std::unexpected(std::move(*failure));
  if (cancel != nullptr) HR_TRY(cancel->check());
  return scores;
}

}  // namespace headrace
