// Which space answers, and one answer from two: while the main space lags behind the rows, a
// further one that covers more of them (a static one, or the model that is being replaced) answers
// for the rest.
//
// Threads: pure. Errors: none.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/knowledge_base.h"
#include "index/search.h"
#include "plan/settings.h"

namespace headrace {

// The space of that name, inside `info`; nullptr: there is none.
const index::SpaceInfo* find_space(const index::Info& info, std::string_view name);

// Which spaces answer a query when none is named.
struct SpaceChoice {
  std::string main;                 // empty: no row has a vector that we can make queries for
  std::optional<std::string> rest;  // for rows that `main` does not cover yet
  double covered = 1;               // the share of rows that `main` covers
  std::vector<std::string> spaces() const {
    return rest ? std::vector<std::string>{main, *rest} : std::vector<std::string>{main};
  }
};
SpaceChoice choose_spaces(const index::Info& info, const Settings& settings);

// How many rows each space is asked for, so that enough are left where the other knows better.
inline constexpr uint32_t kSpaceSearchDepth = 100;

// Both lists are best first and at most kSpaceSearchDepth or k long, whichever is more. A row that
// `main` covers is placed by both, by main the more the more rows it covers: few vectors are no
// scale to measure by. A row that it does not cover is placed by `rest` alone. With `by_vector` the
// scores are of two models' making and are brought to one scale first.
std::vector<index::ScoredRow> join_spaces(
    std::span<const index::ScoredRow> main, std::span<const index::ScoredRow> rest, double covered,
    bool by_vector, const std::function<bool(const index::ScoredRow&)>& is_covered, size_t k);

}  // namespace headrace
