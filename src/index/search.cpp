#include "index/search.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "index/bm25.h"
#include "index/fusion.h"
#include "index/search_vectors.h"

namespace headrace::index {
namespace {

using Hits = std::vector<ScoredRow>;

// The queries that share one pass over the vectors.
constexpr size_t kQueriesPerPass = 64;

// What all requests of a batch share.
class Search {
 public:
  Search(std::span<const SegmentView> segments, const SearchRequest& shared)
      : segments_(segments), shared_(shared) {}

  Status prepare() {
    HR_TRY(resolve_allowed());
    if (shared_.mode == SearchMode::text) return {};
    HR_ASSIGN(space_, open_space(segments_, shared_.space));
    return {};
  }

  Result<Hits> run(const SearchRequest& request) const {
    if (request.k == 0) return Hits{};
    HR_ASSIGN(const Kind kind, kind_of(request));
    switch (kind) {
      case Kind::newest:
        return newest(request.k);
      case Kind::text:
        return text_hits(request);
      case Kind::vector:
      case Kind::hybrid:
        break;
    }
    if (!space_) return kind == Kind::hybrid ? text_hits(request) : Result<Hits>(Hits{});
    HR_ASSIGN(const std::vector<float> vector, prepare_vector(*space_, request.vector));
    const std::span<const float> queries[] = {vector};
    std::vector<VectorTop> tops = best_vectors(*space_, allowed_, queries, depth(kind, request.k));
    return kind == Kind::vector ? vector_hits(tops[0]) : hybrid_hits(request, vector, tops[0]);
  }

  Result<std::vector<Hits>> run_batch(std::span<const SearchRequest> requests,
                                      ThreadPool& pool) const {
    std::vector<Result<Hits>> results(requests.size());
    const size_t per_pass =
        std::clamp<size_t>((requests.size() + pool.size()) / (pool.size() + 1), 1, kQueriesPerPass);
    const size_t passes = (requests.size() + per_pass - 1) / per_pass;
    pool.parallel_for(passes, [&](size_t pass) {
      const size_t begin = pass * per_pass;
      const size_t count = std::min(per_pass, requests.size() - begin);
      run_pass(requests.subspan(begin, count), std::span(results).subspan(begin, count));
    });
    std::vector<Hits> hits;
    hits.reserve(results.size());
    for (Result<Hits>& result : results) {
      if (!result) return std::unexpected<Error>(std::move(result).error());
      hits.push_back(std::move(*result));
    }
    return hits;
  }

 private:
  enum class Kind : uint8_t { newest, text, vector, hybrid };

  // The modes fall back to what a request has; an empty text is nothing to search by.
  static Result<Kind> kind_of(const SearchRequest& request) {
    const bool has_vector = !request.vector.empty();
    switch (request.mode) {
      case SearchMode::text:
        return request.text.empty() ? Kind::newest : Kind::text;
      case SearchMode::vector:
        if (has_vector) return Kind::vector;
        return fail(ErrorCode::invalid_argument, "a search by vector needs a vector",
                    "give one, or search with mode text or hybrid");
      case SearchMode::hybrid:
        if (!has_vector) return request.text.empty() ? Kind::newest : Kind::text;
        return request.text.empty() ? Kind::vector : Kind::hybrid;
    }
    return Kind::text;
  }

  static size_t depth(Kind kind, uint32_t k) {
    return kind == Kind::hybrid ? std::max<size_t>(k, kFusionDepth) : k;
  }

  // A bit for each row that may be found; nothing at all where every row of a segment may.
  Status resolve_allowed() {
    allowed_.resize(segments_.size());
    std::vector<RowBitmap> matches;
    if (shared_.filter != nullptr) {
      std::vector<const Columns*> columns;
      for (const SegmentView& segment : segments_) {
        if (segment.columns == nullptr) {
          return fail(ErrorCode::internal, "a segment without columns cannot be filtered");
        }
        columns.push_back(segment.columns);
      }
      HR_ASSIGN(matches, shared_.filter->evaluate(columns));
    }
    for (size_t i = 0; i < segments_.size(); ++i) {
      const RowBitmap* const deleted = segments_[i].deleted;
      const bool any_deleted = deleted != nullptr && !deleted->empty();
      if (matches.empty() && !any_deleted) continue;
      const size_t words = (size_t{segments_[i].row_count} + 63) / 64;
      std::vector<uint64_t>& allowed = allowed_[i];
      if (matches.empty()) {
        allowed.assign(words, ~uint64_t{0});
        if (segments_[i].row_count % 64 != 0) {
          allowed.back() = (uint64_t{1} << (segments_[i].row_count % 64)) - 1;
        }
      } else {
        allowed = std::move(matches[i].words());
        allowed.resize(std::max<size_t>(words, 1));  // never empty: that would allow all
      }
      if (!any_deleted) continue;
      const std::vector<uint64_t>& gone = deleted->words();
      for (size_t w = 0; w < std::min(allowed.size(), gone.size()); ++w) allowed[w] &= ~gone[w];
    }
    return {};
  }

  bool is_allowed(uint32_t segment, uint32_t row) const {
    const std::vector<uint64_t>& allowed = allowed_[segment];
    return allowed.empty() ||
           (row / 64 < allowed.size() && ((allowed[row / 64] >> (row % 64)) & 1) != 0);
  }

  Hits newest(uint32_t k) const {
    Hits hits;
    for (size_t segment = segments_.size(); segment-- > 0;) {
      for (uint32_t row = segments_[segment].row_count; row-- > 0;) {
        if (hits.size() == k) return hits;
        if (is_allowed(static_cast<uint32_t>(segment), row)) {
          hits.push_back({static_cast<uint32_t>(segment), row, 0});
        }
      }
    }
    return hits;
  }

