// Search over the segments of a snapshot: BM25, exact vector scan, and their fusion.
//
// The storage side (snapshot.h) hands in SegmentViews; nothing here knows files, logs or locks.
// Threads: pure functions over const data; batches use the ThreadPool given. Errors:
// invalid_argument (dimension, filter type), not_found (space).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/columns.h"
#include "index/filter.h"
#include "index/postings.h"
#include "index/vectors.h"
#include "runtime/cancel.h"
#include "runtime/thread_pool.h"

namespace headrace::index {

// All a query needs of one segment; pinned by the snapshot that made it.
struct SegmentView {
  uint32_t row_count = 0;
  const Postings* postings = nullptr;
  const Columns* columns = nullptr;
  const RowBitmap* deleted = nullptr;  // null or empty: nothing deleted
  // The sets that cover rows of this segment in `space` (own set first, patches after; no row is
  // covered twice).
  std::function<std::vector<const VectorSet*>(std::string_view space)> vectors;
};

enum class SearchMode : uint8_t { hybrid, vector, text };

// How the text score and the vector score of a row become one.
enum class FusionMethod : uint8_t {
  standard,  // both scores in units of their spread among the candidates, then their mean
  rrf,       // reciprocal ranks
};

struct FusionOptions {
  FusionMethod method = FusionMethod::standard;
  float text_weight = 1;
  float vector_weight = 1;
};

// "standard" (or empty) and "rrf".
Result<FusionMethod> parse_fusion(std::string_view name);

// Older rows count less: a row's score halves with every half-life of its age.
struct Decay {
  std::string column;  // of times (ISO 8601, or seconds since 1970)
  double half_life_s = 0;
  double now_s = 0;  // seconds since 1970
};

struct SearchRequest {
  std::string text;               // for text and hybrid, in the language of query.h
  std::span<const float> vector;  // for vector and hybrid; empty: text alone
  std::string space;              // which space `vector` belongs to
  SearchMode mode = SearchMode::hybrid;
  uint32_t k = 10;
  const Filter* filter = nullptr;
  double recall = 0.95;  // least mean recall@k of the vector part

  bool plain = false;      // the text has no operators, all of it is words
  float title_weight = 0;  // what a word of the title adds beside its share in the text
  FusionOptions fusion;
  std::optional<double> diversity;  // MMR: 1 ranks by score alone, 0 by being unlike the others
  std::optional<Decay> decay;
  std::string group_by;  // a column: the best row of each of its values
  std::string sort;      // a column, instead of the score; mode text
  bool descending = false;
  std::vector<std::string> facets;  // columns whose values are counted
  uint32_t facet_values_max = 20;
  bool explain = false;
};

struct ScoredRow {
  uint32_t segment = 0;  // index into the views
  uint32_t row = 0;
  float score = 0;
};

// Where a row's score comes from.
struct Explanation {
  struct Term {
    std::string text;  // as the analyzer gives it
    uint32_t tf = 0;   // how often it is in the row
    uint64_t df = 0;   // rows that have it
    float score = 0;
  };
  std::optional<float> text;
  std::optional<float> vector;
  uint32_t text_rank = 0;  // among the candidates, from 1; 0: not ranked by it
  uint32_t vector_rank = 0;
  std::vector<Term> terms;
  std::optional<float> decay;  // the factor of its age
};

// How many of the rows found have each value of a column; rows of a list count for each element.
struct FacetCounts {
  struct Count {
    Value value;
    uint64_t rows = 0;
  };
  std::string column;
  std::vector<Count> values;  // most rows first, then by value
  uint64_t distinct = 0;      // of all values, also those that are not listed
  uint64_t rows = 0;          // found in all, with a value or without
};

struct SearchAnswer {
  std::vector<ScoredRow> rows;
  std::vector<Explanation> explanations;  // one a row, when asked for
  std::vector<FacetCounts> facets;        // one for each column asked for
};

// The k best rows, best first; ties by (segment, row). Hybrid with an empty text or no vector is
// the other part alone. An empty text in text mode lists the newest rows first.
Result<std::vector<ScoredRow>> search(std::span<const SegmentView> segments,
                                      const SearchRequest& request);
// The same with all that a request can ask for. Facets count the rows that the filter and the
// words of the text leave (without a text: the filter). With a pool, text and vectors of a large
// knowledge base are searched side by side.
Result<SearchAnswer> search_answer(std::span<const SegmentView> segments,
                                   const SearchRequest& request, ThreadPool* pool = nullptr);

// The same as search() for many requests with a common k, mode, space and filter; list scans are
// shared between queries. Result i belongs to request i. Sorting, groups and the like are for
// single searches.
Result<std::vector<std::vector<ScoredRow>>> search_batch(std::span<const SegmentView> segments,
                                                         std::span<const SearchRequest> requests,
                                                         ThreadPool& pool,
                                                         const CancelToken* cancel = nullptr);

// Where the words of `query` match in `text` (byte ranges, ascending, merged), for marking.
struct MatchRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};
std::vector<MatchRange> highlight(std::string_view query, std::string_view text,
                                  std::string_view language);

}  // namespace headrace::index
