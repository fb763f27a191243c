#include "transform/wordpiece_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "base/utf8.h"

namespace headrace {
namespace {

struct ThreadCache {
  uint64_t serial = 0;
  WordPieceVocabulary::Cache words;
};

}  // namespace

Result<WordPieceVocabulary> WordPieceVocabulary::build(const TokenizerConfig& config) {
  static std::atomic<uint64_t> last_serial = 0;
  WordPieceVocabulary out;
  out.serial_ = ++last_serial;
  out.word_chars_max_ = config.word_chars_max;
  const std::string& prefix = config.continuing_prefix;
  std::vector<PackedTrie::Entry> beginnings;
  std::vector<PackedTrie::Entry> continuations;
  beginnings.reserve(config.vocabulary.size());
  for (const VocabularyEntry& entry : config.vocabulary) {
    const std::string_view token = entry.token;
    if (token == config.unknown_token) out.unknown_id_ = entry.id;
    beginnings.push_back({token, entry.id});
    if (token.starts_with(prefix)) {
      continuations.push_back({token.substr(prefix.size()), entry.id});
    }
  }
  if (!out.beginnings_.build(std::move(beginnings)) ||
      !out.continuations_.build(std::move(continuations))) {
    return fail(ErrorCode::too_large,
                fmt::format("{}: model.vocab: the tokens are too long together", config.path));
  }
  return out;
}

WordPieceVocabulary::Cache& WordPieceVocabulary::thread_cache() const {
  thread_local ThreadCache cache;
  if (cache.serial != serial_) [[unlikely]] {
    cache.words.clear();
    cache.serial = serial_;
  }
  return cache.words;
}

const CachedWord* WordPieceVocabulary::make(Cache& cache, const WordKey& key, size_t size,
                                            std::vector<Piece>& found) const {
  char bytes[kWordKeyBytes];
  std::memcpy(bytes, &key.low, 8);
  std::memcpy(bytes + 8, &key.high, 8);
  pieces({bytes, size}, found);
  if (found.size() > CachedWord::kPiecesMax) return nullptr;
  CachedWord cached;
  cached.key = key;
  cached.count = static_cast<uint8_t>(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    cached.ids[i] = found[i].id;
    cached.ends[i] = static_cast<uint8_t>(found[i].end);
  }
  return cache.keep(cached);
}

void WordPieceVocabulary::pieces(std::string_view word, std::vector<Piece>& out) const {
  out.clear();
  const Piece unknown{unknown_id_, static_cast<uint32_t>(word.size())};
  if (word.size() > word_chars_max_ && count_code_points(word) > word_chars_max_) {
    out.push_back(unknown);
    return;
  }
  size_t at = 0;
  while (at < word.size()) {
    const PackedTrie& trie = at == 0 ? beginnings_ : continuations_;
    const PackedTrie::Match match = trie.longest(word.data() + at, word.size() - at);
    if (match.length == 0) {
      out.assign(1, unknown);
      return;
    }
    at += match.length;
    out.push_back({match.value, static_cast<uint32_t>(at)});
  }
}

}  // namespace headrace
