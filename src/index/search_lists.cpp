#include "index/search_lists.h"

#include <algorithm>
#include <cmath>

#include "index/search_lists_pass.h"
#include "index/vector_kernels.h"

namespace headrace::index {
namespace {

// So few rows are compared one by one, whatever the lists say: it is exact and no slower.
constexpr uint32_t kGatherRowsMax = 16'000;
// From this recall on every vector is compared.
constexpr double kExactRecall = 0.9995;
// Where more than one row in so many passes a filter, rows are asked for as they are found.
constexpr uint64_t kManyShare = 8;

bool is_set(std::span<const uint64_t> bits, uint32_t row) {
  return row / 64 < bits.size() && ((bits[row / 64] >> (row % 64)) & 1) != 0;
}

}  // namespace

ListFilter resolve_list_filter(const VectorLists& lists, std::span<const uint64_t> allowed) {
  ListFilter filter;
  filter.count = lists.count();
  if (allowed.empty()) return filter;
  filter.all = false;
  filter.count = 0;
  for (const uint64_t word : allowed) {
    filter.count += static_cast<uint64_t>(__builtin_popcountll(word));
  }
  if (filter.count > kGatherRowsMax && filter.count * kManyShare > lists.count()) {
    filter.rows = allowed;
    return filter;
  }
  std::vector<uint32_t> places;
  if (lists.covers_all_rows()) {
    for (size_t word = 0; word < allowed.size(); ++word) {
      for (uint64_t bits = allowed[word]; bits != 0; bits &= bits - 1) {
        const size_t row = word * 64 + static_cast<size_t>(__builtin_ctzll(bits));
        if (row >= lists.count()) break;
        const auto place = lists.place_ascending(static_cast<uint32_t>(row));
        if (place) places.push_back(*place);
      }
    }
    std::ranges::sort(places);
  } else {
    for (uint32_t place = 0; place < lists.count(); ++place) {
      if (is_set(allowed, lists.row(place))) places.push_back(place);
    }
  }
  filter.count = places.size();
  if (filter.count <= kGatherRowsMax) {
    filter.places = std::move(places);
    return filter;
  }
  filter.blocks.resize(lists.block_count());
  uint32_t list = 0;
  for (const uint32_t place : places) {
    while (place >= lists.list_end(list)) ++list;
    const uint32_t at = place - lists.list_begin(list);
    filter.blocks[lists.block_begin(list) + at / kCodesPerBlock] |= 1U << (at % kCodesPerBlock);
  }
  return filter;
}

ListBase list_base(const VectorLists& lists, uint32_t list, const float* query, float square) {
  ListBase base;
  const std::span<const float> centroid = lists.centroid(list);
  if (centroid.empty()) {
    base.distance = std::sqrt(square);
    return base;
  }
  const size_t dimension = lists.dimension();
  const float length = lists.centroid_length(list);
  base.product = vector_kernels().dot_f32(centroid.data(), query, dimension);
  const float squared = square - 2 * base.product + length * length;
  // No less than what rounding may hide.
  base.distance = std::sqrt(std::max(squared, 0x1p-20f * (square + length * length)));
  base.unit = length * std::sqrt(static_cast<float>(dimension));
  if (lists.metric() == Metric::l2) base.product -= length * length / 2;
  return base;
}

float list_score(const VectorLists& lists, uint32_t place, const float* query, float square,
                 const ListBase& base) {
  const float product =
      lists.scale(place) *
      (code_kernels().dot_split(lists.high(place), lists.low(place), query, lists.dimension()) +
       lists.fine_correction(place) * base.unit);
  if (lists.metric() != Metric::l2) return base.product + product;
  // What the query is away from the centroid, computed from their difference: both may be far from
  // the origin.
  const std::span<const float> centroid = lists.centroid(lists.list_of(place));
  const float from = centroid.empty()
                         ? square
                         : vector_kernels().l2_f32(centroid.data(), query, lists.dimension());
  return -std::sqrt(std::max(0.0f, from - 2 * (product - lists.half_square(place))));
}

float list_score(const VectorLists& lists, uint32_t place, const float* query, float square) {
  return list_score(lists, place, query, square,
                    list_base(lists, lists.list_of(place), query, square));
}

void search_lists(const VectorLists& lists, uint32_t segment, const ListFilter& filter,
                  std::span<const std::span<const float>> queries, size_t k, double recall,
                  std::span<TopRows<float>> tops) {
  if (filter.count == 0 || k == 0) return;
  ListPass pass(lists, segment, filter, k, recall);
  if (!filter.all && filter.count <= kGatherRowsMax) {
    pass.compare(queries, filter.places, tops);
  } else if (recall >= kExactRecall) {
    pass.compare_all(queries, tops);
  } else {
    pass.run(queries, tops);
  }
}

}  // namespace headrace::index
