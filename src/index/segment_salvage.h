// Reads what a damaged segment still proves into a new segment in memory.
//
// A row is proved by its sections' checksums or, where the row or document entries are damaged, by
// itself: the source matches its hash, the key is the hash of source and position, the block that
// holds the text matches its own checksum and the row decodes exactly. Words and columns are made
// anew. Vectors count only when their section matches its checksum.
//
// Owns: the segment it makes. Threads: a pure function. Errors: damaged when nothing can be read.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/segment.h"

namespace headrace::index {

struct SalvagedSegment {
  std::shared_ptr<const Segment> segment;
  std::shared_ptr<const RowBitmap> stale;       // documents; null: none
  std::vector<uint32_t> row_map, document_map;  // old number → new number or kDroppedRow
  std::vector<std::string> lost;
};

Result<SalvagedSegment> salvage_segment(std::string_view bytes, const std::string& name,
                                        std::string_view language, std::span<const Space> spaces);

}  // namespace headrace::index
