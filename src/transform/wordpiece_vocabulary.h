// WordPieceVocabulary: normalized words → token ids, greedy longest match first.
//
// A word is cut by walking two tries (word beginnings; continuations), and the result of short
// words is kept in a cache of the calling thread, so natural text rarely walks. Words that are
// tokens themselves have no table of their own: it would be too large to be near, and the tries are
// small.
//
// Owns: tables built once. Threads: const and safe from any thread; the cache is per thread, is
// bounded (4 MiB), begins small, and forgets when the thread turns to another vocabulary. Errors:
// build().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_packed_trie.h"
#include "transform/tokenizer_sets.h"

namespace headrace {

// The tokens of one short word. count 0 (and a key of zeros, which is no word): an empty place in a
// table. Two of them share a cache line.
struct alignas(32) CachedWord {
  static constexpr size_t kPiecesMax = 3;
  static constexpr int kFirstBits = 12;  // of the number of pairs
  static constexpr int kMostBits = 16;

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

  using Cache = ChunkSets<CachedWord>;
  // The calling thread's cache, made ready for this vocabulary: fetched once per text, for finding
  // a thread's variable costs a call.
  Cache& thread_cache() const;

  // Makes the tokens of a word of 1 to 16 bytes without NUL that the cache does not know, and keeps
  // them there; good until the next call. Null when they do not fit a CachedWord: then they are all
  // of `pieces`.
  const CachedWord* make(Cache& cache, const WordKey& key, size_t size,
                         std::vector<Piece>& pieces) const;

  // Appends nothing, replaces `out`: the tokens of any word (1 to word_chars_max characters).
  void pieces(std::string_view word, std::vector<Piece>& out) const;

  int32_t unknown_id() const { return unknown_id_; }
  size_t word_chars_max() const { return word_chars_max_; }
  uint64_t serial() const { return serial_; }

 private:
  WordPieceVocabulary() = default;

  PackedTrie beginnings_;
  PackedTrie continuations_;
  int32_t unknown_id_ = 0;
  size_t word_chars_max_ = 0;
  uint64_t serial_ = 0;  // tells the vocabularies of a process apart, for caches
};

}  // namespace headrace
