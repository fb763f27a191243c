#include "plan/text_embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "memory/budget.h"
#include "plan/tiles.h"
#include "runtime/right_of_way.h"

namespace headrace {

namespace {

// Token ids of all texts in one buffer; texts with equal ids share one entry.
struct TokenisedTexts {
  std::vector<std::vector<int32_t>> distinct;
  std::vector<uint32_t> distinct_of_text;
  uint64_t tokens = 0;
  std::vector<uint32_t> longer;  // texts that were cut
};

TokenisedTexts tokenise(const Tokenizer& tokenizer, std::span<const std::string> texts,
                        const std::string& prompt, size_t tokens_max, ThreadPool& pool) {
  std::vector<std::vector<int32_t>> ids(texts.size());
  std::vector<uint8_t> cut(texts.size(), 0);
  constexpr size_t kTextsPerTask = 64;
  pool.parallel_for((texts.size() + kTextsPerTask - 1) / kTextsPerTask, [&](size_t task) {
    const size_t end = std::min(texts.size(), (task + 1) * kTextsPerTask);
    for (size_t i = task * kTextsPerTask; i < end; ++i) {
      const size_t all = prompt.empty()
                             ? tokenizer.encode_ids(texts[i], tokens_max, ids[i])
                             : tokenizer.encode_ids(prompt + texts[i], tokens_max, ids[i]);
      cut[i] = all > tokens_max ? 1 : 0;
    }
  });
  TokenisedTexts result;
  result.distinct_of_text.resize(texts.size());
  std::unordered_map<std::string_view, uint32_t> seen;
  for (size_t i = 0; i < ids.size(); ++i) {
    // The vector's buffer stays where it is when the vector is moved, so the view stays valid.
    const std::string_view bytes(reinterpret_cast<const char*>(ids[i].data()),
                                 ids[i].size() * sizeof(int32_t));
    const auto [entry, fresh] = seen.try_emplace(bytes, result.distinct.size());
    result.distinct_of_text[i] = entry->second;
    if (cut[i] != 0) result.longer.push_back(static_cast<uint32_t>(i));
    if (!fresh) continue;
    result.tokens += ids[i].size();
    result.distinct.push_back(std::move(ids[i]));
  }
  return result;
}

}  // namespace

Status check_case(const EncoderInfo& encoder, const Tokenizer& tokenizer) {
  if (!encoder.lower_cases) return {};
  Encoding large, small;
  tokenizer.encode("The River MILL", large);
  tokenizer.encode("the river mill", small);
  if (large.ids == small.ids) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("{}: \"do_lower_case\" is true in sentence_bert_config.json, and "
                          "tokenizer.json keeps capitals",
                          encoder.name),
              "give tokenizer.json the normalizer Lowercase");
}

TextEmbedder::TextEmbedder(std::shared_ptr<const Tokenizer> tokenizer,
                           std::unique_ptr<const Encoder> encoder)
    : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)) {
  const EncoderInfo& known = encoder_->info();
  info_.name = known.name;
  info_.kind = "encoder";
  info_.fingerprint = known.fingerprint;
  info_.dimension = known.dimension;
  info_.cut_dimension = known.cut_dimension;
  info_.tokens_max = known.tokens_max;
  info_.normalized = known.normalized;
  info_.query_prompt = known.query_prompt;
  info_.passage_prompt = known.passage_prompt;
  info_.plain_prompt = known.plain_prompt;
  info_.precision = precision_name(known.precision);
  info_.kernel = known.kernel;
}

Result<std::shared_ptr<const VectorModel>> TextEmbedder::load(const std::string& model,
                                                              Precision precision) {
  HR_ASSIGN(const ModelFiles files, find_model(model));
  HR_ASSIGN(auto tokenizer, Tokenizer::load(files.directory));
  HR_ASSIGN(auto encoder, Encoder::load(files, precision));
  HR_TRY(check_case(encoder->info(), *tokenizer));
  // Reading tokenizer.json took megabytes that nothing here asks for again.
  return_freed_memory();
  return std::make_shared<const TextEmbedder>(std::move(tokenizer), std::move(encoder));
}

Encoder::ScratchPtr TextEmbedder::take_scratch() const {
  Encoder::ScratchPtr scratch = scratches_.take();
  return scratch ? std::move(scratch) : encoder_->new_scratch();
}

