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
#include <vector>

#include "index/columns.h"
#include "index/filter.h"
#include "index/postings.h"
#include "index/vectors.h"
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

struct SearchRequest {
  std::string text;               // for text and hybrid
  std::span<const float> vector;  // for vector and hybrid; empty: text alone
  std::string space;              // which space `vector` belongs to
  SearchMode mode = SearchMode::hybrid;
  uint32_t k = 10;
  const Filter* filter = nullptr;
  double recall = 0.95;  // least mean recall@k of the vector part
};

struct ScoredRow {
  uint32_t segment = 0;  // index into the views
  uint32_t row = 0;
  float score = 0;
};

// The k best rows, best first; ties by (segment, row). Hybrid with an empty text or no vector is
// the other part alone. An empty text in text mode lists the newest rows first.
Result<std::vector<ScoredRow>> search(std::span<const SegmentView> segments,
                                      const SearchRequest& request);

// The same for many requests with a common k, mode, space and filter; list scans are shared
// between queries. Result i belongs to request i.
Result<std::vector<std::vector<ScoredRow>>> search_batch(std::span<const SegmentView> segments,
                                                         std::span<const SearchRequest> requests,
                                                         ThreadPool& pool);

// Where the words of `query` match in `text` (byte ranges, ascending, merged), for marking.
struct MatchRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};
std::vector<MatchRange> highlight(std::string_view query, std::string_view text,
                                  std::string_view language);

}  // namespace headrace::index
