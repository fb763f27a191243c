// The best places of a list search by their byte plane: the k best, whose last bounds the search,
// and some behind them that the low bits, read at the end, may still put before it.
//
// Owns: at most k and a few more entries. Threads: one at a time. Errors: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace headrace::index {

struct ScoredPlace {
  float score;
  uint32_t place;
  uint32_t base;  // which of the query's list bases it was compared with
};

class BestPlaces {
 public:
  explicit BestPlaces(size_t k) : k_(k), spare_(std::max<size_t>(8, k / 2)) {
    best_.reserve(k_);
    behind_.reserve(spare_);
  }
  void reset() {
    best_.clear();
    behind_.clear();
    slack_ = 0;
  }
  bool full() const { return best_.size() >= k_; }
  // Below this nothing is of use.
  float threshold() const {
    return full() ? best_.front().score - slack_ : -std::numeric_limits<float>::infinity();
  }
  // `error`: by how much the score may be wrong.
  void add(const ScoredPlace& entry, float error) {
    if (!(entry.score > threshold())) return;
    slack_ = std::max(slack_, error);
    if (!full()) {
      push(best_, entry);
    } else if (entry.score > best_.front().score) {
      std::ranges::pop_heap(best_, better);
      keep_behind(best_.back());
      best_.back() = entry;
      std::ranges::push_heap(best_, better);
    } else {
      keep_behind(entry);
    }
  }
  std::span<const ScoredPlace> best() const { return best_; }
  std::span<const ScoredPlace> behind() const { return behind_; }

 private:
  static bool better(const ScoredPlace& a, const ScoredPlace& b) { return a.score > b.score; }
  static void push(std::vector<ScoredPlace>& heap, ScoredPlace entry) {
    heap.push_back(entry);
    std::ranges::push_heap(heap, better);
  }
  void keep_behind(ScoredPlace entry) {
    if (behind_.size() < spare_) {
      push(behind_, entry);
    } else if (entry.score > behind_.front().score) {
      std::ranges::pop_heap(behind_, better);
      behind_.back() = entry;
      std::ranges::push_heap(behind_, better);
    }
  }

  size_t k_;
  size_t spare_;
  float slack_ = 0;
  std::vector<ScoredPlace> best_, behind_;
};

}  // namespace headrace::index
