// The merges of a BPE model: pairs of symbols → rank, and the merging of short words.
//
// Symbols are numbers from 0, not token ids, so that a merge fits 8 bytes: what is new in a text
// costs mostly waiting for memory. For the same reason a ShortWord merges in steps: several words
// take turns, each asking for what it will read in its next turn.
//
// Owns: its tables. Threads: const after building. Errors: reserve() says no.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace headrace {

class MergeTable {
 public:
  static constexpr uint32_t kNoRank = UINT32_MAX;
  static constexpr size_t kSymbolsMax = (size_t{1} << 21) - 1;
  static constexpr size_t kMergesMax = (size_t{1} << 21) - 1;

  // A pair, and where a look for it begins.
  struct Wanted {
    uint64_t pair = 0;
    size_t slot = 0;
  };

  // False: too many of either.
  [[nodiscard]] bool reserve(size_t symbols, size_t merges) {
    if (symbols > kSymbolsMax || merges > kMergesMax) return false;
    places_ = merges * 2 + 8;
    slots_.assign(places_ + kAtOnce, kEmpty);
    results_.reserve(merges);
    return true;
  }
  // Merges come best first; the last of a pair counts. At most as many as reserved.
  void insert(uint32_t left, uint32_t right, uint32_t result) {
    const Wanted merge = wanted(left, right);
    size_t at = merge.slot;
    while (slots_[at] != kEmpty && slots_[at] >> kRankBits != merge.pair) {
      // The last ones look behind the end, not at the beginning again.
      if (++at + kAtOnce > slots_.size()) slots_.resize(slots_.size() + kAtOnce, kEmpty);
    }
    slots_[at] = merge.pair << kRankBits | results_.size();
    results_.push_back(result);
  }

  Wanted wanted(uint32_t left, uint32_t right) const {
    const uint64_t pair = uint64_t{left} << kSymbolBits | right;
    const uint64_t mixed = pair * 0x9E3779B97F4A7C15ULL;
    const uint64_t hash = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93ULL >> 32;
    return {pair, static_cast<size_t>(hash * places_ >> 32)};
  }
  void prefetch(const Wanted& merge) const { __builtin_prefetch(slots_.data() + merge.slot); }
  uint32_t rank(const Wanted& merge) const {
    // A few at a time without a branch: how many it takes cannot be foreseen. What is left of a
    // slot without the pair is its rank, and more than any rank when the pair is another.
    const uint64_t pair = merge.pair << kRankBits;
    for (const uint64_t* slot = slots_.data() + merge.slot;; slot += kAtOnce) {
      const uint64_t found = rank_or_zero(slot[0] ^ pair) + rank_or_zero(slot[1] ^ pair) +
                             rank_or_zero(slot[2] ^ pair) + rank_or_zero(slot[3] ^ pair);
      const uint64_t empty = slot[0] | slot[1] | slot[2] | slot[3];
      if ((found | (empty & kEmptyBit)) != 0) return static_cast<uint32_t>(found) - 1;
    }
  }
  uint32_t rank(uint32_t left, uint32_t right) const { return rank(wanted(left, right)); }

  // What the merge of this rank makes.
  uint32_t result(uint32_t rank) const { return results_.data()[rank]; }
  void prefetch_result(uint32_t rank) const {
    __builtin_prefetch(results_.data() + std::min<size_t>(rank, kMergesMax));
  }

 private:
  // A rank and one; 0: it is none. By arithmetic, for compilers make branches of conditions.
  static uint64_t rank_or_zero(uint64_t rank) {
    return (rank + 1) & (0 - static_cast<uint64_t>(rank <= kRankMask));
  }
  static constexpr int kSymbolBits = 21;
  static constexpr int kRankBits = 21;
  static constexpr uint64_t kRankMask = (uint64_t{1} << kRankBits) - 1;
  static constexpr uint64_t kEmptyBit = uint64_t{1} << 63;  // no pair is that high
  static constexpr uint64_t kEmpty = kEmptyBit;
  static constexpr size_t kAtOnce = 4;

  size_t places_ = 0;            // where a look can begin
  std::vector<uint64_t> slots_;  // open addressing, half full: pair and rank
  std::vector<uint32_t> results_;
};

// A word of few symbols, merged where it stands: a look at all pairs for each merge costs less than
// a heap of them.
class ShortWord {
 public:
  static constexpr size_t kSymbolsMax = 64;

