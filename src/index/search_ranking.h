// Ranking: the best rows by text, vector or both. What all requests of a batch share (filter,
// space) is resolved once; a request's own conditions (phrases, +must, -not) narrow it further.
//
// Owns: the rows that may be found. Threads: const after prepare(). Errors: those of search.h.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "index/bm25.h"
#include "index/fusion.h"
#include "index/query_plan.h"
#include "index/search.h"
#include "index/search_vectors.h"
#include "runtime/cancel.h"

namespace headrace::index {

// What a request comes down to: an empty text is nothing to search by.
enum class SearchKind : uint8_t { newest, text, vector, hybrid };
Result<SearchKind> search_kind(const SearchRequest& request);

// For each segment a bit for each row that may be found; nothing at all where every row may.
using AllowedRows = std::vector<std::vector<uint64_t>>;

// A request with what its text means for these segments.
struct RankedRequest {
  const SearchRequest* request = nullptr;
  SearchKind kind = SearchKind::newest;
  QueryPlan plan;
  std::optional<AllowedRows> own_allowed;  // where the text narrows the rows
};

// A row with the scores it has; `fused` is what it is ranked by.
using Candidate = FusionRow;

class Ranking {
 public:
  Ranking(std::span<const SegmentView> segments, const SearchRequest& shared,
          ThreadPool* pool = nullptr)
      : segments_(segments), shared_(shared), pool_(pool) {}

  Status prepare();
  Result<RankedRequest> plan(const SearchRequest& request) const;

  // The `depth` best.
  Result<std::vector<Candidate>> best(const RankedRequest& ranked, size_t depth) const;
  Result<std::vector<std::vector<ScoredRow>>> batch(std::span<const SearchRequest> requests,
                                                    ThreadPool& pool,
                                                    const CancelToken* cancel) const;
  // All rows that the request finds, as bits. Where only a vector is asked for: all it may find.
  Result<AllowedRows> found_rows(const RankedRequest& ranked) const;

  const std::optional<VectorSpace>& space() const { return space_; }

 private:
  std::span<const std::vector<uint64_t>> allowed(const RankedRequest& ranked) const {
    return ranked.own_allowed ? *ranked.own_allowed : allowed_;
  }
  Status resolve_allowed();
  std::vector<uint64_t> all_allowed(uint32_t segment) const;
  std::vector<Candidate> newest(const RankedRequest& ranked, size_t depth) const;
  Result<std::vector<Candidate>> by_text(
      const Bm25Query& query, const RankedRequest& ranked, size_t depth,
      const std::function<void()>& also = [] {}) const;
  std::vector<VectorTop> nearest(const RankedRequest& ranked,
                                 std::span<const std::span<const float>> queries,
                                 size_t depth) const;
  Result<std::vector<Candidate>> by_both(const RankedRequest& ranked, const Bm25Query& query,
                                         Result<std::vector<Candidate>> rows,
                                         std::span<const float> vector, VectorTop& vectors,
                                         size_t depth) const;
  bool pays_two_threads() const;
  Status complete(const Bm25Query& query, std::span<const float> vector,
                  std::vector<Candidate>& rows) const;
  void run_pass(std::span<const SearchRequest> requests,
                std::span<Result<std::vector<Candidate>>> results) const;

  std::span<const SegmentView> segments_;
  const SearchRequest& shared_;
  ThreadPool* const pool_;  // for a single search; may be none
  AllowedRows allowed_;
  std::optional<VectorSpace> space_;
};

}  // namespace headrace::index
