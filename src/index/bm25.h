// BM25 over the postings of several segments: a query is prepared once (terms, their frequencies
// over all segments), then asked for its best rows, or for the scores of given rows.
//
// Scores are whole numbers inside, scaled so that a row's sum fits 31 bits: sums then do not depend
// on the order in which terms are added, so that pruning, segments and batches all give the same
// scores and the same order.
//
// Owns: the query's terms; views the postings. Threads: const after prepare(); a Bm25Search is for
// any number of threads. Errors: damaged.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "index/bm25_contributions.h"
#include "index/postings_cursor.h"
#include "index/query_plan.h"
#include "index/search.h"
#include "index/search_top_rows.h"

namespace headrace::index {

struct Bm25Parameters {
  double k1 = 1.2;
  double b = 0.75;
};

// What threads that look for the best rows of one query together share. Each has a Top of its own;
// windows of rows are taken from here, and a row below `floor` is among the best of none.
class Bm25Search {
 public:
  explicit Bm25Search(size_t segments) : next_window_(segments) {}

  uint32_t floor() const { return floor_.load(std::memory_order_relaxed); }
  void raise_floor(uint32_t score) {
    uint32_t known = floor();
    while (known < score &&
           !floor_.compare_exchange_weak(known, score, std::memory_order_relaxed)) {
    }
  }
  // The next place in a segment's order of windows; kDone after end().
  static constexpr uint32_t kDone = UINT32_MAX / 2;
  uint32_t take(uint32_t segment) {
    return next_window_[segment].fetch_add(1, std::memory_order_relaxed);
  }
  bool is_done(uint32_t segment) const {
    return next_window_[segment].load(std::memory_order_relaxed) >= kDone;
  }
  void end(uint32_t segment) { next_window_[segment].store(kDone, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> floor_{0};
  std::vector<std::atomic<uint32_t>> next_window_;
};

class Bm25Query {
 public:
  using Top = TopRows<uint32_t>;

  static Result<Bm25Query> prepare(std::span<const SegmentView> segments, const QueryPlan& plan,
                                   Bm25Parameters parameters = {});

  // No term of the query is in any row.
  bool empty() const { return terms_.empty(); }
  // Adds the best rows of all segments to `top`; threads that share `search` each find a part of
  // them. `allowed` has a bit for each row of each segment; empty allows all.
  Status add_best(std::span<const std::vector<uint64_t>> allowed, Bm25Search& search,
                  Top& top) const;
  // The scores of `rows` (ascending) of one segment; 0 where no term occurs.
  Status score_rows(uint32_t segment, std::span<const uint32_t> rows,
                    std::span<uint32_t> scores) const;
  float score(uint32_t scaled) const { return static_cast<float>(scaled * unit_); }
  // What each term adds to one row, in the order of the plan's terms that occur anywhere.
  struct Part {
    std::string term;
    uint32_t tf = 0;
    uint64_t df = 0;
    float score = 0;
  };
  Result<std::vector<Part>> parts(uint32_t segment, uint32_t row) const;
  // What a row would score that holds every term of the query infinitely often: no row reaches it.
  float score_max() const { return static_cast<float>(weight_sum_ / scale_); }

 private:
  friend class WindowScorer;
  struct Term {
    std::string text;
    uint64_t df = 0;
    float weight = 0;  // scaled
    std::unique_ptr<const Contributions> adds;
    std::vector<std::optional<PostingList>> lists;  // one for each segment
  };

  bool are_few(uint32_t segment, std::span<const uint64_t> allowed) const;
  Status score_few(uint32_t segment, std::span<const uint64_t> allowed, Top& top) const;

  std::span<const SegmentView> segments_;
  std::vector<Term> terms_;
  std::array<float, 256> inverse_norms_{};  // by length code
  double scale_ = 1;
  double unit_ = 1;
  double weight_sum_ = 0;
};

}  // namespace headrace::index
