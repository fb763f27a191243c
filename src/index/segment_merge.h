// Merges segments, memory or file, into one: used to keep memory segments few, to flush them into
// a file, and to compact files. Streams: memory is bounded by the row maps (4 bytes a row).
//
// Owns: nothing. Threads: pure functions over const segments. Errors: damaged inputs, those of the
// sink; too_large when the result would have 2^32 rows.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "index/section_file.h"
#include "index/segment.h"

namespace headrace::index {

struct SegmentMergeInput {
  const Segment* segment = nullptr;
  const RowBitmap* deleted = nullptr;  // rows; may be null
  const RowBitmap* stale = nullptr;    // documents; may be null
  // The sets that cover rows of the segment in a space, later ones win.
  std::function<std::vector<const VectorSet*>(std::string_view space)> vectors;
};

// Where the rows and documents of each input went: number in the result or kDroppedRow.
struct SegmentMergeMaps {
  std::vector<std::vector<uint32_t>> rows;
  std::vector<std::vector<uint32_t>> documents;
  uint32_t row_count = 0;
  uint32_t document_count = 0;
};

enum class DeadRows : uint8_t { keep, drop };

Result<SegmentMergeMaps> plan_merge(std::span<const SegmentMergeInput> inputs, DeadRows dead);

struct SegmentMergeOptions {
  uint64_t id = 0;
  BlobCodec codec = BlobCodec::zstd;
  VectorMergeOptions vectors;
  // Words of many rows are merged on a thread of their own, where this holds their postings.
  uint64_t beside_bytes_max = 0;
};
Result<SectionFileSeal> merge_segments(std::span<const SegmentMergeInput> inputs,
                                       const SegmentMergeMaps& maps,
                                       std::span<const std::string> spaces,
                                       const SegmentMergeOptions& options, SectionSink& out);

}  // namespace headrace::index
