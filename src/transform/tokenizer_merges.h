// The merges of a BPE model: pairs of symbols → rank, and the merging of a short word.
//
// Symbols are numbers from 0, not token ids, so that a merge fits 8 bytes: what is new in a text
// costs mostly waiting for memory.
//
// Owns: its tables. Threads: const after building. Errors: reserve() says no.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace headrace {

class MergeTable {
 public:
  static constexpr uint32_t kNoRank = UINT32_MAX;
  static constexpr size_t kSymbolsMax = size_t{1} << 21;
  static constexpr size_t kMergesMax = (size_t{1} << 22) - 1;

  // False: too many of either.
  [[nodiscard]] bool reserve(size_t symbols, size_t merges) {
    if (symbols > kSymbolsMax || merges > kMergesMax) return false;
    slots_.assign(merges + merges / 2 + 8, kEmpty);
    results_.reserve(merges);
    return true;
  }
  // Merges come best first; the last of a pair counts. At most as many as reserved.
  void insert(uint32_t left, uint32_t right, uint32_t result) {
    const uint64_t wanted = pair(left, right);
    size_t at = slot(wanted);
    while (slots_[at] != kEmpty && slots_[at] >> kRankBits != wanted) {
      if (++at == slots_.size()) at = 0;
    }
    slots_[at] = wanted << kRankBits | results_.size();
    results_.push_back(result);
  }
  uint32_t rank(uint32_t left, uint32_t right) const {
    const uint64_t wanted = pair(left, right);
    const uint64_t* slots = slots_.data();
    for (size_t at = slot(wanted);;) {
      if (slots[at] >> kRankBits == wanted) return slots[at] & kRankMask;
      if (slots[at] == kEmpty) return kNoRank;
      if (++at == slots_.size()) at = 0;
    }
  }
  // What the merge of this rank makes.
  uint32_t result(uint32_t rank) const { return results_[rank]; }

 private:
  static constexpr int kSymbolBits = 21;
  static constexpr int kRankBits = 22;
  static constexpr uint64_t kRankMask = (uint64_t{1} << kRankBits) - 1;
  static constexpr uint64_t kEmpty = UINT64_MAX;  // no rank is that high

  static uint64_t pair(uint32_t left, uint32_t right) {
    return uint64_t{left} << kSymbolBits | right;
  }
  size_t slot(uint64_t pair) const {
    const uint64_t mixed = pair * 0x9E3779B97F4A7C15ULL;
    const uint64_t hash = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93ULL >> 32;
    return static_cast<size_t>(hash * slots_.size() >> 32);
  }

  std::vector<uint64_t> slots_;  // open addressing, two thirds full: pair and rank
  std::vector<uint32_t> results_;
};

// A word of few symbols, merged where it stands: a look at all pairs for each merge costs less than
// a heap of them.
class ShortWord {
 public:
  static constexpr size_t kSymbolsMax = 64;

  // `rank` is that of the pair of this symbol and the one before.
  void add(uint32_t symbol, uint32_t rank) {
    if (size_ > 0) ranks_[size_ - 1] = rank;
    symbols_[size_++] = symbol;
  }

  // Merges the best pair, the leftmost of equal ones, until there is none.
  void merge(const MergeTable& table) {
    for (size_t i = 0; i < size_; ++i) {
      after_[i] = static_cast<uint8_t>(i + 1);
      before_[i] = static_cast<uint8_t>(i - 1);  // of the first: never read
    }
    while (true) {
      size_t best = 0;
      uint32_t rank = MergeTable::kNoRank;
      for (size_t i = 0; i + 1 < size_; ++i) {
        const bool better = ranks_[i] < rank;
        best = better ? i : best;
        rank = better ? ranks_[i] : rank;
      }
      if (rank == MergeTable::kNoRank) return;
      symbols_[best] = table.result(rank);
      const size_t gone = after_[best];
      const size_t next = after_[gone];
      ranks_[gone] = MergeTable::kNoRank;
      after_[best] = static_cast<uint8_t>(next);
      if (next < size_) {
        before_[next] = static_cast<uint8_t>(best);
        ranks_[best] = table.rank(symbols_[best], symbols_[next]);
      } else {
        ranks_[best] = MergeTable::kNoRank;
      }
      if (best > 0) ranks_[before_[best]] = table.rank(symbols_[before_[best]], symbols_[best]);
    }
  }

  // Calls put(symbol, from, to) for each symbol left, with the places of those it was made of.
  template <typename Put>
  void each(Put&& put) const {
    for (size_t i = 0; i < size_; i = after_[i]) put(symbols_[i], i, size_t{after_[i]});
  }

 private:
  size_t size_ = 0;
  uint32_t symbols_[kSymbolsMax];
  uint32_t ranks_[kSymbolsMax];  // of symbol i and the next
  uint8_t after_[kSymbolsMax];
  uint8_t before_[kSymbolsMax];
};

}  // namespace headrace
