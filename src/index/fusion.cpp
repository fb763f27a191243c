#include "index/fusion.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace headrace::index {
namespace {

// Of reciprocal rank fusion: how slowly a rank loses its worth.
constexpr double kRankOffset = 60;

// Mean and deviation of what was added.
struct Spread {
  double sum = 0, squares = 0, count = 0;
  void add(double x) {
    sum += x;
    squares += x * x;
    count += 1;
  }
  double mean() const { return sum / std::max(count, 1.0); }
  double deviation() const {
    return std::sqrt(std::max(squares / std::max(count, 1.0) - mean() * mean(), 1e-12));
  }
};

template <typename Score>
void rank(std::span<FusionRow> rows, uint32_t FusionRow::* place, const Score& score) {
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    if (score(rows[i])) order.push_back(i);
  }
  std::ranges::stable_sort(
      order, [&](uint32_t a, uint32_t b) { return *score(rows[a]) > *score(rows[b]); });
  for (uint32_t i = 0; i < order.size(); ++i) rows[order[i]].*place = i + 1;
}

void fuse_standard(std::span<FusionRow> rows, double text_weight, double vector_weight) {
  Spread text, vector;
  for (const FusionRow& row : rows) {
    text.add(row.text);
    if (row.vector) vector.add(*row.vector);
  }
  for (FusionRow& row : rows) {
    const double by_text = (row.text - text.mean()) / text.deviation();
    const double by_vector = row.vector ? (*row.vector - vector.mean()) / vector.deviation() : -1.0;
    row.fused = static_cast<float>(text_weight * by_text + vector_weight * by_vector);
  }
}

}  // namespace

Result<FusionMethod> parse_fusion(std::string_view name) {
  if (name.empty() || name == "standard") return FusionMethod::standard;
  if (name == "rrf") return FusionMethod::rrf;
  return fail(ErrorCode::invalid_argument, "\"" + std::string(name) + "\" is no fusion",
              "use standard or rrf");
}

void fuse(std::span<FusionRow> rows, const FusionOptions& options) {
  rank(rows, &FusionRow::text_rank,
       [](const FusionRow& row) { return row.text > 0 ? std::optional(row.text) : std::nullopt; });
  rank(rows, &FusionRow::vector_rank, [](const FusionRow& row) { return row.vector; });
  const double sum = std::max(1e-9, double{options.text_weight} + double{options.vector_weight});
  const double text_weight = options.text_weight / sum;
  const double vector_weight = options.vector_weight / sum;
  if (options.method == FusionMethod::standard) {
    fuse_standard(rows, text_weight, vector_weight);
    return;
  }
  const auto worth = [](uint32_t rank) { return rank == 0 ? 0.0 : 1.0 / (kRankOffset + rank); };
  for (FusionRow& row : rows) {
    row.fused = static_cast<float>(text_weight * worth(row.text_rank) +
                                   vector_weight * worth(row.vector_rank));
  }
}

}  // namespace headrace::index
