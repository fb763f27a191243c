// ChunkCache: what a tokenizer made of short stretches of text, remembered by the calling thread.
//
// Stretches of up to 15 bytes with up to 3 tokens side by side lie in a table of fixed places, two
// to a set (512 KiB). All, up to 256 bytes, lie in a second table that is emptied when it is full
// (at most 5 MiB): it answers what the first has given up. A thread's cache forgets when the thread
// turns to another tokenizer.
//
// Owns: its tables. Threads: one object for each thread. Errors: none.
#pragma once

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
  uint32_t places = 0;  // 2 bits: how many tokens; 5 bits each: first begin, ends

  size_t count() const { return places & 3; }
  uint32_t begin() const { return (places >> 2) & 31; }
  uint32_t end(size_t i) const { return (places >> (7 + 5 * i)) & 31; }
};

class ChunkCache {
 public:
  static constexpr size_t kLongBytesMax = 256;

  // The calling thread's cache, made ready for the tokenizer with this number.
  static ChunkCache& of_thread(uint64_t serial);

  // `size` is 1 to 15. Reads 16 bytes at `p` when `roomy`, else `size`.
  static WordKey key(const char* p, size_t size, bool roomy) {
    char bytes[16] = {};
    if (roomy) {
      std::memcpy(bytes, p, 16);
    } else {
      std::memcpy(bytes, p, size);
    }
    WordKey out;
    std::memcpy(&out.low, bytes, 8);
    std::memcpy(&out.high, bytes + 8, 8);
    const uint64_t keep_low = size >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * size)) - 1;
    const uint64_t keep_high = size <= 8 ? 0 : (uint64_t{1} << (8 * (size - 8))) - 1;
    out.low &= keep_low;
    out.high = (out.high & keep_high) | uint64_t{size} << 56;
    return out;
  }

  const SmallChunk* find(const WordKey& key) const {
    const SmallChunk* pair = small_.data() + place(key);
    if (pair[0].key == key) return pair;
    if (pair[1].key == key) return pair + 1;
    return nullptr;
  }
  // Keeps the tokens (offsets relative to the chunk) if they fit.
  void keep(const WordKey& key, std::span<const PlacedToken> tokens);

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
  static constexpr int kSmallBits = 13;  // sets
  static constexpr size_t kLongSlots = 65'536;
  static constexpr size_t kLongBytes = 1u << 20;
  static constexpr size_t kLongTokens = (2u << 20) / sizeof(PlacedToken);

  static size_t place(const WordKey& key) {
    return static_cast<size_t>(key.hash() >> (64 - kSmallBits)) * 2;
  }
  void clear();

  uint64_t serial_ = 0;
  std::vector<SmallChunk> small_;
  std::vector<LongChunk> long_;
  size_t long_count_ = 0;
  std::string bytes_;
  std::vector<PlacedToken> tokens_;
};

}  // namespace headrace