size_t TextEmbedder::tokens_without_say(const std::string& prompt) const {
  if (encoder_->info().pools_prompt || prompt.empty()) return 0;
  Encoding bare, whole;
  tokenizer_->encode(prompt, bare);
  tokenizer_->encode_with_special(prompt, whole);
  // What ends a text is not the prompt's.
  const bool ended = whole.ids.size() > bare.ids.size() &&
                     (bare.ids.empty() || whole.ids.back() != bare.ids.back());
  return whole.ids.size() - (ended ? 1 : 0);
}

Result<Embeddings> TextEmbedder::embed(std::span<const std::string> texts,
                                       const EmbedOptions& options, ThreadPool& pool) const {
  const VectorModelInfo& model = info_;
  const CancelToken* const cancel = options.cancel;
  const std::string& prompt = prompt_for(model, options.purpose);
  RightOfWay& way = RightOfWay::of_process();
  const bool waited_for = options.priority == EmbedPriority::query;
  std::optional<RightOfWay::Urgent> urgent;
  if (waited_for) urgent.emplace(way);
  TokenisedTexts tokenised = tokenise(*tokenizer_, texts, prompt, model.tokens_max, pool);
  std::vector<size_t> lengths;
  for (const auto& ids : tokenised.distinct) lengths.push_back(ids.size());
  const auto tiles = make_tiles(lengths, encoder_->tile_tokens());

  const size_t prompt_tokens = tokens_without_say(prompt);
  const size_t dimension = model.dimension;
  std::vector<float> vectors(tokenised.distinct.size() * dimension);
  Mutex failure_mutex;
  std::optional<Error> failure;
  std::atomic<bool> failed = false;
  const auto embed_tile = [&](size_t t, Team* team) {
    if (failed.load(std::memory_order_relaxed) || (cancel != nullptr && cancel->requested()))
      return;
    const std::vector<uint32_t>& tile = tiles[t];
    std::vector<std::span<const int32_t>> sequences;
    for (const uint32_t sequence : tile) sequences.emplace_back(tokenised.distinct[sequence]);
    std::vector<float> out(tile.size() * dimension);
    Encoder::ScratchPtr scratch = take_scratch();
    std::optional<RightOfWay::Bulk> bulk;
    if (!waited_for) bulk.emplace(way);
    const auto between = [&] {
      if (bulk) bulk->offer();
    };
    Status status = encoder_->embed(sequences, out, *scratch, between, team, prompt_tokens);
    scratches_.give(std::move(scratch));
    if (!status) {
      MutexLock lock(failure_mutex);
      failed = true;
      failure = std::move(status).error();
      return;
    }
    for (size_t i = 0; i < tile.size(); ++i) {
      std::copy_n(out.begin() + static_cast<std::ptrdiff_t>(i * dimension), dimension,
                  vectors.begin() + static_cast<std::ptrdiff_t>(tile[i] * dimension));
    }
  };
  // A tile without others is shared by the threads that have a CPU to themselves.
  const size_t members = std::min(pool.size(), way.spare()) + (waited_for ? 1 : 0);
  if (tiles.size() == 1 && members > 1) {
    Team team(members);
    pool.parallel_for(members, [&](size_t member) {
      if (member > 0) {
        team.serve(member);
        return;
      }
      embed_tile(0, &team);
      team.finish();
    });
  } else {
    pool.parallel_for(tiles.size(), [&](size_t t) { embed_tile(t, nullptr); });
  }
  if (failure) return std::unexpected(std::move(*failure));
  if (cancel != nullptr) HR_TRY(cancel->check());

  Embeddings result;
  result.tokens = tokenised.tokens;
  result.longer = std::move(tokenised.longer);
  result.cut = result.longer.size();
  result.reused = texts.size() - tokenised.distinct.size();
  if (tokenised.distinct.size() == texts.size()) {  // nothing twice: already in order
    result.values = std::move(vectors);
    return result;
  }
  result.values.resize(texts.size() * dimension);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::copy_n(
        vectors.begin() + static_cast<std::ptrdiff_t>(tokenised.distinct_of_text[i] * dimension),
        dimension, result.values.begin() + static_cast<std::ptrdiff_t>(i * dimension));
  }
  return result;
}

}  // namespace headrace