  Result<std::vector<Bm25Query::Top::Entry>> best_text(const Bm25Query& query, size_t k) const {
    Bm25Query::Top top(k);
    for (uint32_t segment = 0; segment < segments_.size() && !query.empty(); ++segment) {
      HR_TRY(query.add_best(segment, allowed_[segment], top));
    }
    return top.take();
  }

  Result<Hits> text_hits(const SearchRequest& request) const {
    HR_ASSIGN(const Bm25Query query, Bm25Query::prepare(segments_, request.text));
    HR_ASSIGN(const auto best, best_text(query, request.k));
    Hits hits;
    for (const auto& entry : best) {
      hits.push_back({entry.segment, entry.row, query.score(entry.score)});
    }
    return hits;
  }

  static Hits vector_hits(VectorTop& top) {
    Hits hits;
    for (const auto& entry : top.take()) hits.push_back({entry.segment, entry.row, entry.score});
    return hits;
  }

  Result<Hits> hybrid_hits(const SearchRequest& request, std::span<const float> vector,
                           VectorTop& vector_top) const {
    HR_ASSIGN(const Bm25Query query, Bm25Query::prepare(segments_, request.text));
    if (query.empty()) {
      Hits hits = vector_hits(vector_top);
      if (hits.size() > request.k) hits.resize(request.k);
      return hits;
    }
    HR_ASSIGN(const auto best, best_text(query, depth(Kind::hybrid, request.k)));
    std::vector<FusionRow> rows;
    for (const auto& entry : best) rows.push_back({entry.segment, entry.row, 0, {}, 0});
    for (const auto& entry : vector_top.take()) {
      rows.push_back({entry.segment, entry.row, 0, entry.score, 0});
    }
    const auto place = [](const FusionRow& row) { return std::pair(row.segment, row.row); };
    std::ranges::stable_sort(rows, {}, place);
    const auto repeated = std::ranges::unique(rows, {}, place);
    rows.erase(repeated.begin(), repeated.end());
    HR_TRY(complete(query, vector, rows));
    fuse(rows, query.score_max());
    std::ranges::stable_sort(
        rows, [](const FusionRow& a, const FusionRow& b) { return a.fused > b.fused; });
    Hits hits;
    for (size_t i = 0; i < std::min<size_t>(rows.size(), request.k); ++i) {
      hits.push_back({rows[i].segment, rows[i].row, rows[i].fused});
    }
    return hits;
  }

  // Both scores of every candidate (rows are in order of segment and row).
  Status complete(const Bm25Query& query, std::span<const float> vector,
                  std::vector<FusionRow>& rows) const {
    std::vector<uint32_t> numbers;
    std::vector<uint32_t> scores;
    for (size_t begin = 0; begin < rows.size();) {
      const uint32_t segment = rows[begin].segment;
      size_t end = begin;
      numbers.clear();
      for (; end < rows.size() && rows[end].segment == segment; ++end) {
        numbers.push_back(rows[end].row);
      }
      scores.resize(numbers.size());
      HR_TRY(query.score_rows(segment, numbers, scores));
      for (size_t i = begin; i < end; ++i) {
        rows[i].text = query.score(scores[i - begin]);
        rows[i].vector = vector_score(*space_, segment, rows[i].row, vector);
      }
      begin = end;
    }
    return {};
  }

  // Requests whose vectors are scanned together.
  void run_pass(std::span<const SearchRequest> requests, std::span<Result<Hits>> results) const {
    std::vector<std::vector<float>> vectors(requests.size());
    std::vector<std::span<const float>> queries;
    std::vector<size_t> places;
    for (size_t i = 0; i < requests.size(); ++i) {
      const auto kind = kind_of(requests[i]);
      const bool by_vector =
          kind && (*kind == Kind::vector || *kind == Kind::hybrid) && space_ && requests[i].k > 0;
      auto vector = by_vector ? prepare_vector(*space_, requests[i].vector)
                              : Result<std::vector<float>>(std::vector<float>());
      if (!vector) {
        results[i] = std::unexpected<Error>(std::move(vector).error());
      } else if (by_vector) {
        vectors[i] = std::move(*vector);
        queries.push_back(vectors[i]);
        places.push_back(i);
      } else {
        results[i] = run(requests[i]);
      }
    }
    if (queries.empty()) return;
    size_t k = 0;
    for (const size_t i : places) k = std::max(k, depth(*kind_of(requests[i]), requests[i].k));
    std::vector<VectorTop> tops = best_vectors(*space_, allowed_, queries, k);
    for (size_t q = 0; q < places.size(); ++q) {
      const size_t i = places[q];
      if (*kind_of(requests[i]) == Kind::hybrid) {
        results[i] = hybrid_hits(requests[i], vectors[i], tops[q]);
      } else {
        results[i] = vector_hits(tops[q]);
        if (results[i]->size() > requests[i].k) results[i]->resize(requests[i].k);
      }
    }
  }

  std::span<const SegmentView> segments_;
  const SearchRequest& shared_;
  std::vector<std::vector<uint64_t>> allowed_;
  std::optional<VectorSpace> space_;
};

}  // namespace

Result<std::vector<ScoredRow>> search(std::span<const SegmentView> segments,
                                      const SearchRequest& request) {
  Search search(segments, request);
  HR_TRY(search.prepare());
  return search.run(request);
}

Result<std::vector<std::vector<ScoredRow>>> search_batch(std::span<const SegmentView> segments,
                                                         std::span<const SearchRequest> requests,
                                                         ThreadPool& pool) {
  if (requests.empty()) return std::vector<std::vector<ScoredRow>>{};
  Search search(segments, requests[0]);
  HR_TRY(search.prepare());
  return search.run_batch(requests, pool);
}

}  // namespace headrace::index
