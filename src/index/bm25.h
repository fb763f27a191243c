// BM25 over the postings of several segments: a query is prepared once (terms, their frequencies
// over all segments), then asked for its best rows, or for the scores of given rows.
//
// Scores are whole numbers inside, scaled so that a row's sum fits 31 bits: sums then do not depend
// on the order in which terms are added, so that pruning, segments and batches all give the same
// scores and the same order.
//
// Owns: the query's terms; views the postings. Threads: const after prepare(). Errors: damaged.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "index/postings_cursor.h"
#include "index/query_plan.h"
#include "index/search.h"
#include "index/search_top_rows.h"

namespace headrace::index {

struct Bm25Parameters {
  double k1 = 1.2;
  double b = 0.75;
};

class Bm25Query {
 public:
  using Top = TopRows<uint32_t>;

  static Result<Bm25Query> prepare(std::span<const SegmentView> segments, const QueryPlan& plan,
                                   Bm25Parameters parameters = {});

  // No term of the query is in any row.
  bool empty() const { return terms_.empty(); }
  // Adds the segment's best rows to `top`. `allowed` has a bit for each row; empty allows all.
  Status add_best(uint32_t segment, std::span<const uint64_t> allowed, Top& top) const;
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
    float weight = 0;                               // scaled
    std::vector<std::optional<PostingList>> lists;  // one for each segment
  };

  Status score_few(uint32_t segment, std::span<const uint64_t> allowed, Top& top) const;

  std::span<const SegmentView> segments_;
  std::vector<Term> terms_;
  std::array<float, 256> inverse_norms_{};  // by length code
  double scale_ = 1;
  double unit_ = 1;
  double weight_sum_ = 0;
};

}  // namespace headrace::index
