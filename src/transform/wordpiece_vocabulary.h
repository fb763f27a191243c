// WordPieceVocabulary: normalized words → token ids, greedy longest match first.
//
// A word is looked up as a whole first: words of up to 16 bytes that are tokens themselves lie in
// one open-addressing table, two 64-bit compares per probe. What is not there is cut by walking
// two byte tries (word beginnings; continuations), and the result of short words is kept in a
// cache of the calling thread, so natural text rarely walks.
//
// Owns: tables built once. Threads: const and safe from any thread; the cache is per thread and of
// fixed size (2 MiB, used as words come), and forgets when the thread turns to another vocabulary.
// Errors: build().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_trie.h"

namespace headrace {

// A word of up to 16 bytes, zero-padded: its identity in the tables. No word holds a NUL byte
// when it is looked up this way (pieces() handles those that do).
struct WordKey {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const WordKey& other) const {
    return ((low ^ other.low) | (high ^ other.high)) == 0;
  }
  uint64_t hash() const {
    const uint64_t mixed = (low ^ (high * 0x9FB21C651E98DF25ULL)) * 0x9E3779B97F4A7C15ULL;
    return mixed ^ (mixed >> 29);
  }
};
inline constexpr size_t kWordKeyBytes = 16;

// The tokens of one short word. count 0 (and a key of zeros, which is no word): an empty place in a
// table. Two of them share a cache line.
struct alignas(32) CachedWord {
  static constexpr size_t kPiecesMax = 3;
  WordKey key;
  int32_t ids[kPiecesMax] = {};
  uint8_t count = 0;
  uint8_t ends[kPiecesMax] = {};  // where each piece ends in the word, in bytes
};

struct Piece {
  int32_t id = 0;
  uint32_t end = 0;  // in the word, in bytes
};

class WordPieceVocabulary {
 public:
  static Result<WordPieceVocabulary> build(const TokenizerConfig& config);

  // The calling thread's cache, made ready for this vocabulary: fetched once per text, for finding
  // a thread's variable costs a call.
  CachedWord* thread_cache() const;

  // The two places of the cache where a word may be.
  static CachedWord* places(CachedWord* cache, const WordKey& key) {
    return cache + (key.hash() >> (64 - kCacheBits)) * 2;
  }
  // What is known of a word of 1 to 16 bytes without NUL; null: nothing. The result is good until
  // the thread's next call.
  static const CachedWord* find(const CachedWord* places, const WordKey& key) {
    const CachedWord* candidate = places + (places[0].key == key ? 0 : 1);
    return candidate->key == key ? candidate : nullptr;
  }
  // The same for a word that find() does not know: its tokens are made, and kept in its places.
  // Null when they do not fit a CachedWord: then they are all of `pieces`.
  const CachedWord* make(CachedWord* places, const WordKey& key, size_t size,
                         std::vector<Piece>& pieces) const;

  // Appends nothing, replaces `out`: the tokens of any word (1 to word_chars_max characters).
  void pieces(std::string_view word, std::vector<Piece>& out) const;

  int32_t unknown_id() const { return unknown_id_; }
  size_t word_chars_max() const { return word_chars_max_; }
  uint64_t serial() const { return serial_; }

 private:
  static constexpr int kCacheBits = 15;  // pairs of entries

  WordPieceVocabulary() = default;

  ByteTrie beginnings_;
  ByteTrie continuations_;
  std::vector<CachedWord> words_;  // a power of two, at most half full
  int words_shift_ = 0;
  int32_t unknown_id_ = 0;
  size_t word_chars_max_ = 0;
  uint64_t serial_ = 0;  // tells the vocabularies of a process apart, for caches
};

}  // namespace headrace
