// ChunkCache: what a tokenizer made of short stretches of text, remembered by the calling thread.
//
// Three tables, each for what the one before has no room for: stretches of up to 15 bytes with up
// to 3 tokens (at most 8 MiB) and of up to 31 bytes with up to 6 (4 MiB), two to a set; and
// stretches of up to 256 bytes in a table that is emptied when it is full (at most 2.5 MiB). They
// begin small and grow with what there is to remember: only texts with more than a hundred thousand
// different words get so far. A thread's cache forgets when the thread turns to another tokenizer.
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
#include "transform/tokenizer_sets.h"

namespace headrace {

struct alignas(32) SmallChunk {
  static constexpr size_t kTokensMax = 3;
  static constexpr size_t kBytesMax = 15;
  static constexpr int kFirstBits = 12;  // of the number of sets
  static constexpr int kMostBits = 17;

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
  static constexpr int kFirstBits = 9;
  static constexpr int kMostBits = 15;

  MediumKey key;  // as SmallChunk's
  int32_t ids[kTokensMax] = {};
  uint64_t places = 0;  // 3 bits: how many tokens; 5 bits each: begin and end of each token

  // Too many tokens: they are in the list of long chunks.
  static constexpr uint64_t kElsewhere = 7;
  bool is_elsewhere() const { return places == kElsewhere; }

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
  // `size` is 1 to 31. Reads 32 bytes at `p`.
  static MediumKey medium_key(const char* p, size_t size) {
    MediumKey out;
    std::memcpy(out.parts, p, sizeof(out.parts));
    for (size_t i = 0; i < 4; ++i) {
      // All of the part, some bytes of it, or none.
      const size_t kept = std::min<size_t>(size > 8 * i ? size - 8 * i : 0, 8);
      out.parts[i] &= kept == 0 ? 0 : ~uint64_t{0} >> (64 - 8 * kept);
    }
    out.parts[3] |= uint64_t{size} << 56;
    return out;
  }
  // The same, reading no byte behind the chunk.
  static MediumKey medium_key_at_end(const char* p, size_t size) {
    MediumKey out;
    std::memcpy(out.parts, p, size);
    out.parts[3] |= uint64_t{size} << 56;
    return out;
  }

  const SmallChunk* set_of(const WordKey& key) const { return small_.set_of(key); }
  const MediumChunk* set_of(const MediumKey& key) const { return medium_.set_of(key); }
  static const SmallChunk* find(const SmallChunk* set, const WordKey& key) {
    return ChunkSets<SmallChunk>::find(set, key);
  }
  static const MediumChunk* find(const MediumChunk* set, const MediumKey& key) {
    return ChunkSets<MediumChunk>::find(set, key);
  }

  // Keeps the tokens (offsets relative to the chunk) of a chunk that was not found, where they fit.
  void keep(std::string_view chunk, std::span<const PlacedToken> tokens);
  // To be called now and then: after it, sets are others.
  void grow() {
    small_.grow();
    medium_.grow();
  }

  // Chunks of any size. The answer is good until the next keep().
  bool find_long(std::string_view chunk, std::span<const PlacedToken>& tokens) const;

 private:
  void keep_long(std::string_view chunk, std::span<const PlacedToken> tokens);
  void grow_long();
  struct LongChunk {
    uint64_t hash = 0;
    uint32_t bytes_at = 0;
    uint32_t size = 0;  // 0: an empty place
    uint32_t tokens_at = 0;
    uint32_t count = 0;
  };
  static constexpr size_t kLongSlotsFirst = 1024;
  static constexpr size_t kLongSlots = 16'384;
  static constexpr size_t kLongBytes = 1u << 20;
  static constexpr size_t kLongTokens = (1u << 20) / sizeof(PlacedToken);

  void clear();

  uint64_t serial_ = 0;
  ChunkSets<SmallChunk> small_;
  ChunkSets<MediumChunk> medium_;
  std::vector<LongChunk> long_;
  size_t long_count_ = 0;
  std::string bytes_;
  std::vector<PlacedToken> tokens_;
};

}  // namespace headrace
