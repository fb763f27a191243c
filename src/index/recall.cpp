#include "index/recall.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <utility>

#include "index/search.h"

namespace headrace::index {
namespace {

constexpr uint32_t kRecallQueries = 400;
constexpr uint32_t kRecallK = 10;
constexpr float kRecallNoise = 0.3f;

struct SampledQuery {
  std::vector<float> values;
  std::pair<uint32_t, uint32_t> self;  // segment and row, which is no answer to itself
};

std::vector<SampledQuery> sample_queries(const Snapshot& snapshot, const Space& space) {
  struct Part {
    uint32_t segment;
    const VectorSet* set;
  };
  std::vector<Part> parts;
  uint64_t rows = 0;
  const auto segments = snapshot.segments();
  for (uint32_t s = 0; s < segments.size(); ++s) {
    for (const VectorSet* set : segments[s].vectors(space.name)) {
      parts.push_back({s, set});
      rows += set->count();
    }
  }
  std::vector<SampledQuery> queries;
  std::mt19937_64 random(101);
  std::normal_distribution<float> normal;
  const float noise = kRecallNoise / std::sqrt(static_cast<float>(space.dimension));
  for (uint32_t attempt = 0; rows > 0 && attempt < 4 * kRecallQueries; ++attempt) {
    uint64_t at = random() % rows;
    const Part* part = parts.data();
    for (; at >= part->set->count(); ++part) at -= part->set->count();
    const uint32_t row = part->set->row_at(static_cast<uint32_t>(at));
    const RowBitmap* const deleted = segments[part->segment].deleted;
    if (deleted != nullptr && deleted->test(row)) continue;
    SampledQuery query{std::vector<float>(space.dimension), {part->segment, row}};
    if (!part->set->vector(row, query.values)) continue;
    double squares = 0;
    for (const float x : query.values) squares += static_cast<double>(x) * x;
    if (squares == 0) continue;
    if (queries.size() % 2 == 1) {
      const auto scale = noise * static_cast<float>(std::sqrt(squares));
      for (float& x : query.values) x += scale * normal(random);
    }
    queries.push_back(std::move(query));
    if (queries.size() == kRecallQueries) break;
  }
  return queries;
}

std::set<std::pair<uint32_t, uint32_t>> answers(const std::vector<ScoredRow>& hits,
                                                const SampledQuery& query) {
  std::set<std::pair<uint32_t, uint32_t>> rows;
  for (const ScoredRow& hit : hits) {
    const std::pair row(hit.segment, hit.row);
    if (row != query.self && rows.size() < kRecallK) rows.insert(row);
  }
  return rows;
}

}  // namespace

Result<std::vector<RecallReport>> measure_recall(const Snapshot& snapshot, double target,
                                                 ThreadPool& pool) {
  std::vector<RecallReport> reports;
  for (const SpaceInfo& known : snapshot.info().spaces) {
    const std::vector<SampledQuery> queries = sample_queries(snapshot, known.space);
    if (queries.empty()) continue;
    std::vector<SearchRequest> requests(queries.size());
    for (size_t i = 0; i < queries.size(); ++i) {
      requests[i].vector = queries[i].values;
      requests[i].space = known.space.name;
      requests[i].mode = SearchMode::vector;
      requests[i].k = kRecallK + 1;
      requests[i].recall = target;
    }
    HR_ASSIGN(const auto found, search_batch(snapshot.segments(), requests, pool));
    for (SearchRequest& request : requests) request.recall = 1;
    HR_ASSIGN(const auto truth, search_batch(snapshot.segments(), requests, pool));
    double sum = 0;
    for (size_t i = 0; i < queries.size(); ++i) {
      const auto wanted = answers(truth[i], queries[i]);
      size_t hits = 0;
      for (const auto& row : answers(found[i], queries[i])) hits += wanted.count(row);
      sum += wanted.empty() ? 1.0 : static_cast<double>(hits) / static_cast<double>(wanted.size());
    }
    reports.push_back({known.space.name, target, sum / static_cast<double>(queries.size()),
                       static_cast<uint32_t>(queries.size())});
  }
  return reports;
}

}  // namespace headrace::index
