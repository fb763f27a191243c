#include "transform/wordpiece_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <utility>

#include "base/utf8.h"

namespace headrace {
namespace {

struct ThreadCache {
  uint64_t serial = 0;
  WordPieceVocabulary::Cache words;
};

WordKey make_key(std::string_view word) {
  char bytes[kWordKeyBytes] = {};
  std::memcpy(bytes, word.data(), word.size());
  WordKey key;
  std::memcpy(&key.low, bytes, 8);
  std::memcpy(&key.high, bytes + 8, 8);
  return key;
}

}  // namespace

Result<WordPieceVocabulary> WordPieceVocabulary::build(const TokenizerConfig& config) {
  static std::atomic<uint64_t> last_serial = 0;
  WordPieceVocabulary out;
  out.serial_ = ++last_serial;
  out.word_chars_max_ = config.word_chars_max;
  const size_t slots = std::bit_ceil(config.vocabulary.size() * 2 + 2);
  out.words_.resize(slots);
  out.words_shift_ = 64 - std::countr_zero(slots);
  const std::string& prefix = config.continuing_prefix;
  for (const VocabularyEntry& entry : config.vocabulary) {
    const std::string_view token = entry.token;
    if (token == config.unknown_token) out.unknown_id_ = entry.id;
    if (token.empty()) continue;
    bool room = out.beginnings_.insert(token, entry.id);
    if (token.size() > prefix.size() && token.starts_with(prefix)) {
      room = room && out.continuations_.insert(token.substr(prefix.size()), entry.id);
    }
    if (!room) {
      return fail(ErrorCode::too_large,
                  fmt::format("{}: model.vocab: the tokens are too long together", config.path));
    }
    // A word over the limit of characters is unknown even when it is a token.
    if (token.size() > kWordKeyBytes || token.find('\0') != std::string_view::npos ||
        count_code_points(token) > config.word_chars_max) {
      continue;
    }
    CachedWord word;
    word.key = make_key(token);
    word.ids[0] = entry.id;
    word.count = 1;
    word.ends[0] = static_cast<uint8_t>(token.size());
    size_t at = word.key.hash() >> out.words_shift_;
    while (out.words_[at].count != 0) at = (at + 1) & (slots - 1);
    out.words_[at] = word;
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
  const CachedWord* words = words_.data();
  const size_t mask = words_.size() - 1;
  for (size_t at = key.hash() >> words_shift_; words[at].count != 0; at = (at + 1) & mask) {
    if (words[at].key == key) {
      return cache.keep(words[at]);
    }
  }
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
    const ByteTrie& trie = at == 0 ? beginnings_ : continuations_;
    const ByteTrie::Match match = trie.longest(word.data() + at, word.size() - at);
    if (match.length == 0) {
      out.assign(1, unknown);
      return;
    }
    at += match.length;
    out.push_back({match.value, static_cast<uint32_t>(at)});
  }
}

}  // namespace headrace
