#include "index/recall.h"

#include <algorithm>
#include <cmath>
#include <optional>
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

// Rows of a space that are not deleted, by chance.
class RowSample {
 public:
  RowSample(const Snapshot& snapshot, const Space& space)
      : segments_(snapshot.segments()), dimension_(space.dimension) {
    for (uint32_t s = 0; s < segments_.size(); ++s) {
      for (const VectorSet* set : segments_[s].vectors(space.name)) {
        parts_.push_back({s, set});
        rows_ += set->count();
      }
    }
  }
  bool empty() const { return rows_ == 0; }
  // Nothing where chance falls on one that is deleted, or is all zeros.
  std::optional<SampledQuery> row() {
    uint64_t at = random_() % rows_;
    const Part* part = parts_.data();
    for (; at >= part->set->count(); ++part) at -= part->set->count();
    const uint32_t row = part->set->row_at(static_cast<uint32_t>(at));
    const RowBitmap* const deleted = segments_[part->segment].deleted;
    if (deleted != nullptr && deleted->test(row)) return std::nullopt;
    SampledQuery query{std::vector<float>(dimension_), {part->segment, row}};
    if (!part->set->vector(row, query.values) || length(query.values) == 0) return std::nullopt;
    return query;
  }
  void add_noise(std::vector<float>& values) {
    const float scale = kRecallNoise * length(values) / std::sqrt(static_cast<float>(dimension_));
    for (float& x : values) x += scale * normal_(random_);
  }
  static float length(std::span<const float> values) {
    double squares = 0;
    for (const float x : values) squares += static_cast<double>(x) * x;
    return static_cast<float>(std::sqrt(squares));
  }

 private:
  struct Part {
    uint32_t segment;
    const VectorSet* set;
  };
  const std::span<const SegmentView> segments_;
  const uint32_t dimension_;
  std::vector<Part> parts_;
  uint64_t rows_ = 0;
  std::mt19937_64 random_{101};
  std::normal_distribution<float> normal_;
};

// Rows, rows with noise, and what a row has and another has not, which is unlike all rows (under
// the Euclidean metric it is moved to a third one).
std::vector<SampledQuery> sample_queries(const Snapshot& snapshot, const Space& space) {
  RowSample sample(snapshot, space);
  std::vector<SampledQuery> queries;
  for (uint32_t attempt = 0; !sample.empty() && attempt < 4 * kRecallQueries; ++attempt) {
    auto query = sample.row();
    if (!query) continue;
    const size_t kind = queries.size() % 4;
    if (kind == 1) sample.add_noise(query->values);
    if (kind == 3) {
      const auto other = sample.row();
      const auto third = space.metric == Metric::l2 ? sample.row() : other;
      if (!other || !third) continue;
      const bool moved = space.metric == Metric::l2;
      for (size_t i = 0; i < query->values.size(); ++i)
        query->values[i] += (moved ? third->values[i] : 0.0f) - other->values[i];
      if (RowSample::length(query->values) == 0) continue;
    }
    queries.push_back(std::move(*query));
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
