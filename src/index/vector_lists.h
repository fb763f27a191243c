// VectorLists: a section "vectors" in lists (versions 2 to 5): the vectors of a large segment in
// lists of near ones, each with a 4-bit-group code for the scan, a byte plane for reranking and a
// plane of low bits for the final score. Format: docs/formats/vectors.md.
//
// Owns: the small parts (codebook, list sizes, what lists are chosen by); the planes are views into
// the file. Threads: const and safe. Errors: damaged, unsupported.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/code_kernels.h"
#include "index/list_bounds.h"
#include "index/section.h"
#include "index/section_bytes.h"
#include "index/vector_epoch.h"
#include "index/vectors.h"
#include "index/whole_rotation.h"

namespace headrace::index {

inline constexpr uint32_t kListsVersion = 5;
inline constexpr uint32_t kListsVersionOldest = 2;
// What a vector differs from its list's centroid by (before version 4 the vector itself) is stored
// as scale · v, |v| at most this; v = 8 · high + low - 4.
inline constexpr int kSplitMax = 1019;
// The byte plane is wrong by at most 4 of a component's units, both planes by at most half of one.
inline constexpr float kCoarseCorrectionUnit = 1.0f / 8000;
inline constexpr float kFineCorrectionUnit = 1.0f / 64000;
// Sets of vectors that this would round by more than 1/128 of their length stay in version 1.
inline constexpr float kSplitErrorMax = 1.0f / 128;

// A query looks through the lists that look best in any case, one after the other, for a first
// bound; then through the next best, then through all that may hold something better. Efforts are
// measured for this order.
inline constexpr size_t kFirstLists = 3;
inline constexpr size_t kNextLists = 12;

// How far a search must look so that it misses no more than `loss` of the best rows: measured when
// the lists are made.
struct ListEffort {
  float loss = 0;
  float reach = 0;   // in the unit of ListBounds: which lists are scanned
  float margin = 0;  // of the codes' noise: which candidates are reranked
};

// The effort depends on how near the query is to the rows: beyond a distance at which nearly all
// queries like the rows have their k-th best, it is that of queries that are like nothing.
struct ListEfforts {
  float near_distance = 0;
  ListEffort near;
  ListEffort far;
  const ListEffort& at(float distance) const { return distance <= near_distance ? near : far; }
};

class VectorLists {
 public:
  static Result<std::unique_ptr<VectorLists>> open(std::string_view section);

  uint32_t dimension() const { return epoch_.dimension; }
  Metric metric() const { return metric_; }
  uint32_t count() const { return count_; }
  // Without basis and centroids, which searches have in smaller forms.
  const VectorEpoch& epoch() const { return epoch_; }
  // Read from the section again.
  VectorEpoch whole_epoch() const;

  uint32_t list_begin(uint32_t list) const { return begins_[list]; }
  uint32_t list_end(uint32_t list) const { return begins_[list + 1]; }
  uint32_t block_begin(uint32_t list) const { return block_begins_[list]; }
  uint32_t block_count() const { return block_begins_.back(); }
  const uint8_t* block(uint32_t i) const {
    return reinterpret_cast<const uint8_t*>(codes_.data()) + i * code_block_bytes(epoch_.pairs());
  }

  // Places are positions in the order of storage: list after list.
  uint32_t row(uint32_t place) const { return load<uint32_t>(rows_.data() + size_t{place} * 4); }
  std::optional<uint32_t> find(uint32_t row) const;
  // The i-th row, ascending, and its place (none where the order is damaged).
  uint32_t row_ascending(uint32_t i) const;
  std::optional<uint32_t> place_ascending(uint32_t i) const;
  // Whether the i-th row is row i for all i.
  bool covers_all_rows() const { return row_ascending(count_ - 1) == count_ - 1; }
  uint32_t list_of(uint32_t place) const {
    return static_cast<uint32_t>(std::ranges::upper_bound(begins_, place) - begins_.begin()) - 1;
  }
  void decode(uint32_t place, std::span<float> out) const;
  const char* bytes_row(uint32_t place) const { return bytes_.data() + place * bytes_stride_; }
  size_t bytes_stride() const { return bytes_stride_; }
  float scale(uint32_t place) const { return load<float>(bytes_row(place)); }
  // What the product of a row by its byte plane, and by both planes, with its centroid lacks, in
  // units of scale · the centroid's length · √dimension. None before version 4.
  float coarse_correction(uint32_t place) const {
    return lengths_.empty() ? 0 : load<int16_t>(bytes_row(place) + 4) * kCoarseCorrectionUnit;
  }
  float fine_correction(uint32_t place) const {
    return lengths_.empty() ? 0 : load<int16_t>(bytes_row(place) + 6) * kFineCorrectionUnit;
  }
  // Under the Euclidean metric what the row's half square is beyond that of its centroid.
  float half_square(uint32_t place) const {
    return lengths_.empty() ? load<float>(bytes_row(place) + 4) / 2
                            : load<float>(bytes_row(place) + 8);
  }
  // In the space of the vectors, padded; none (as if all were 0) before version 4.
  std::span<const float> centroid(uint32_t list) const {
    if (lengths_.empty()) return {};
    const size_t padded = padded_length(dimension());
    return {centroids_.data() + list * padded, padded};
  }
  float centroid_length(uint32_t list) const { return lengths_.empty() ? 0 : lengths_[list]; }
  const int8_t* high(uint32_t place) const {
    return reinterpret_cast<const int8_t*>(bytes_row(place) + head_bytes_);
  }
  const uint8_t* low(uint32_t place) const {
    return reinterpret_cast<const uint8_t*>(low_.data() + place * low_stride_);
  }

  const ListBounds& bounds() const { return *bounds_; }
  const WholeRotation& rotation() const { return *rotation_; }
  ListEfforts efforts(double recall, size_t k) const;
  Status check() const;

 private:
  VectorLists() = default;

  VectorEpoch epoch_;
  Metric metric_ = Metric::cosine;
  uint32_t count_ = 0;
  std::vector<uint32_t> begins_;
  std::vector<uint32_t> block_begins_;
  std::vector<float> centroids_;  // in the space of the vectors
  std::vector<float> lengths_;    // of the centroids
  std::unique_ptr<ListBounds> bounds_;
  std::unique_ptr<WholeRotation> rotation_;
  // For answers of 10 and of 100; entries by falling loss.
  struct EffortTable {
    float near_distance = 0;
    std::vector<ListEffort> near, far;
  };
  std::vector<EffortTable> efforts_;
  size_t bytes_stride_ = 0;
  size_t low_stride_ = 0;
  size_t head_bytes_ = 4;
  std::string_view epoch_part_, codes_, bytes_, low_, rows_, order_;
};

// Writes a section of version 5. `rows` ascending; `vector(i, out)` gives the i-th (safe from
// several threads). Returns false, with nothing written, where the split would be too coarse.
// `before`: an epoch to take over where it fits, or null. Error: cancelled, once `cancelled` (or
// null) says so. `memory_bytes`: what it may hold beside the rows' own 60 bytes or so, as far as
// that is in its hands (it learns from fewer rows); 0: what it needs, up to half a gigabyte.
using VectorSource = std::function<void(size_t i, std::span<float> out)>;
Result<bool> write_vector_lists(SectionSink& out, uint32_t dimension, Metric metric,
                                std::span<const uint32_t> rows, const VectorSource& vector,
                                const VectorEpoch* before,
                                const std::atomic<bool>* cancelled = nullptr,
                                uint64_t memory_bytes = 0);

}  // namespace headrace::index
