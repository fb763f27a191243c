#include "index/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "index/bm25.h"
#include "index/search_query_terms.h"
#include "index/vector_kernels.h"
#include "index/vectors_state.h"

namespace headrace::index {

namespace {

// How many rows of each part a hybrid query looks at before they are fused.
constexpr uint32_t kCandidatesMin = 200;
// Weight of the vector part of the fused score; flat between 0.4 and 0.7 on the sets at hand.
constexpr float kVectorWeight = 0.6F;
// Rows converted at once for a tile of queries.
constexpr size_t kTileRows = 64;
constexpr size_t kQueriesPerTile = 64;

using Bits = std::vector<uint64_t>;

// Rows that a query may return: not deleted, and matching the filter. Empty: all rows.
Result<std::vector<Bits>> allowed_rows(std::span<const SegmentView> segments,
                                       const Filter* filter) {
  std::vector<Bits> allowed(segments.size());
  for (size_t s = 0; s < segments.size(); ++s) {
    const SegmentView& segment = segments[s];
    const bool has_deleted = segment.deleted != nullptr && !segment.deleted->empty();
    if (filter != nullptr) {
      HR_ASSIGN(RowBitmap matching, filter->evaluate(*segment.columns));
      allowed[s] = std::move(matching.words());
      allowed[s].resize((segment.row_count + 63) / 64);
    } else if (has_deleted) {
      allowed[s].assign((segment.row_count + 63) / 64, ~uint64_t{0});
    }
    if (has_deleted) {
      for (size_t w = 0; w < allowed[s].size(); ++w) allowed[s][w] &= ~segment.deleted->words()[w];
    }
  }
  return allowed;
}

bool is_allowed(const Bits& bits, uint32_t row) {
  return bits.empty() || ((bits[row / 64] >> (row % 64)) & 1) != 0;
}

std::vector<float> normalised(std::span<const float> vector) {
  double sum = 0;
  for (const float x : vector) sum += double{x} * x;
  const float factor = sum > 0 ? static_cast<float>(1.0 / std::sqrt(sum)) : 0.0F;
  std::vector<float> unit(vector.begin(), vector.end());
  for (float& x : unit) x *= factor;
  return unit;
}

// Higher is better: the cosine, the inner product, minus the squared distance.
float score_one(const VectorSet::State& set, uint32_t i, const float* query) {
  const VectorKernels& kernels = vector_kernels();
  if (set.element == Element::f16) {
    const auto* row = reinterpret_cast<const uint16_t*>(set.at(i));
    return set.metric == Metric::l2 ? -kernels.l2_f16(row, query, set.dimension)
                                    : kernels.dot_f16(row, query, set.dimension);
  }
  const auto* row = reinterpret_cast<const float*>(set.at(i));
  return set.metric == Metric::l2 ? -kernels.l2_f32(row, query, set.dimension)
                                  : kernels.dot_f32(row, query, set.dimension);
}

Status check_dimension(std::span<const SegmentView> segments, std::string_view space,
                       std::span<const float> vector) {
  for (const float x : vector) {
    if (!std::isfinite(x)) {
      return fail(ErrorCode::invalid_argument, "the query vector holds NaN or infinity",
                  "give finite numbers");
    }
  }
  for (const SegmentView& segment : segments) {
    for (const VectorSet* set : segment.vectors(space)) {
      if (set->dimension() == vector.size()) continue;
      return fail(ErrorCode::invalid_argument,
                  fmt::format("the query has dimension {}, the vectors have {}", vector.size(),
                              set->dimension()),
                  "embed the query with the model of the knowledge base");
    }
  }
  return {};
}

void scan_vectors(std::span<const SegmentView> segments, std::span<const Bits> allowed,
                  const SearchRequest& request, TopRows<float>& top) {
  std::vector<float> query;
  for (uint32_t s = 0; s < segments.size(); ++s) {
    for (const VectorSet* part : segments[s].vectors(request.space)) {
      const VectorSet::State& set = part->state();
      if (query.empty())
        query = set.metric == Metric::cosine
                    ? normalised(request.vector)
                    : std::vector<float>(request.vector.begin(), request.vector.end());
      for (uint32_t i = 0; i < set.count; ++i) {
        const uint32_t row = set.row_at(i);
        if (is_allowed(allowed[s], row)) top.add(score_one(set, i, query.data()), s, row);
      }
    }
  }
}

struct Fused {
  ScoredRow at;
  float text = 0;
  float vector = 0;
  bool has_vector = false;
};

// Both parts on a common scale, then a weighted sum. BM25 is measured against the most the query's
// terms could give; cosines by their place between the candidates' mean and best.
void fuse(std::vector<Fused>& candidates, float text_max) {
  float best = -INFINITY;
  double sum = 0;
  size_t count = 0;
  float text_best = 0;
  for (const Fused& c : candidates) {
    text_best = std::max(text_best, c.text);
    if (!c.has_vector) continue;
    best = std::max(best, c.vector);
    sum += c.vector;
    ++count;
  }
  const float mean = count > 0 ? static_cast<float>(sum / static_cast<double>(count)) : 0;
  const float range = std::max(best - mean, 1e-6F);
  const float text_range = std::max(std::min(text_best, text_max), 1e-6F);
  for (Fused& c : candidates) {
    const float text = c.text / text_range;
    const float vector = c.has_vector ? std::max((c.vector - mean) / range, -1.0F) : 0;
    c.at.score = kVectorWeight * vector + (1 - kVectorWeight) * text;
  }
}

// The missing half of a candidate is computed, never guessed.
Status complete(std::span<const SegmentView> segments, const SearchRequest& request,
                const Bm25Query& words, std::vector<Fused>& candidates) {
  std::sort(candidates.begin(), candidates.end(), [](const Fused& a, const Fused& b) {
    return a.at.segment != b.at.segment ? a.at.segment < b.at.segment : a.at.row < b.at.row;
  });
  std::vector<uint32_t> rows;
  std::vector<uint32_t> scores;
  for (size_t begin = 0; begin < candidates.size();) {
    const uint32_t segment = candidates[begin].at.segment;
    size_t end = begin;
    rows.clear();
    while (end < candidates.size() && candidates[end].at.segment == segment)
      rows.push_back(candidates[end++].at.row);
    scores.assign(rows.size(), 0);
    HR_TRY(words.score_rows(segment, rows, scores));
    const auto sets = segments[segment].vectors(request.space);
    std::vector<float> query;
    for (size_t i = begin; i < end; ++i) {
      candidates[i].text = words.score(scores[i - begin]);
      for (const VectorSet* set : sets) {
        const auto place = set->state().find(candidates[i].at.row);
        if (!place) continue;
        if (query.empty())
          query = set->metric() == Metric::cosine
                      ? normalised(request.vector)
                      : std::vector<float>(request.vector.begin(), request.vector.end());
        candidates[i].vector = score_one(set->state(), *place, query.data());
        candidates[i].has_vector = true;
      }
    }
    begin = end;
  }
  return {};
}

std::vector<ScoredRow> newest_rows(std::span<const SegmentView> segments,
                                   std::span<const Bits> allowed, uint32_t k) {
  std::vector<ScoredRow> rows;
  for (size_t s = segments.size(); s-- > 0 && rows.size() < k;) {
    for (uint32_t row = segments[s].row_count; row-- > 0 && rows.size() < k;) {
      if (is_allowed(allowed[s], row)) rows.push_back({static_cast<uint32_t>(s), row, 0});
    }
  }
  return rows;
}

template <typename Top, typename Score>
std::vector<ScoredRow> to_rows(Top& top, const Score& score) {
  std::vector<ScoredRow> rows;
  for (const auto& entry : top.take())
    rows.push_back({entry.segment, entry.row, score(entry.score)});
  return rows;
}

uint64_t rows_in(std::span<const SegmentView> segments) {
  return std::accumulate(segments.begin(), segments.end(), uint64_t{0},
                         [](uint64_t sum, const SegmentView& s) { return sum + s.row_count; });
}

Result<std::vector<ScoredRow>> search_hybrid(std::span<const SegmentView> segments,
                                             std::span<const Bits> allowed,
                                             const SearchRequest& request, uint32_t k,
                                             std::vector<ScoredRow> nearest) {
  HR_ASSIGN(const Bm25Query words, Bm25Query::prepare(segments, request.text));
  std::map<std::pair<uint32_t, uint32_t>, Fused> by_row;
  Bm25Query::Top top(std::max(kCandidatesMin, k * 4));
  for (uint32_t s = 0; s < segments.size(); ++s) HR_TRY(words.add_best(s, allowed[s], top));
  for (const auto& entry : top.take())
    by_row[{entry.segment, entry.row}].at = {entry.segment, entry.row, 0};
  for (const ScoredRow& at : nearest) by_row[{at.segment, at.row}].at = at;
  std::vector<Fused> candidates;
  for (auto& [place, candidate] : by_row) candidates.push_back(candidate);
  HR_TRY(complete(segments, request, words, candidates));
  fuse(candidates, words.score_max());
  TopRows<float> best(k);
  for (const Fused& c : candidates) best.add(c.at.score, c.at.segment, c.at.row);
  return to_rows(best, [](float score) { return score; });
}

Result<std::vector<ScoredRow>> search_allowed(std::span<const SegmentView> segments,
                                              std::span<const Bits> allowed,
                                              const SearchRequest& request,
                                              const std::vector<ScoredRow>* nearest) {
  const auto k = static_cast<uint32_t>(std::min<uint64_t>(request.k, rows_in(segments)));
  if (k == 0) return std::vector<ScoredRow>();
  const bool words_wanted = request.mode != SearchMode::vector && !request.text.empty();
  const bool vector_wanted = request.mode != SearchMode::text && !request.vector.empty();
  if (!words_wanted && !vector_wanted) return newest_rows(segments, allowed, k);
  std::vector<ScoredRow> near;
  if (vector_wanted) {
    if (nearest != nullptr) {
      near = *nearest;
    } else {
      TopRows<float> top(words_wanted ? std::max(kCandidatesMin, k * 4) : k);
      scan_vectors(segments, allowed, request, top);
      near = to_rows(top, [](float score) { return score; });
    }
    if (!words_wanted) return near;
    return search_hybrid(segments, allowed, request, k, std::move(near));
  }
  HR_ASSIGN(const Bm25Query words, Bm25Query::prepare(segments, request.text));
  Bm25Query::Top top(k);
  for (uint32_t s = 0; s < segments.size(); ++s) HR_TRY(words.add_best(s, allowed[s], top));
  return to_rows(top, [&](uint32_t score) { return words.score(score); });
}

// Scans every vector once for a group of queries: rows are widened to float32 tile by tile, and one
// tile serves all queries of the group.
void scan_group(std::span<const SegmentView> segments, std::span<const Bits> allowed,
                std::string_view space, std::span<const std::vector<float>> queries,
                std::span<TopRows<float>> tops) {
  const VectorKernels& kernels = vector_kernels();
  const size_t dimension = queries.front().size();
  const size_t padded = (dimension + kTilePadding - 1) / kTilePadding * kTilePadding;
  std::vector<float> query_tile(queries.size() * padded);
  std::vector<double> query_norms(queries.size());
  for (size_t q = 0; q < queries.size(); ++q) {
    std::copy(queries[q].begin(), queries[q].end(),
              query_tile.begin() + static_cast<std::ptrdiff_t>(q * padded));
    for (const float x : queries[q]) query_norms[q] += double{x} * x;
  }
  std::vector<float> row_tile(kTileRows * padded);
  std::vector<float> scores(kTileRows * queries.size());
  std::vector<uint32_t> rows(kTileRows);
  for (uint32_t s = 0; s < segments.size(); ++s) {
    for (const VectorSet* part : segments[s].vectors(space)) {
      const VectorSet::State& set = part->state();
      for (uint32_t next = 0; next < set.count;) {
        size_t filled = 0;
        for (; next < set.count && filled < kTileRows; ++next) {
          const uint32_t row = set.row_at(next);
          if (!is_allowed(allowed[s], row)) continue;
          float* out = row_tile.data() + filled * padded;
          if (set.element == Element::f16) {
            kernels.f16_to_f32(reinterpret_cast<const uint16_t*>(set.at(next)), out, dimension);
          } else {
            std::copy_n(reinterpret_cast<const float*>(set.at(next)), dimension, out);
          }
          rows[filled++] = row;
        }
        if (filled == 0) continue;
        kernels.dot_tile(row_tile.data(), filled, query_tile.data(), queries.size(), padded,
                         scores.data());
        if (set.metric == Metric::l2) {
          for (size_t r = 0; r < filled; ++r) {
            const float* row = row_tile.data() + r * padded;
            double norm = 0;
            for (size_t d = 0; d < dimension; ++d) norm += double{row[d]} * row[d];
            for (size_t q = 0; q < queries.size(); ++q) {
              float& score = scores[q * filled + r];
              score = static_cast<float>(2.0 * score - norm - query_norms[q]);
            }
          }
        }
        for (size_t q = 0; q < queries.size(); ++q) {
          TopRows<float>& top = tops[q];
          for (size_t r = 0; r < filled; ++r) {
            const float score = scores[q * filled + r];
            if (!top.full() || score >= top.threshold()) top.add(score, s, rows[r]);
          }
        }
      }
    }
  }
}

}  // namespace

Result<std::vector<ScoredRow>> search(std::span<const SegmentView> segments,
                                      const SearchRequest& request) {
  if (!request.vector.empty() && request.mode != SearchMode::text)
    HR_TRY(check_dimension(segments, request.space, request.vector));
  HR_ASSIGN(const std::vector<Bits> allowed, allowed_rows(segments, request.filter));
  return search_allowed(segments, allowed, request, nullptr);
}

Result<std::vector<std::vector<ScoredRow>>> search_batch(std::span<const SegmentView> segments,
                                                         std::span<const SearchRequest> requests,
                                                         ThreadPool& pool) {
  std::vector<std::vector<ScoredRow>> results(requests.size());
  if (requests.empty()) return results;
  const SearchRequest& first = requests.front();
  const bool with_vectors = first.mode != SearchMode::text && !first.vector.empty();
  const bool cosine = [&] {
    for (const SegmentView& segment : segments) {
      for (const VectorSet* set : segment.vectors(first.space))
        return set->metric() == Metric::cosine;
    }
    return true;
  }();
  if (with_vectors) {
    for (const SearchRequest& request : requests)
      HR_TRY(check_dimension(segments, request.space, request.vector));
  }
  HR_ASSIGN(const std::vector<Bits> allowed, allowed_rows(segments, first.filter));
  const auto k = static_cast<uint32_t>(std::min<uint64_t>(first.k, rows_in(segments)));
  if (k == 0) return results;
  const bool words_wanted = first.mode != SearchMode::vector;

  // Groups small enough that every thread has work, large enough that a tile is used often.
  const size_t group =
      std::clamp<size_t>((requests.size() + pool.size() - 1) / pool.size(), 1, kQueriesPerTile);
  const size_t groups = (requests.size() + group - 1) / group;
  std::vector<Status> statuses(groups);
  pool.parallel_for(groups, [&](size_t g) {
    const size_t begin = g * group;
    const size_t end = std::min(requests.size(), begin + group);
    std::vector<std::vector<ScoredRow>> nearest;
    if (with_vectors) {
      std::vector<std::vector<float>> queries;
      for (size_t i = begin; i < end; ++i) {
        queries.push_back(
            cosine ? normalised(requests[i].vector)
                   : std::vector<float>(requests[i].vector.begin(), requests[i].vector.end()));
      }
      std::vector<TopRows<float>> tops(
          end - begin, TopRows<float>(words_wanted ? std::max(kCandidatesMin, k * 4) : k));
      scan_group(segments, allowed, first.space, queries, tops);
      for (auto& top : tops) nearest.push_back(to_rows(top, [](float score) { return score; }));
    }
    for (size_t i = begin; i < end && statuses[g]; ++i) {
      auto found = search_allowed(segments, allowed, requests[i],
                                  with_vectors ? &nearest[i - begin] : nullptr);
      if (found) {
        results[i] = std::move(*found);
        if (results[i].size() > k) results[i].resize(k);
      } else {
        statuses[g] = std::unexpected(std::move(found).error());
      }
    }
  });
  for (Status& status : statuses) HR_TRY(std::move(status));
  return results;
}

std::vector<MatchRange> highlight(std::string_view query, std::string_view text,
                                  std::string_view language) {
  std::vector<MatchRange> ranges;
  const std::vector<QueryTerm> terms = query_terms(query, language);
  if (terms.empty()) return ranges;
  for (const TermSpan& span : thread_analyzer(language).analyze_with_spans(text)) {
    const bool matches = std::any_of(terms.begin(), terms.end(),
                                     [&](const QueryTerm& term) { return term.text == span.term; });
    if (!matches) continue;
    if (!ranges.empty() && span.begin <= ranges.back().end) {
      ranges.back().end = std::max(ranges.back().end, span.end);
    } else {
      ranges.push_back({span.begin, span.end});
    }
  }
  return ranges;
}

}  // namespace headrace::index
