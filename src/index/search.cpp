#include "index/search.h"

#include <algorithm>
#include <utility>

#include "index/search_columns.h"
#include "index/search_ranking.h"
#include "index/search_rerank.h"

namespace headrace::index {
namespace {

Status check_request(const SearchRequest& request, SearchKind kind) {
  const bool by_score = kind == SearchKind::vector || kind == SearchKind::hybrid;
  if (!request.sort.empty() && by_score) {
    return fail(ErrorCode::invalid_argument,
                "only rows found by their words can be sorted by a column",
                "search with mode text, or without a text");
  }
  const auto is_weight = [](float weight) { return weight >= 0 && weight < 1e6f; };
  if (!is_weight(request.fusion.text_weight) || !is_weight(request.fusion.vector_weight) ||
      !is_weight(request.title_weight) ||
      request.fusion.text_weight + request.fusion.vector_weight <= 0) {
    return fail(ErrorCode::invalid_argument, "weights must not be below zero, nor all be zero",
                "weights such as 1 and 2 compare the parts");
  }
  return {};
}

// Reordered rows, at most `depth` of them.
Result<std::vector<RerankedRow>> reordered(std::span<const SegmentView> segments,
                                           const Ranking& ranking, const SearchRequest& request,
                                           std::span<const Candidate> best, size_t depth) {
  std::vector<RerankedRow> rows;
  for (const Candidate& candidate : best) rows.push_back({candidate, std::nullopt});
  if (request.decay) HR_TRY(apply_decay(segments, *request.decay, rows));
  if (!request.group_by.empty()) HR_TRY(keep_groups(segments, request.group_by, rows));
  if (request.diversity) {
    if (!ranking.space()) {
      return fail(ErrorCode::invalid_argument, "there are no vectors to tell likeness by",
                  "search without MMR, or in a knowledge base with vectors");
    }
    HR_TRY(apply_diversity(*ranking.space(), *request.diversity, depth, rows));
  }
  if (rows.size() > depth) rows.resize(depth);
  return rows;
}

// Sorted rows, in groups where asked for.
Result<std::vector<RerankedRow>> sorted(std::span<const SegmentView> segments,
                                        const SearchRequest& request, const AllowedRows& found) {
  for (size_t depth = request.k;; depth *= 8) {
    HR_ASSIGN(const auto order,
              sort_rows(segments, found, request.sort, request.descending, depth));
    std::vector<RerankedRow> rows;
    for (const ScoredRow& row : order) {
      rows.push_back({{row.segment, row.row, 0, {}, 0, 0, 0}, std::nullopt});
    }
    if (!request.group_by.empty()) HR_TRY(keep_groups(segments, request.group_by, rows));
    if (rows.size() < request.k && order.size() == depth && depth > 0) continue;
    if (rows.size() > request.k) rows.resize(request.k);
    return rows;
  }
}

// Groups may need many more candidates than rows are asked for: more are taken until there are
// enough, or no more.
Result<std::vector<RerankedRow>> ranked_rows(std::span<const SegmentView> segments,
                                             const Ranking& ranking, const RankedRequest& ranked) {
  const SearchRequest& request = *ranked.request;
  size_t depth = request.k;
  if (depth == 0) return std::vector<RerankedRow>{};
  if (request.decay) depth = std::max(depth, kRerankDepth);
  if (request.diversity) depth = std::max(depth, kDiversityDepth);
  if (!request.group_by.empty()) depth = std::max(depth, size_t{4} * request.k);
  for (;; depth *= 4) {
    HR_ASSIGN(const auto best, ranking.best(ranked, depth));
    HR_ASSIGN(auto rows, reordered(segments, ranking, request, best, request.k));
    const bool short_of_groups =
        !request.group_by.empty() && rows.size() < request.k && best.size() >= depth;
    if (!short_of_groups) return rows;
  }
}

Result<Explanation> explain(const Bm25Query& query, const RerankedRow& row) {
  const Candidate& candidate = row.candidate;
  Explanation explanation;
  HR_ASSIGN(auto parts, query.parts(candidate.segment, candidate.row));
  for (auto& part : parts) {
    explanation.terms.push_back({std::move(part.term), part.tf, part.df, part.score});
  }
  if (candidate.text > 0 || candidate.text_rank > 0) explanation.text = candidate.text;
  explanation.vector = candidate.vector;
  explanation.text_rank = candidate.text_rank;
  explanation.vector_rank = candidate.vector_rank;
  explanation.decay = row.decay;
  return explanation;
}

}  // namespace

Result<std::vector<ScoredRow>> search(std::span<const SegmentView> segments,
                                      const SearchRequest& request) {
  HR_ASSIGN(SearchAnswer answer, search_answer(segments, request));
  return std::move(answer.rows);
}

Result<SearchAnswer> search_answer(std::span<const SegmentView> segments,
                                   const SearchRequest& request, ThreadPool* pool) {
  Ranking ranking(segments, request, pool);
  HR_TRY(ranking.prepare());
  HR_ASSIGN(const RankedRequest ranked, ranking.plan(request));
  HR_TRY(check_request(request, ranked.kind));
  AllowedRows found;
  if (!request.sort.empty() || !request.facets.empty()) {
    HR_ASSIGN(found, ranking.found_rows(ranked));
  }
  std::vector<RerankedRow> rows;
  if (!request.sort.empty()) {
    HR_ASSIGN(rows, sorted(segments, request, found));
  } else {
    HR_ASSIGN(rows, ranked_rows(segments, ranking, ranked));
  }
  SearchAnswer answer;
  for (const RerankedRow& row : rows) {
    answer.rows.push_back({row.candidate.segment, row.candidate.row, row.candidate.fused});
  }
  if (request.explain) {
    HR_ASSIGN(const Bm25Query query, Bm25Query::prepare(segments, ranked.plan));
    for (const RerankedRow& row : rows) {
      HR_ASSIGN(Explanation explanation, explain(query, row));
      answer.explanations.push_back(std::move(explanation));
    }
  }
  for (const std::string& column : request.facets) {
    HR_ASSIGN(FacetCounts facet, count_values(segments, found, column, request.facet_values_max));
    answer.facets.push_back(std::move(facet));
  }
  return answer;
}

Result<std::vector<std::vector<ScoredRow>>> search_batch(std::span<const SegmentView> segments,
                                                         std::span<const SearchRequest> requests,
                                                         ThreadPool& pool,
                                                         const CancelToken* cancel) {
  if (requests.empty()) return std::vector<std::vector<ScoredRow>>{};
  Ranking ranking(segments, requests[0]);
  HR_TRY(ranking.prepare());
  return ranking.batch(requests, pool, cancel);
}

}  // namespace headrace::index
