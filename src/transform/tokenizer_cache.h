// ChunkCache: what a tokenizer made of short stretches of text, remembered by the calling thread.
//
// Three tables, each for what the one before has no room for: stretches of up to 15 bytes with up
// to 3 tokens (2 MiB) and of up to 31 bytes with up to 6 (1 MiB), in fixed places, two to a set;
// and stretches of up to 256 bytes in a table that is emptied when it is full (at most 2.5 MiB). A
// thread's cache forgets when the thread turns to another tokenizer.
//
// Owns: its tables. Threads: one object for each thread. Errors: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transform/tokenizer_pipeline.h"
#include "transform/wordpiece_vocabulary.h"

namespace headrace {

struct alignas(32) SmallChunk {
  static constexpr size_t kTokensMax = 3;
  static constexpr size_t kBytesMax = 15;

  WordKey key;  // the bytes, zeros, and their number in the last byte
  int32_t ids[kTokensMax] = {};
  uint32_t places = 0;  // 2 bits: how many tokens; 4 bits each: begin and end of each token

  size_t count() const { return places & 3; }
  uint32_t begin(size_t i) const { return (places >> (2 + 8 * i)) & 15; }
  uint32_t end(size_t i) const { return (places >> (6 + 8 * i)) & 15; }
  void set_places(std::span<const PlacedToken> tokens) {
    places = static_cast<uint32_t>(tokens.size());
    for (size_t i = 0; i < tokens.size(); ++i) {
      places |= tokens[i].begin << (2 + 8 * i) | tokens[i].end << (6 + 8 * i);
    }
  }
};

struct MediumKey {
  uint64_t parts[4] = {};
  bool operator==(const MediumKey& other) const {
    return ((parts[0] ^ other.parts[0]) | (parts[1] ^ other.parts[1]) |
            (parts[2] ^ other.parts[2]) | (parts[3] ^ other.parts[3])) == 0;
  }
  uint64_t hash() const {
    const uint64_t low = (parts[0] ^ (parts[1] * 0x9FB21C651E98DF25ULL)) * 0x9E3779B97F4A7C15ULL;
    const uint64_t high = (parts[2] ^ (parts[3] * 0x9FB21C651E98DF25ULL)) * 0xD6E8FEB86659FD93ULL;
    const uint64_t mixed = (low ^ (low >> 32)) + high;
    return (mixed ^ (mixed >> 29)) * 0x9E3779B97F4A7C15ULL;
  }
};

struct alignas(64) MediumChunk {
  static constexpr size_t kTokensMax = 6;
  static constexpr size_t kBytesMax = 31;

  MediumKey key;  // as SmallChunk's
  int32_t ids[kTokensMax] = {};
  uint64_t places = 0;  // 3 bits: how many tokens; 5 bits each: begin and end of each token

  size_t count() const { return places & 7; }
  uint32_t begin(size_t i) const { return static_cast<uint32_t>(places >> (3 + 10 * i)) & 31; }
  uint32_t end(size_t i) const { return static_cast<uint32_t>(places >> (8 + 10 * i)) & 31; }
  void set_places(std::span<const PlacedToken> tokens) {
    places = tokens.size();
    for (size_t i = 0; i < tokens.size(); ++i) {
      places |= uint64_t{tokens[i].begin} << (3 + 10 * i) | uint64_t{tokens[i].end} << (8 + 10 * i);
    }
  }
};

// What stays of 16 bytes, and what comes to them, for each size.
struct KeyMask {
  uint64_t low = 0;
  uint64_t high = 0;
  uint64_t size = 0;
};
inline constexpr std::array<KeyMask, SmallChunk::kBytesMax + 2> kKeyMasks = [] {
  std::array<KeyMask, SmallChunk::kBytesMax + 2> out{};
  for (size_t size = 0; size <= SmallChunk::kBytesMax; ++size) {
    out[size].low = size >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * size)) - 1;
    out[size].high = size <= 8 ? 0 : (uint64_t{1} << (8 * (size - 8))) - 1;
    out[size].size = uint64_t{size} << 56;
  }
  out[SmallChunk::kBytesMax + 1].size = UINT64_MAX;  // the key of no small chunk
  return out;
}();

class ChunkCache {
 public:
  static constexpr size_t kLongBytesMax = 256;

