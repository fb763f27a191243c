// ChunkSets: what a tokenizer made of short stretches of text, in a table that has two places for
// each, and WordKey, the shorter of the keys.
//
// Owns: its places. Threads: one object for each thread. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

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

// Chunks in sets of two, by the first bits of their keys' hashes. What comes third replaces what
// has been there longest.
template <typename Chunk>
class ChunkSets {
 public:
  using Key = decltype(Chunk::key);

  void clear() {
    bits_ = Chunk::kFirstBits;
    // Room for the most there can be: what is not used is not touched, and so costs no memory.
    chunks_.reserve(size_t{2} << Chunk::kMostBits);
    chunks_.assign(size_t{2} << bits_, {});
    kept_ = 0;
  }
  // The set where `key` belongs, on its way to the processor's cache. Good until grow().
  const Chunk* set_of(const Key& key) const {
    const Chunk* set = chunks_.data() + place(key);
    __builtin_prefetch(set);
    if constexpr (sizeof(Chunk) > 32) __builtin_prefetch(set + 1);
    return set;
  }
  // `set` is that of `key`. The answer is good until the next keep().
  static const Chunk* find(const Chunk* set, const Key& key) {
    const Chunk* candidate = set + (set[0].key == key ? 0 : 1);
    return candidate->key == key ? candidate : nullptr;
  }
  // A chunk that has the key, and was not found. Returns where it is, until the next keep().
  const Chunk* keep(const Chunk& chunk) {
    Chunk* set = chunks_.data() + place(chunk.key);
    if (set[0].key == chunk.key) return set;
    set[1] = set[0];
    set[0] = chunk;
    ++kept_;
    return set;
  }
  // Doubles the places when half as many chunks have come as there are. Where they stand: a set's
  // number is the first bits of its chunks' hashes, so each set becomes two neighbours, and memory
  // that is there already is used again.
  void grow() {
    if (kept_ * 2 < chunks_.size() || bits_ == Chunk::kMostBits) return;
    chunks_.resize(chunks_.size() * 2);
    ++bits_;
    kept_ = 0;
    for (size_t at = chunks_.size() / 2; at > 0; at -= 2) {
      const Chunk pair[2] = {chunks_[at - 2], chunks_[at - 1]};
      for (size_t i = 0; i < 4; ++i) chunks_[2 * at - 4 + i] = {};
      for (const Chunk& chunk : pair) {
        if (chunk.key == Key{}) continue;
        Chunk* set = chunks_.data() + place(chunk.key);
        set[set[0].key == Key{} ? 0 : 1] = chunk;
      }
    }
  }

 private:
  size_t place(const Key& key) const { return static_cast<size_t>(key.hash() >> (64 - bits_)) * 2; }

  std::vector<Chunk> chunks_;
  int bits_ = 0;
  size_t kept_ = 0;  // since it has had this size
};

}  // namespace headrace
