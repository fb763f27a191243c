// Where WordPieceTokenizer's tokens go: into an Encoding, or only their ids, up to a limit.
//
// Both collect a few hundred tokens in a buffer of their own before they touch the caller's
// vectors. flush() must follow the last token.
//
// Owns: its buffer. Threads: one object, one thread. Errors: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "transform/tokenizer.h"
#include "transform/wordpiece_vocabulary.h"

namespace headrace {

// Collects tokens with offsets; writes to the vectors a few hundred at a time.
class EncodingSink {
 public:
  explicit EncodingSink(Encoding& out) : out_(out) {}
  EncodingSink(const EncodingSink&) = delete;
  EncodingSink& operator=(const EncodingSink&) = delete;

  static constexpr bool kOffsets = true;
  void put(int32_t id, uint32_t begin, uint32_t end) {
    ids_[used_] = id;
    begins_[used_] = begin;
    ends_[used_] = end;
    if (++used_ >= kBuffer) [[unlikely]]
      flush();
  }
  // The tokens of a word at `begin`. Writes all places of `word` and keeps those that count:
  // cheaper than a loop of unpredictable length.
  void put(const CachedWord& word, uint32_t begin) {
    begins_[used_] = begin;
    for (size_t i = 0; i < CachedWord::kPiecesMax; ++i) {
      ids_[used_ + i] = word.ids[i];
      ends_[used_ + i] = begin + word.ends[i];
      begins_[used_ + i + 1] = begin + word.ends[i];
    }
    used_ += word.count;
    if (used_ >= kBuffer) [[unlikely]]
      flush();
  }
  void flush() {
    out_.ids.insert(out_.ids.end(), ids_, ids_ + used_);
    out_.begins.insert(out_.begins.end(), begins_, begins_ + used_);
    out_.ends.insert(out_.ends.end(), ends_, ends_ + used_);
    used_ = 0;
  }

 private:
  static constexpr size_t kBuffer = 128;
  static constexpr size_t kRoom = kBuffer + CachedWord::kPiecesMax + 1;
  Encoding& out_;
  size_t used_ = 0;
  int32_t ids_[kRoom];
  uint32_t begins_[kRoom];
  uint32_t ends_[kRoom];
};

// Keeps the first `limit` ids and counts all.
class IdSink {
 public:
  IdSink(size_t limit, std::vector<int32_t>& out) : left_(limit), out_(out) {}
  IdSink(const IdSink&) = delete;
  IdSink& operator=(const IdSink&) = delete;

  static constexpr bool kOffsets = false;
  void put(int32_t id, uint32_t, uint32_t) {
    ids_[used_] = id;
    if (++used_ >= kBuffer) [[unlikely]]
      flush();
  }
  void put(const CachedWord& word, uint32_t) {
    for (size_t i = 0; i < CachedWord::kPiecesMax; ++i) ids_[used_ + i] = word.ids[i];
    used_ += word.count;
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
  int32_t ids_[kBuffer + CachedWord::kPiecesMax];
};

}  // namespace headrace