  void clear() {
    size_ = 0;
    places_[0] = 0;
  }
  // A symbol that stands for `length` bytes. `rank` is that of the pair of it and the one before.
  void add(uint32_t symbol, uint32_t rank, uint32_t length) {
    if (size_ > 0) set_rank(size_ - 1, rank);
    symbols_[size_] = symbol;
    places_[size_ + 1] = places_[size_] + length;
    ++size_;
  }
  // After the last add().
  void begin() {
    padded_ = (size_ + kLanes - 1) / kLanes * kLanes;
    for (size_t i = size_ == 0 ? 0 : size_ - 1; i < padded_; ++i) order_[i] = kNone;
    for (size_t i = 0; i < size_; ++i) {
      after_[i] = static_cast<uint8_t>(i + 1);
      before_[i] = static_cast<uint8_t>(i - 1);  // of the first: never used
    }
  }

  // Merges the best pair, the leftmost of equal ones, and asks for the ranks of the pairs that come
  // of it; false: there is none. learn() must follow.
  bool step(const MergeTable& table) {
    int32_t best = kNone;
    for (size_t from = 0; from < padded_; from += kLanes) {
      int32_t lanes = kNone;
      for (size_t i = 0; i < kLanes; ++i) lanes = std::min(lanes, order_[from + i]);
      best = std::min(best, lanes);
    }
    if (best == kNone) return false;
    const auto at = static_cast<size_t>(best) % kSymbolsMax;
    const uint32_t merged = table.result(static_cast<uint32_t>(best) / kSymbolsMax);
    const size_t gone = after_[at];
    const size_t next = after_[gone];
    symbols_[at] = merged;
    order_[at] = kNone;
    order_[gone] = kNone;
    after_[at] = static_cast<uint8_t>(next);
    at_ = at;
    has_before_ = at > 0;
    has_after_ = next < size_;
    before_at_ = has_before_ ? before_[at] : at;
    if (has_after_) before_[next] = static_cast<uint8_t>(at);
    wanted_before_ = table.wanted(symbols_[before_at_], merged);
    wanted_after_ = table.wanted(merged, symbols_[has_after_ ? next : at]);
    table.prefetch(wanted_before_);
    table.prefetch(wanted_after_);
    return true;
  }
  void learn(const MergeTable& table) {
    if (has_before_) set_rank(before_at_, table.rank(wanted_before_), table);
    if (has_after_) set_rank(at_, table.rank(wanted_after_), table);
  }

  // Merges until there is nothing to merge.
  void merge(const MergeTable& table) {
    begin();
    while (step(table)) learn(table);
  }

  // Calls put(symbol, from, to) for each symbol left, with the bytes that it stands for.
  template <typename Put>
  void each(Put&& put) const {
    for (size_t i = 0; i < size_; i = after_[i]) put(symbols_[i], places_[i], places_[after_[i]]);
  }

 private:
  static constexpr size_t kLanes = 16;
  static constexpr int32_t kNone = INT32_MAX;

  void set_rank(size_t at, uint32_t rank) {
    order_[at] =
        rank == MergeTable::kNoRank ? kNone : static_cast<int32_t>(rank * kSymbolsMax + at);
  }
  void set_rank(size_t at, uint32_t rank, const MergeTable& table) {
    table.prefetch_result(rank);
    set_rank(at, rank);
  }

  size_t size_ = 0;
  size_t padded_ = 0;
  size_t at_ = 0;         // the symbol that was merged last
  size_t before_at_ = 0;  // and the one before it
  bool has_before_ = false;
  bool has_after_ = false;
  MergeTable::Wanted wanted_before_;
  MergeTable::Wanted wanted_after_;
  int32_t order_[kSymbolsMax];  // of symbol i and the next: rank, and i
  uint32_t symbols_[kSymbolsMax];
  uint32_t places_[kSymbolsMax + 1];  // where they begin
  uint8_t after_[kSymbolsMax];
  uint8_t before_[kSymbolsMax];
};

// Merges several words, which take turns.
inline void merge_words(std::span<ShortWord> words, const MergeTable& table) {
  constexpr size_t kMost = 16;
  for (; words.size() > kMost; words = words.subspan(kMost)) {
    merge_words(words.first(kMost), table);
  }
  ShortWord* left[kMost];
  size_t count = 0;
  for (ShortWord& word : words) {
    word.begin();
    left[count++] = &word;
  }
  while (count > 0) {
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i) {
      left[kept] = left[i];
      kept += left[i]->step(table) ? 1 : 0;
    }
    count = kept;
    for (size_t i = 0; i < count; ++i) left[i]->learn(table);
  }
}

}  // namespace headrace
