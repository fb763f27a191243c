#include "plan/static_embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "embed/encoder.h"
#include "embed/static_distill.h"

namespace headrace {

namespace {

// Names of tokens that stand for no text, as the families' vocabularies have them.
constexpr std::array<std::string_view, 10> kSilentTokens = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<unk>", "<pad>", "<mask>"};

bool is_silent(std::string_view token) {
  return token.empty() || token.starts_with("[unused") ||
         std::ranges::find(kSilentTokens, token) != kSilentTokens.end();
}

struct SpecialIds {
  std::vector<int32_t> before;
  std::vector<int32_t> after;
};

// The special tokens around a text: those that cover none of it.
SpecialIds special_ids(const Tokenizer& tokenizer) {
  Encoding one;
  tokenizer.encode_with_special("a", one);
  SpecialIds special;
  bool text_seen = false;
  for (size_t i = 0; i < one.ids.size(); ++i) {
    if (one.ends[i] > one.begins[i]) {
      text_seen = true;
    } else {
      (text_seen ? special.after : special.before).push_back(one.ids[i]);
    }
  }
  return special;
}

embed::DistillVocabulary vocabulary_of(const Tokenizer& tokenizer) {
  embed::DistillVocabulary vocabulary;
  SpecialIds special = special_ids(tokenizer);
  vocabulary.used.resize(tokenizer.vocabulary_size());
  for (size_t id = 0; id < vocabulary.used.size(); ++id)
    vocabulary.used[id] = is_silent(tokenizer.token(static_cast<int32_t>(id))) ? 0 : 1;
  for (const auto* ids : {&special.before, &special.after}) {
    for (const int32_t id : *ids) vocabulary.used[static_cast<size_t>(id)] = 0;
  }
  vocabulary.before = std::move(special.before);
  vocabulary.after = std::move(special.after);
  return vocabulary;
}

Result<embed::StaticTable> distilled(const ModelFiles& files, const Tokenizer& tokenizer,
                                     const std::string& identity, const CancelToken* cancel) {
  const std::string folder = embed::cache_folder();
  FileSystem& disk = FileSystem::real();
  if (!folder.empty()) {
    // Not there, damaged, of an older version: made anew.
    if (auto known = embed::load_static_table(disk, folder, identity)) return known;
  }
  // As near to floats as the halves of the table, and half as long again as fast on most CPUs.
  // Which it is on a CPU is not in the fingerprint: tables of two machines differ by less than
  // rounding.
  HR_ASSIGN(const auto encoder, Encoder::load(files, default_precision()));
  ThreadPool pool;
  HR_ASSIGN(embed::StaticTable table,
            embed::distill_static(*encoder, vocabulary_of(tokenizer), pool, cancel));
  if (!folder.empty()) {
    // A cache that cannot be written (a full disk, another's folder) costs time, not the answer.
    static_cast<void>(embed::save_static_table(disk, folder, identity, table));
  }
  return table;
}

}  // namespace

StaticEmbedder::StaticEmbedder(VectorModelInfo info, std::shared_ptr<const Tokenizer> tokenizer,
                               embed::StaticModel model)
    : info_(std::move(info)), tokenizer_(std::move(tokenizer)), model_(std::move(model)) {
  const SpecialIds special = special_ids(*tokenizer_);
  special_before_ = special.before.size();
  special_after_ = special.after.size();
}

Result<std::shared_ptr<const VectorModel>> StaticEmbedder::load(const std::string& model,
                                                                const CancelToken* cancel) {
  HR_ASSIGN(const ModelFiles files, find_model(model));
  HR_ASSIGN(auto tokenizer, Tokenizer::load(files.directory));
  VectorModelInfo info;
  info.kind = "static";
  info.precision = "static";
  info.kernel = embed::kernels().name;
  embed::StaticTable table;
  if (embed::is_static_folder(files.directory)) {
    std::vector<int32_t> unknown;
    for (size_t id = 0; id < tokenizer->vocabulary_size(); ++id) {
      const std::string_view token = tokenizer->token(static_cast<int32_t>(id));
      if (token == "[UNK]" || token == "<unk>") unknown.push_back(static_cast<int32_t>(id));
    }
    HR_ASSIGN(table, embed::read_static_folder(files, unknown, info.fingerprint));
    // Tokens beyond the table would say nothing, and a text of them would be without a vector.
    const size_t tokens = tokenizer->vocabulary_size();
    size_t beyond = 0;
    for (size_t id = table.rows; id < table.rows + tokens; ++id)
      beyond += is_silent(tokenizer->token(static_cast<int32_t>(id))) ? 0 : 1;
    if (beyond > 0) {
      return fail(
          ErrorCode::damaged,
          fmt::format("{}: model.safetensors has vectors of {} tokens, tokenizer.json has {} "
                      "tokens",
                      files.directory, table.rows, tokens),
          "download or copy the model again");
    }
    info.name = files.name;
  } else {
    HR_ASSIGN(const std::string identity, embed::distill_identity(files));
    HR_ASSIGN(table, distilled(files, *tokenizer, identity, cancel));
    info.name = "static:" + files.name;
    info.fingerprint = hash128(identity).hex();
  }
  info.dimension = table.dimension;
  info.normalized = table.normalize;
  return std::make_shared<const StaticEmbedder>(std::move(info), std::move(tokenizer),
                                                embed::StaticModel(std::move(table)));
}

Result<Embeddings> StaticEmbedder::embed(std::span<const std::string> texts,
                                         const EmbedOptions& options, ThreadPool& pool) const {
  const size_t dimension = info_.dimension;
  Embeddings result;
  result.values.resize(texts.size() * dimension);
  std::atomic<uint64_t> tokens = 0;
  constexpr size_t kTextsPerTask = 128;
  pool.parallel_for((texts.size() + kTextsPerTask - 1) / kTextsPerTask, [&](size_t task) {
    if (options.cancel != nullptr && options.cancel->requested()) return;
    const size_t end = std::min(texts.size(), (task + 1) * kTextsPerTask);
    std::vector<int32_t> ids;
    uint64_t counted = 0;
    for (size_t i = task * kTextsPerTask; i < end; ++i) {
      ids.clear();
      tokenizer_->encode_ids(texts[i], 0, ids);
      const std::span<const int32_t> own = std::span<const int32_t>(ids).subspan(
          special_before_, ids.size() - std::min(ids.size(), special_before_ + special_after_));
      model_.embed(own, std::span<float>(result.values).subspan(i * dimension, dimension));
      counted += own.size();
    }
    tokens.fetch_add(counted, std::memory_order_relaxed);
  });
  if (options.cancel != nullptr) HR_TRY(options.cancel->check());
  result.tokens = tokens;
  return result;
}

}  // namespace headrace