  // The calling thread's cache, made ready for the tokenizer with this number.
  static ChunkCache& of_thread(uint64_t serial);

  // Reads 16 bytes at `p`. What is longer than a small chunk has a key that none has.
  static WordKey small_key(const char* p, size_t size) {
    const KeyMask& mask = kKeyMasks.data()[std::min(size, SmallChunk::kBytesMax + 1)];
    WordKey out;
    std::memcpy(&out.low, p, 8);
    std::memcpy(&out.high, p + 8, 8);
    out.low &= mask.low;
    out.high = (out.high & mask.high) | mask.size;
    return out;
  }
  // The same, reading no byte behind the word.
  static WordKey small_key_at_end(const char* p, size_t size) {
    char bytes[16] = {};
    std::memcpy(bytes, p, std::min(size, sizeof(bytes)));
    return small_key(bytes, size);
  }
  // `size` is 1 to 31.
  static MediumKey medium_key(const char* p, size_t size) {
    MediumKey out;
    std::memcpy(out.parts, p, size);
    out.parts[3] |= uint64_t{size} << 56;
    return out;
  }

  // The set where `key` belongs, on its way to the processor's cache.
  const SmallChunk* set_of(const WordKey& key) const {
    const SmallChunk* set = small_.data() + place(key);
    __builtin_prefetch(set);
    return set;
  }
  const MediumChunk* set_of(const MediumKey& key) const {
    const MediumChunk* set = medium_.data() + place(key);
    __builtin_prefetch(set);
    __builtin_prefetch(set + 1);
    return set;
  }
  // `set` is that of `key`. The answer is good until the next keep().
  template <typename Chunk, typename Key>
  static const Chunk* find(const Chunk* set, const Key& key) {
    const Chunk* candidate = set + (set[0].key == key ? 0 : 1);
    return candidate->key == key ? candidate : nullptr;
  }
  // Keeps the tokens (offsets relative to the chunk) of a chunk that was not found. False: they do
  // not fit.
  bool keep(const WordKey& key, std::span<const PlacedToken> tokens) {
    return keep_in(small_, place(key), key, tokens);
  }
  bool keep(const MediumKey& key, std::span<const PlacedToken> tokens) {
    return keep_in(medium_, place(key), key, tokens);
  }

  // Chunks of any size. The answer is good until the next call of keep_long.
  bool find_long(std::string_view chunk, std::span<const PlacedToken>& tokens) const;
  void keep_long(std::string_view chunk, std::span<const PlacedToken> tokens);

 private:
  struct LongChunk {
    uint64_t hash = 0;
    uint32_t bytes_at = 0;
    uint32_t size = 0;  // 0: an empty place
    uint32_t tokens_at = 0;
    uint32_t count = 0;
  };
  static constexpr int kSmallBits = 15;   // sets
  static constexpr int kMediumBits = 13;  // sets
  static constexpr size_t kLongSlots = 16'384;
  static constexpr size_t kLongBytes = 1u << 20;
  static constexpr size_t kLongTokens = (1u << 20) / sizeof(PlacedToken);

  static size_t place(const WordKey& key) {
    return static_cast<size_t>(key.hash() >> (64 - kSmallBits)) * 2;
  }
  static size_t place(const MediumKey& key) {
    return static_cast<size_t>(key.hash() >> (64 - kMediumBits)) * 2;
  }
  template <typename Chunk, typename Key>
  static bool keep_in(std::vector<Chunk>& table, size_t place, const Key& key,
                      std::span<const PlacedToken> tokens) {
    if (tokens.size() > Chunk::kTokensMax) return false;
    Chunk* pair = table.data() + place;
    if (pair[0].key == key) return true;
    pair[1] = pair[0];
    pair[0].key = key;
    for (size_t i = 0; i < tokens.size(); ++i) pair[0].ids[i] = tokens[i].id;
    pair[0].set_places(tokens);
    return true;
  }
  void clear();

  uint64_t serial_ = 0;
  std::vector<SmallChunk> small_;
  std::vector<MediumChunk> medium_;
  std::vector<LongChunk> long_;
  size_t long_count_ = 0;
  std::string bytes_;
  std::vector<PlacedToken> tokens_;
};

}  // namespace headrace
