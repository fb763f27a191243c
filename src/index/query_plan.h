// A query made ready for the segments of a snapshot: the terms that score, and the conditions that
// a row must meet besides.
//
// Owns: values. Threads: const and safe once planned. Errors: invalid_argument for a prefix that
// too many words begin with; unsupported where rows were written without positions; damaged.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/query.h"
#include "index/search.h"

namespace headrace::index {

inline constexpr size_t kPrefixTermsMax = 4096;

struct PlannedTerm {
  std::string text;
  uint32_t count = 1;  // how often it is in the query
  uint32_t group = 0;  // 0: alone; terms of one prefix are as rare as they are together
  float boost = 1;
};

// A row meets it when it holds the phrase, or any of the terms; excluded turns it around.
struct RowCondition {
  struct PhraseTerm {
    std::string text;
    uint32_t offset = 0;
  };
  bool excluded = false;
  std::vector<PhraseTerm> phrase;
  std::vector<std::string> any;  // used where the phrase is empty
};

struct QueryPlan {
  std::vector<PlannedTerm> terms;
  std::vector<RowCondition> conditions;
  bool only_excludes = false;  // every row that is not excluded is found
};

// `title_weight`: what a word of the title adds beside its share in the text.
Result<QueryPlan> plan_query(std::span<const SegmentView> segments, const Query& query,
                             float title_weight);

// Clears the bits of rows that do not meet all conditions. `rows` has a bit for each row of the
// segment.
Status keep_matching(const SegmentView& segment, const QueryPlan& plan,
                     std::vector<uint64_t>& rows);

// The rows that hold any of the terms of the plan (for counting and sorting).
Result<std::vector<uint64_t>> rows_with_any_term(const SegmentView& segment, const QueryPlan& plan);

// Of the rows' analyzer: of the last segment with text, "none" without.
std::string_view language_of(std::span<const SegmentView> segments);

}  // namespace headrace::index
