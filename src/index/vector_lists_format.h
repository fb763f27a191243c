// The bytes of a section "vectors" in lists, versions 2 to 5: see docs/formats/vectors.md.
//
// Owns: values. Threads: values. Errors: none here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace headrace::index {

enum class ListsPart : uint8_t { epoch, lists, codes, bytes, low, rows, order, efforts, end };
inline constexpr size_t kListsParts = 9;
inline constexpr size_t kListsTrailerBytes = 192;
inline constexpr size_t kListsPartAlignment = 64;
inline constexpr uint8_t kElementSplit = 2;
inline constexpr uint32_t kListCountMax = 1U << 20;
inline constexpr size_t kEffortDepths = 2;  // answers of 10 and of 100
inline constexpr size_t kLowPlaneSpare = 8;

struct ListsTrailer {
  uint32_t dimension = 0;
  uint32_t count = 0;
  uint8_t metric = 0;
  uint8_t element = kElementSplit;
  uint32_t list_count = 0;
  uint32_t basis_size = 0;
  uint32_t groups = 0;
  uint32_t coded = 0;    // directions that have a codebook
  uint32_t efforts = 0;  // entries for each depth
  std::array<uint64_t, kListsParts> parts = {};
};

// From this version on planes hold what rows differ from their list's centroid by.
inline constexpr uint32_t kListsVersionResiduals = 4;

// A row of the byte plane: scale; in version 4 two corrections; under the Euclidean metric a
// square; the bytes.
constexpr size_t bytes_row_head(bool euclidean, uint32_t version) {
  return 4 + (version >= kListsVersionResiduals ? 4 : 0) + (euclidean ? 4 : 0);
}
constexpr size_t bytes_row_bytes(size_t dimension, bool euclidean, uint32_t version) {
  return bytes_row_head(euclidean, version) + (dimension + 3) / 4 * 4;
}
constexpr size_t low_row_bytes(size_t dimension) {
  return (dimension * 3 + 7) / 8;
}

}  // namespace headrace::index
