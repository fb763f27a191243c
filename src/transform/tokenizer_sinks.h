// Where GeneralTokenizer's tokens go: into an Encoding, or only their ids, up to a limit.
//
// Both collect a few hundred tokens in a buffer of their own before they touch the caller's
// vectors. flush() must follow the last token.
//
// Owns: its buffer. Threads: one object, one thread. Errors: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "transform/tokenizer.h"
#include "transform/tokenizer_cache.h"

namespace headrace {

class ChunkEncodingSink {
 public:
  explicit ChunkEncodingSink(Encoding& out) : out_(out) {}
  ChunkEncodingSink(const ChunkEncodingSink&) = delete;
  ChunkEncodingSink& operator=(const ChunkEncodingSink&) = delete;

  bool empty() const { return used_ == 0 && !flushed_; }
  void put(const PlacedToken& token) {
    ids_[used_] = token.id;
    begins_[used_] = token.begin;
    ends_[used_] = token.end;
    if (++used_ >= kBuffer) [[unlikely]]
      flush();
  }
  // Writes all places and keeps those that count: cheaper than a loop of unpredictable length.
  template <typename Chunk>
  void put(const Chunk& chunk, uint32_t begin) {
    for (size_t i = 0; i < Chunk::kTokensMax; ++i) {
      ids_[used_ + i] = chunk.ids[i];
      begins_[used_ + i] = begin + chunk.begin(i);
      ends_[used_ + i] = begin + chunk.end(i);
    }
    used_ += chunk.count();
    if (used_ >= kBuffer) [[unlikely]]
      flush();
  }
  void flush() {
    flushed_ = flushed_ || used_ > 0;
    out_.ids.insert(out_.ids.end(), ids_, ids_ + used_);
    out_.begins.insert(out_.begins.end(), begins_, begins_ + used_);
    out_.ends.insert(out_.ends.end(), ends_, ends_ + used_);
    used_ = 0;
  }

 private:
  static constexpr size_t kBuffer = 128;
  static constexpr size_t kRoom = kBuffer + MediumChunk::kTokensMax;
  Encoding& out_;
  size_t used_ = 0;
  bool flushed_ = false;
  int32_t ids_[kRoom];
  uint32_t begins_[kRoom];
  uint32_t ends_[kRoom];
};

// Keeps the first `limit` ids and counts all.
class ChunkIdSink {
 public:
  ChunkIdSink(size_t limit, std::vector<int32_t>& out) : left_(limit), out_(out) {}
  ChunkIdSink(const ChunkIdSink&) = delete;
  ChunkIdSink& operator=(const ChunkIdSink&) = delete;

  bool empty() const { return used_ == 0 && count_ == 0; }
  void put(const PlacedToken& token) {
    ids_[used_] = token.id;
    if (++used_ >= kBuffer) [[unlikely]]
      flush();
  }
  template <typename Chunk>
  void put(const Chunk& chunk, uint32_t) {
    // With what lies behind the ids, so that it is whole registers; it does not count.
    std::memcpy(ids_ + used_, reinterpret_cast<const std::byte*>(&chunk) + sizeof(chunk.key),
                sizeof(Chunk) - sizeof(chunk.key));
    used_ += chunk.count();
    if (used_ >= kBuffer) [[unlikely]]
      flush();
  }
  void flush() {
    const size_t kept = std::min(used_, left_);
    out_.insert(out_.end(), ids_, ids_ + kept);
    left_ -= kept;
    count_ += used_;
    used_ = 0;
  }
  size_t count() const { return count_; }

 private:
  static constexpr size_t kBuffer = 256;
  size_t left_;
  size_t count_ = 0;
  std::vector<int32_t>& out_;
  size_t used_ = 0;
  int32_t ids_[kBuffer + (sizeof(MediumChunk) - sizeof(MediumKey)) / sizeof(int32_t)];
};

}  // namespace headrace
