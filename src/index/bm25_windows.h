// WindowScorer finds the best rows of a segment by BM25: MaxScore with block impacts, in windows of
// rows. What each window can give at most is known before any block is unpacked; windows are scored
// in that order, so that few of them set a bar that most of the others cannot reach. In a window
// the terms that cannot lift a row over the bar together ("non-essential") are only added for rows
// that the others have brought near it; the others are added up in an array, block by block.
//
// Owns: its buffers; views the query and its postings. Threads: one at a time. Errors: damaged.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "index/bm25.h"
#include "index/bm25_kernels.h"

namespace headrace::index {

class WindowScorer {
 public:
  // Rows of the windows that this one gets from `search` are added to `top`.
  WindowScorer(const Bm25Query& query, Bm25Search& search, Bm25Query::Top& top);
  ~WindowScorer();
  WindowScorer(const WindowScorer&) = delete;
  WindowScorer& operator=(const WindowScorer&) = delete;

  // `allowed` has a bit for each row; empty allows all. The segment has postings.
  Status add_best(uint32_t segment, std::span<const uint64_t> allowed);

 private:
  static constexpr uint32_t kWindowRows = 8192;
  struct Term;

  Status open_lists();
  std::vector<uint32_t> windows_by_bound() const;
  bool window_allows() const;
  bool is_allowed(uint32_t row) const {
    return allowed_.empty() ||
           (row / 64 < allowed_.size() && ((allowed_[row / 64] >> (row % 64)) & 1) != 0);
  }
  int64_t least() const;
  void score_window(uint32_t window);
  template <typename Take>
  void for_postings(Term& term, const Take& take) const;
  void accumulate(Term& term);
  void collect(int64_t above);
  void collect_one(Term& term, int64_t above);
  void keep(int64_t rest, int64_t needed);
  void keep_allowed();
  uint64_t postings_here(const Term& term, uint32_t window) const;
  void add_all(Term& term);
  void add_each(Term& term, int64_t rest, int64_t needed);
  void add_rest(uint32_t window, size_t essential, int64_t needed);

  const Bm25Query& query_;
  Bm25Search& search_;
  Bm25Query::Top& top_;
  const CollectAbove collect_above_;
  uint32_t segment_ = 0;
  uint32_t row_limit_ = 0;
  const uint8_t* length_codes_ = nullptr;
  std::span<const uint64_t> allowed_;
  std::vector<std::unique_ptr<Term>> terms_;
  std::vector<int64_t> window_bounds_;  // what all terms can add together
  std::vector<Term*> active_;           // in this window, by what they add at most
  std::vector<int64_t> bounds_;         // of active_: what those up to it can add together
  uint32_t window_begin_ = 0;
  uint32_t window_end_ = 0;
  uint32_t first_ = 0;  // places of the window that were added to
  uint32_t last_ = 0;
  size_t near_count_ = 0;
  alignas(64) std::array<uint32_t, kWindowRows> sums_{};
  std::array<ScoredPlace, kWindowRows + 128> near_;  // a block more than there are rows
};

}  // namespace headrace::index
