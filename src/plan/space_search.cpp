#include "plan/space_search.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace headrace {

namespace {

// Scores in units of their spread, around their mean.
std::vector<float> standard_scores(std::span<const index::ScoredRow> rows) {
  double sum = 0;
  double squares = 0;
  for (const index::ScoredRow& row : rows) {
    sum += row.score;
    squares += static_cast<double>(row.score) * row.score;
  }
  const double n = std::max<double>(1, static_cast<double>(rows.size()));
  const double mean = sum / n;
  const double spread = std::sqrt(std::max(squares / n - mean * mean, 1e-12));
  std::vector<float> scores;
  for (const index::ScoredRow& row : rows)
    scores.push_back(static_cast<float>((row.score - mean) / spread));
  return scores;
}

}  // namespace

const index::SpaceInfo* find_space(const index::Info& info, std::string_view name) {
  const auto found = std::ranges::find_if(
      info.spaces, [&](const index::SpaceInfo& known) { return known.space.name == name; });
  return found == info.spaces.end() ? nullptr : &*found;
}

SpaceChoice choose_spaces(const index::Info& info, const Settings& settings) {
  SpaceChoice choice;
  uint64_t main_rows = 0;
  uint64_t rest_rows = 0;
  for (const ModelSpace& space : settings.model_spaces()) {
    const index::SpaceInfo* const known = find_space(info, space.name);
    if (known == nullptr || known->space.modality != "text") continue;
    if (choice.main.empty()) {
      choice.main = space.name;
      main_rows = known->rows;
    } else if (known->rows > std::max(main_rows, rest_rows)) {
      choice.rest = space.name;
      rest_rows = known->rows;
    }
  }
  if (main_rows >= info.rows) choice.rest.reset();
  if (choice.rest && main_rows == 0) {
    choice.main = *choice.rest;
    choice.rest.reset();
  }
  if (choice.rest) choice.covered = static_cast<double>(main_rows) / static_cast<double>(info.rows);
  return choice;
}

std::vector<index::ScoredRow> join_spaces(
    std::span<const index::ScoredRow> main, std::span<const index::ScoredRow> rest, double covered,
    bool by_vector, const std::function<bool(const index::ScoredRow&)>& is_covered, size_t k) {
  struct Placed {
    std::optional<float> main;
    std::optional<float> rest;
  };
  std::map<std::pair<uint32_t, uint32_t>, Placed> rows;
  // What is not in a list is no better than its last.
  const auto take = [&](std::span<const index::ScoredRow> list, std::optional<float> Placed::* at) {
    std::vector<float> scores;
    if (by_vector) scores = standard_scores(list);
    float least = 0;
    for (size_t i = 0; i < list.size(); ++i) {
      const float score = by_vector ? scores[i] : list[i].score;
      rows[{list[i].segment, list[i].row}].*at = score;
      least = i == 0 ? score : std::min(least, score);
    }
    return least;
  };
  const float main_least = take(main, &Placed::main);
  const float rest_least = take(rest, &Placed::rest);
  std::vector<index::ScoredRow> joined;
  for (const auto& [at, placed] : rows) {
    index::ScoredRow row{at.first, at.second, 0};
    const float by_rest = placed.rest.value_or(rest_least);
    if (is_covered(row)) {
      const auto weight = static_cast<float>(covered);
      row.score = weight * placed.main.value_or(main_least) + (1 - weight) * by_rest;
    } else {
      row.score = by_rest;
    }
    joined.push_back(row);
  }
  std::ranges::stable_sort(joined, [](const index::ScoredRow& a, const index::ScoredRow& b) {
    return a.score > b.score;
  });
  if (joined.size() > k) joined.resize(k);
  return joined;
}

}  // namespace headrace
