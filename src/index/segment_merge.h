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

// The numbers that one input's rows or documents get, in turn. Holds them only from the first that
// is dropped on.
class MergeNumbers {
 public:
  MergeNumbers(size_t size, uint32_t first) : size_(size), first_(first) {}
  void keep(uint32_t number) {
    if (!numbers_.empty()) numbers_.push_back(number);
    ++given_;
  }
  void drop() {
    if (numbers_.empty()) {
      numbers_.reserve(size_);
      for (uint32_t i = 0; i < given_; ++i) numbers_.push_back(first_ + i);
    }
    numbers_.push_back(kDroppedRow);
    ++given_;
  }
  NumberMap map() const {
    return numbers_.empty() ? NumberMap::moved_by(first_, given_) : NumberMap(numbers_);
  }

 private:
  size_t size_;
  uint32_t first_;
  uint32_t given_ = 0;
  std::vector<uint32_t> numbers_;
};

// Where the rows and documents of each input went.
struct SegmentMergeMaps {
  std::vector<MergeNumbers> rows;
  std::vector<MergeNumbers> documents;
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
