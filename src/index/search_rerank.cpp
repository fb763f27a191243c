#include "index/search_rerank.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "index/column_reader.h"

namespace headrace::index {
namespace {

// Scores from 0 to 1: the least and the greatest of the candidates.
std::vector<double> unit_scores(std::span<const RerankedRow> rows) {
  double least = std::numeric_limits<double>::infinity();
  double most = -least;
  for (const RerankedRow& row : rows) {
    least = std::min(least, double{row.candidate.fused});
    most = std::max(most, double{row.candidate.fused});
  }
  std::vector<double> scores;
  for (const RerankedRow& row : rows) {
    scores.push_back(most > least ? (row.candidate.fused - least) / (most - least) : 1.0);
  }
  return scores;
}

std::optional<double> seconds_of(const std::optional<CellValue>& cell) {
  if (!cell) return std::nullopt;
  if (const auto* text = std::get_if<std::string_view>(&*cell)) return parse_time(*text);
  if (const auto* integer = std::get_if<int64_t>(&*cell)) return static_cast<double>(*integer);
  if (const auto* number = std::get_if<double>(&*cell)) return *number;
  return std::nullopt;
}

struct CellLess {
  bool operator()(const CellValue& a, const CellValue& b) const { return compare_cells(a, b) < 0; }
};

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

}  // namespace

Status apply_decay(std::span<const SegmentView> segments, const Decay& decay,
                   std::vector<RerankedRow>& rows) {
  if (!(decay.half_life_s > 0) || !std::isfinite(decay.half_life_s)) {
    return fail(ErrorCode::invalid_argument, "the half-life of a decay must be above zero",
                "write COLUMN:HALF-LIFE such as date:30d");
  }
  HR_ASSIGN(const ColumnReader reader, ColumnReader::open(segments, decay.column));
  const std::vector<double> scores = unit_scores(rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto time = seconds_of(reader.value(rows[i].candidate.segment, rows[i].candidate.row));
    const double age = time ? std::max(0.0, decay.now_s - *time) : 0.0;
    const double factor = std::exp2(-age / decay.half_life_s);
    rows[i].decay = static_cast<float>(factor);
    rows[i].candidate.fused = static_cast<float>(scores[i] * factor);
  }
  std::ranges::stable_sort(rows, [](const RerankedRow& a, const RerankedRow& b) {
    return a.candidate.fused > b.candidate.fused;
  });
  return {};
}

Status apply_diversity(const VectorSpace& space, double lambda, size_t count,
                       std::vector<RerankedRow>& rows) {
  if (!(lambda >= 0 && lambda <= 1)) {
    return fail(ErrorCode::invalid_argument, "the weight of MMR must be from 0 to 1",
                "1 ranks by score alone, 0 by being unlike the rows before");
  }
  std::vector<std::vector<float>> vectors(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    std::vector<float> values(space.dimension);
    for (const VectorSet* set : space.sets[rows[i].candidate.segment]) {
      if (!set->vector(rows[i].candidate.row, values)) continue;
      const double length = std::sqrt(dot(values, values));
      for (float& value : values) value = static_cast<float>(value / std::max(length, 1e-12));
      vectors[i] = std::move(values);
      break;
    }
  }
  const std::vector<double> scores = unit_scores(rows);
  // A row without a vector is unlike all others.
  std::vector<double> likeness(rows.size(), 0.0);
  std::vector<bool> taken(rows.size());
  std::vector<RerankedRow> order;
  while (order.size() < std::min(count, rows.size())) {
    size_t best = rows.size();
    double best_worth = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (taken[i]) continue;
      const double worth = lambda * scores[i] - (1 - lambda) * likeness[i];
      if (best == rows.size() || worth > best_worth) {
        best = i;
        best_worth = worth;
      }
    }
    taken[best] = true;
    order.push_back(rows[best]);
    for (size_t i = 0; i < rows.size() && !vectors[best].empty(); ++i) {
      if (vectors[i].empty()) continue;
      likeness[i] = std::max(likeness[i], dot(vectors[i], vectors[best]));
    }
  }
  rows = std::move(order);
  return {};
}

Status keep_groups(std::span<const SegmentView> segments, std::string_view column,
                   std::vector<RerankedRow>& rows) {
  HR_ASSIGN(const ColumnReader reader, ColumnReader::open(segments, column));
  std::set<CellValue, CellLess> seen;
  std::erase_if(rows, [&](const RerankedRow& row) {
    const auto value = reader.value(row.candidate.segment, row.candidate.row);
    return value && !seen.insert(*value).second;
  });
  return {};
}

}  // namespace headrace::index
