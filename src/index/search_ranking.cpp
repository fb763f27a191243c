#include "index/search_ranking.h"

#include <algorithm>
#include <array>
#include <utility>

namespace headrace::index {
namespace {

// The queries that share one pass over the vectors.
constexpr size_t kQueriesPerPass = 1024;

size_t vector_depth(SearchKind kind, size_t depth) {
  return kind == SearchKind::hybrid ? std::max(depth, kFusionDepth) : depth;
}

bool is_set(std::span<const uint64_t> rows, uint32_t row) {
  return rows.empty() || (row / 64 < rows.size() && ((rows[row / 64] >> (row % 64)) & 1) != 0);
}

std::vector<Candidate> by_vector(VectorTop& top, size_t depth) {
  std::vector<Candidate> rows;
  for (const auto& entry : top.take()) {
    if (rows.size() == depth) break;
    rows.push_back({entry.segment, entry.row, 0, entry.score, entry.score, 0,
                    static_cast<uint32_t>(rows.size() + 1)});
  }
  return rows;
}

}  // namespace

// The modes fall back to what a request has.
Result<SearchKind> search_kind(const SearchRequest& request) {
  const bool has_vector = !request.vector.empty();
  switch (request.mode) {
    case SearchMode::text:
      return request.text.empty() ? SearchKind::newest : SearchKind::text;
    case SearchMode::vector:
      if (has_vector) return SearchKind::vector;
      return fail(ErrorCode::invalid_argument, "a search by vector needs a vector",
                  "give one, or search with mode text or hybrid");
    case SearchMode::hybrid:
      if (!has_vector) return request.text.empty() ? SearchKind::newest : SearchKind::text;
      return request.text.empty() ? SearchKind::vector : SearchKind::hybrid;
  }
  return SearchKind::text;
}

Status Ranking::prepare() {
  HR_TRY(resolve_allowed());
  if (shared_.mode == SearchMode::text && !shared_.diversity) return {};
  HR_ASSIGN(space_, open_space(segments_, shared_.space));
  if (space_) resolve_filters(*space_, allowed_);
  return {};
}

// Every row of the segment.
std::vector<uint64_t> Ranking::all_allowed(uint32_t segment) const {
  const uint32_t rows = segments_[segment].row_count;
  std::vector<uint64_t> allowed((size_t{rows} + 63) / 64, ~uint64_t{0});
  if (rows % 64 != 0) allowed.back() = (uint64_t{1} << (rows % 64)) - 1;
  return allowed;
}

Status Ranking::resolve_allowed() {
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
  for (uint32_t i = 0; i < segments_.size(); ++i) {
    const RowBitmap* const deleted = segments_[i].deleted;
    const bool any_deleted = deleted != nullptr && !deleted->empty();
    if (matches.empty() && !any_deleted) continue;
    std::vector<uint64_t>& allowed = allowed_[i];
    if (matches.empty()) {
      allowed = all_allowed(i);
    } else {
      allowed = std::move(matches[i].words());
      // Never empty: that would allow all.
      allowed.resize(std::max<size_t>((size_t{segments_[i].row_count} + 63) / 64, 1));
    }
    if (!any_deleted) continue;
    const std::vector<uint64_t>& gone = deleted->words();
    for (size_t w = 0; w < std::min(allowed.size(), gone.size()); ++w) allowed[w] &= ~gone[w];
  }
  return {};
}

Result<RankedRequest> Ranking::plan(const SearchRequest& request) const {
  RankedRequest ranked;
  ranked.request = &request;
  HR_ASSIGN(ranked.kind, search_kind(request));
  if (request.text.empty()) return ranked;
  const Query query = request.plain ? plain_query(request.text) : parse_query(request.text);
  HR_ASSIGN(ranked.plan, plan_query(segments_, query, request.title_weight));
  if (ranked.plan.only_excludes && ranked.kind == SearchKind::text) {
    ranked.kind = SearchKind::newest;
  }
  if (ranked.plan.conditions.empty()) return ranked;
  AllowedRows& own = ranked.own_allowed.emplace(segments_.size());
  for (uint32_t i = 0; i < segments_.size(); ++i) {
    own[i] = allowed_[i].empty() ? all_allowed(i) : allowed_[i];
    HR_TRY(keep_matching(segments_[i], ranked.plan, own[i]));
    own[i].resize(std::max<size_t>(own[i].size(), 1));
  }
  return ranked;
}

std::vector<Candidate> Ranking::newest(const RankedRequest& ranked, size_t depth) const {
  const auto rows_allowed = allowed(ranked);
  std::vector<Candidate> rows;
  for (size_t segment = segments_.size(); segment-- > 0;) {
    for (uint32_t row = segments_[segment].row_count; row-- > 0;) {
      if (rows.size() == depth) return rows;
      if (is_set(rows_allowed[segment], row)) {
        rows.push_back({static_cast<uint32_t>(segment), row, 0, {}, 0, 0, 0});
      }
    }
  }
  return rows;
}

// What is not done by `also`, which runs beside it on the pool where that pays.
Result<std::vector<Candidate>> Ranking::by_text(const Bm25Query& query, const RankedRequest& ranked,
                                                size_t depth,
                                                const std::function<void()>& also) const {
  Bm25Search search(segments_.size());
  std::array<Bm25Query::Top, 2> tops = {Bm25Query::Top(depth), Bm25Query::Top(depth)};
  std::array<Status, 2> done;
  const auto add_best = [&](size_t part) {
    done[part] = query.add_best(allowed(ranked), search, tops[part]);
  };
  if (pays_two_threads()) {
    // Who is free first helps with the words.
    pool_->parallel_for(3, [&](size_t part) { part == 1 ? also() : add_best(part / 2); });
  } else {
    add_best(0);
    also();
  }
  for (Status& status : done) HR_TRY(std::move(status));
  for (const auto& entry : tops[1].take()) tops[0].add(entry.score, entry.segment, entry.row);
  std::vector<Candidate> rows;
  for (const auto& entry : tops[0].take()) {
    const float score = query.score(entry.score);
    rows.push_back(
        {entry.segment, entry.row, score, {}, score, static_cast<uint32_t>(rows.size() + 1), 0});
  }
  return rows;
}

// `found`: the best by text.
Result<std::vector<Candidate>> Ranking::by_both(const RankedRequest& ranked, const Bm25Query& query,
                                                Result<std::vector<Candidate>> found,
                                                std::span<const float> vector, VectorTop& vectors,
                                                size_t depth) const {
  HR_ASSIGN(std::vector<Candidate> rows, std::move(found));
  if (rows.empty()) return by_vector(vectors, depth);
  for (const auto& entry : vectors.take()) {
    rows.push_back({entry.segment, entry.row, 0, entry.score, 0, 0, 0});
  }
  const auto place = [](const Candidate& row) { return std::pair(row.segment, row.row); };
  std::ranges::stable_sort(rows, {}, place);
  const auto repeated = std::ranges::unique(rows, {}, place);
  rows.erase(repeated.begin(), repeated.end());
  HR_TRY(complete(query, vector, rows));
  fuse(rows, ranked.request->fusion);
  std::ranges::stable_sort(
      rows, [](const Candidate& a, const Candidate& b) { return a.fused > b.fused; });
  if (rows.size() > depth) rows.resize(depth);
  return rows;
}

// Both scores of every candidate (rows are in order of segment and row). What was found by its
// words has their score.
Status Ranking::complete(const Bm25Query& query, std::span<const float> vector,
                         std::vector<Candidate>& rows) const {
  std::vector<uint32_t> numbers;
  std::vector<uint32_t> scores;
  for (size_t begin = 0; begin < rows.size();) {
    const uint32_t segment = rows[begin].segment;
    size_t end = begin;
    numbers.clear();
    for (; end < rows.size() && rows[end].segment == segment; ++end) {
      if (rows[end].text_rank == 0) numbers.push_back(rows[end].row);
    }
    scores.resize(numbers.size());
    HR_TRY(query.score_rows(segment, numbers, scores));
    auto score = scores.begin();
    for (Candidate& row : std::span(rows).subspan(begin, end - begin)) {
      if (row.text_rank == 0) row.text = query.score(*score++);
      row.vector = vector_score(*space_, segment, row.row, vector);
    }
    begin = end;
  }
  return {};
}

std::vector<VectorTop> Ranking::nearest(const RankedRequest& ranked,
                                        std::span<const std::span<const float>> queries,
                                        size_t depth) const {
  const double recall = ranked.request->recall;
  ThreadPool* const pool = pays_two_threads() ? pool_ : nullptr;
  if (!ranked.own_allowed) return best_vectors(*space_, allowed_, queries, depth, recall, pool);
  // The text narrows the rows: a filter of its own.
  VectorSpace narrowed{space_->dimension, space_->metric, space_->sets, {}};
  resolve_filters(narrowed, *ranked.own_allowed);
  return best_vectors(narrowed, *ranked.own_allowed, queries, depth, recall, pool);
}

// Waking a thread takes some ten microseconds.
bool Ranking::pays_two_threads() const {
  constexpr uint64_t kRowsMin = 50'000;
  uint64_t rows = 0;
  for (const SegmentView& segment : segments_) rows += segment.row_count;
  return pool_ != nullptr && rows >= kRowsMin;
}

Result<std::vector<Candidate>> Ranking::best(const RankedRequest& ranked, size_t depth) const {
  if (depth == 0) return std::vector<Candidate>{};
  if (ranked.kind == SearchKind::newest) return newest(ranked, depth);
  const bool text_alone = ranked.kind == SearchKind::hybrid && !space_;
  if (ranked.kind == SearchKind::text || text_alone) {
    HR_ASSIGN(const Bm25Query query, Bm25Query::prepare(segments_, ranked.plan));
    return by_text(query, ranked, depth);
  }
  if (!space_) return std::vector<Candidate>{};
  HR_ASSIGN(const std::vector<float> vector, prepare_vector(*space_, ranked.request->vector));
  const std::span<const float> queries[] = {vector};
  if (ranked.kind == SearchKind::vector) {
    return by_vector(nearest(ranked, queries, depth)[0], depth);
  }
  const size_t deep = vector_depth(ranked.kind, depth);
  HR_ASSIGN(const Bm25Query query, Bm25Query::prepare(segments_, ranked.plan));
  std::vector<VectorTop> tops;
  auto rows = by_text(query, ranked, deep, [&] { tops = nearest(ranked, queries, deep); });
  return by_both(ranked, query, std::move(rows), vector, tops[0], depth);
}

Result<AllowedRows> Ranking::found_rows(const RankedRequest& ranked) const {
  const auto rows_allowed = allowed(ranked);
  AllowedRows found(segments_.size());
  const bool by_words = !ranked.request->text.empty() && !ranked.plan.only_excludes;
  for (uint32_t i = 0; i < segments_.size(); ++i) {
    found[i] = rows_allowed[i].empty() ? all_allowed(i) : rows_allowed[i];
    if (!by_words) continue;
    HR_ASSIGN(const std::vector<uint64_t> rows, rows_with_any_term(segments_[i], ranked.plan));
    for (size_t w = 0; w < found[i].size(); ++w) found[i][w] &= w < rows.size() ? rows[w] : 0;
  }
  return found;
}

Result<std::vector<std::vector<ScoredRow>>> Ranking::batch(std::span<const SearchRequest> requests,
                                                           ThreadPool& pool,
                                                           const CancelToken* cancel) const {
  std::vector<Result<std::vector<Candidate>>> results(requests.size());
  const size_t per_pass =
      std::clamp<size_t>((requests.size() + pool.size()) / (pool.size() + 1), 1, kQueriesPerPass);
  const size_t passes = (requests.size() + per_pass - 1) / per_pass;
  pool.parallel_for(passes, [&](size_t pass) {
    if (cancel != nullptr && cancel->requested()) return;
    const size_t begin = pass * per_pass;
    const size_t count = std::min(per_pass, requests.size() - begin);
    run_pass(requests.subspan(begin, count), std::span(results).subspan(begin, count));
  });
  if (cancel != nullptr) HR_TRY(cancel->check());
  std::vector<std::vector<ScoredRow>> hits(results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i]) return std::unexpected<Error>(std::move(results[i]).error());
    for (const Candidate& row : *results[i]) hits[i].push_back({row.segment, row.row, row.fused});
  }
  return hits;
}

