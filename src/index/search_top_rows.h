// TopRows keeps the k best rows seen, with an order that does not depend on when they came: higher
// scores first, equal ones by (segment, row).
//
// Owns: at most k rows. Threads: one at a time. Errors: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace headrace::index {

template <typename Score>
class TopRows {
 public:
  struct Entry {
    Score score;
    uint32_t segment;
    uint32_t row;
  };

  explicit TopRows(size_t k) : k_(k) {}

  bool full() const { return entries_.size() >= k_; }
  // The score that a row coming later in the order of (segment, row) must exceed; ask when full().
  Score threshold() const { return entries_.front().score; }
  const Entry& worst() const { return entries_.front(); }

  void add(Score score, uint32_t segment, uint32_t row) {
    const Entry entry = {score, segment, row};
    if (!full()) {
      entries_.push_back(entry);
      std::push_heap(entries_.begin(), entries_.end(), before);
    } else if (k_ > 0 && before(entry, entries_.front())) {
      std::pop_heap(entries_.begin(), entries_.end(), before);
      entries_.back() = entry;
      std::push_heap(entries_.begin(), entries_.end(), before);
    }
  }

  // Best first; leaves nothing behind.
  std::vector<Entry> take() {
    std::sort_heap(entries_.begin(), entries_.end(), before);
    return std::move(entries_);
  }

 private:
  // The worst is at the front of the heap.
  static bool before(const Entry& a, const Entry& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.segment != b.segment ? a.segment < b.segment : a.row < b.row;
  }

  size_t k_;
  std::vector<Entry> entries_;
};

}  // namespace headrace::index
