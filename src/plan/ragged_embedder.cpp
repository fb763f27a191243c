#include "plan/ragged_embedder.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "embed/kernels.h"
#include "embed/model_store.h"
#include "embed/transformer.h"
#include "plan/text_embedder.h"
#include "plan/tiles.h"
#include "runtime/right_of_way.h"

namespace headrace {

RaggedEmbedder::RaggedEmbedder(std::shared_ptr<const Tokenizer> tokenizer,
                               std::unique_ptr<const embed::RaggedEncoder> encoder)
    : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)) {
  // What is no token of its own is in no text either.
  for (const std::string& token : encoder_->skipped().tokens) {
    if (const int32_t id = tokenizer_->id_of(token); id >= 0)
      skipped_.push_back(static_cast<uint32_t>(id));
  }
  std::ranges::sort(skipped_);
}

Result<std::shared_ptr<const RaggedEmbedder>> RaggedEmbedder::load(const std::string& model,
                                                                   const std::string& output,
                                                                   Precision precision) {
  if (output != "sparse" && output != "tokens") {
    return fail(ErrorCode::invalid_argument, "\"" + output + "\" is no output",
                "give dense, sparse or tokens");
  }
  if (precision == Precision::table) {
    return fail(ErrorCode::invalid_argument, "a static model has dense vectors only",
                "give auto, fp32, bf16, int16 or int8");
  }
  HR_ASSIGN(const ModelFiles files, find_model(model));
  HR_ASSIGN(auto tokenizer, Tokenizer::load(files.directory));
  const auto wanted = output == "sparse" ? embed::ModelOutput::sparse : embed::ModelOutput::tokens;
  HR_ASSIGN(auto encoder, embed::RaggedEncoder::load(files, embed::kernels(), wanted, precision));
  HR_TRY(check_case(encoder->info(), *tokenizer));
  return std::make_shared<const RaggedEmbedder>(std::move(tokenizer), std::move(encoder));
}

Encoder::ScratchPtr RaggedEmbedder::take_scratch() const {
  Encoder::ScratchPtr scratch = scratches_.take();
  return scratch ? std::move(scratch) : encoder_->new_scratch();
}

void RaggedEmbedder::leave_out(embed::RaggedRow& row) const {
  const size_t dimension = encoder_->info().dimension;
  size_t kept = 0;
  for (size_t i = 0; i < row.ids.size(); ++i) {
    if (std::ranges::binary_search(skipped_, row.ids[i])) continue;
    row.ids[kept] = row.ids[i];
    std::copy_n(row.values.begin() + static_cast<std::ptrdiff_t>(i * dimension), dimension,
                row.values.begin() + static_cast<std::ptrdiff_t>(kept * dimension));
    ++kept;
  }
  row.ids.resize(kept);
  row.values.resize(kept * dimension);
}

Result<RaggedRows> RaggedEmbedder::embed(std::span<const std::string> texts, EmbedPurpose purpose,
                                         ThreadPool& pool, const CancelToken* cancel) const {
  const EncoderInfo& model = encoder_->info();
  const std::string& prompt = prompt_for(model, purpose);
  const embed::SkippedTokens& skipped = encoder_->skipped();
  const bool leaves_out =
      !skipped_.empty() &&
      (purpose == EmbedPurpose::query ? skipped.in_queries : skipped.in_passages);
  std::vector<std::vector<int32_t>> ids(texts.size());
  std::atomic<uint64_t> cut = 0;
  pool.parallel_for(texts.size(), [&](size_t i) {
    const size_t all = tokenizer_->encode_ids(prompt + texts[i], model.tokens_max, ids[i]);
    if (all > model.tokens_max) cut.fetch_add(1, std::memory_order_relaxed);
  });
  RaggedRows result;
  result.rows.resize(texts.size());
  result.cut = cut;
  std::vector<size_t> lengths;
  for (const auto& sequence : ids) {
    lengths.push_back(sequence.size());
    result.tokens += sequence.size();
  }
  const auto tiles = make_tiles(lengths, embed::Transformer::kTileTokens);

  Mutex failure_mutex;
  std::optional<Error> failure;
  std::atomic<bool> failed = false;
  pool.parallel_for(tiles.size(), [&](size_t t) {
    if (failed.load(std::memory_order_relaxed) || (cancel != nullptr && cancel->requested()))
      return;
    std::vector<std::span<const int32_t>> sequences;
    for (const uint32_t i : tiles[t]) sequences.emplace_back(ids[i]);
    std::vector<embed::RaggedRow> rows(sequences.size());
    Encoder::ScratchPtr scratch = take_scratch();
    RightOfWay::Bulk bulk(RightOfWay::of_process());
    Status status = encoder_->embed(sequences, rows, *scratch, [&] { bulk.offer(); });
    scratches_.give(std::move(scratch));
    if (!status) {
      const MutexLock lock(failure_mutex);
      failed = true;
      failure = std::move(status).error();
      return;
    }
    if (leaves_out) std::ranges::for_each(rows, [&](auto& row) { leave_out(row); });
    for (size_t i = 0; i < rows.size(); ++i) result.rows[tiles[t][i]] = std::move(rows[i]);
  });
  if (failure) return std::unexpected(std::move(*failure));
  if (cancel != nullptr) HR_TRY(cancel->check());
  return result;
}

}  // namespace headrace