// Requests whose vectors are scanned together; those with conditions of their own go alone.
void Ranking::run_pass(std::span<const SearchRequest> requests,
                       std::span<Result<std::vector<Candidate>>> results) const {
  std::vector<RankedRequest> plans(requests.size());
  std::vector<std::vector<float>> vectors(requests.size());
  std::vector<std::span<const float>> queries;
  std::vector<size_t> places;
  size_t depth = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    auto ranked = plan(requests[i]);
    if (!ranked) {
      results[i] = std::unexpected<Error>(std::move(ranked).error());
      continue;
    }
    plans[i] = std::move(*ranked);
    const bool shared =
        (plans[i].kind == SearchKind::vector || plans[i].kind == SearchKind::hybrid) && space_ &&
        !plans[i].own_allowed && requests[i].k > 0;
    if (!shared) {
      results[i] = best(plans[i], requests[i].k);
      continue;
    }
    auto vector = prepare_vector(*space_, requests[i].vector);
    if (!vector) {
      results[i] = std::unexpected<Error>(std::move(vector).error());
      continue;
    }
    vectors[i] = std::move(*vector);
    queries.push_back(vectors[i]);
    places.push_back(i);
    depth = std::max(depth, vector_depth(plans[i].kind, requests[i].k));
  }
  if (queries.empty()) return;
  std::vector<VectorTop> tops = best_vectors(*space_, allowed_, queries, depth, shared_.recall);
  for (size_t q = 0; q < places.size(); ++q) {
    const size_t i = places[q];
    if (plans[i].kind == SearchKind::vector) {
      results[i] = by_vector(tops[q], requests[i].k);
      continue;
    }
    const auto query = Bm25Query::prepare(segments_, plans[i].plan);
    if (!query) {
      results[i] = std::unexpected<Error>(query.error());
      continue;
    }
    auto rows = by_text(*query, plans[i], vector_depth(SearchKind::hybrid, requests[i].k));
    results[i] = by_both(plans[i], *query, std::move(rows), vectors[i], tops[q], requests[i].k);
  }
}

}  // namespace headrace::index
