// The part of a pass that compares given places, or all, with every query.
#include <array>
#include <cmath>

#include "index/search_lists_pass.h"

namespace headrace::index {
namespace {

// A row's score by its byte plane is wrong by no more than this much of its scale, for a query
// whose components differ from the centroid's by 1 in all.
constexpr float kByteErrorMax = 3.5f;
// What the rounding of the corrections adds, in their unit.
constexpr float kCorrectionError = 1.1f * (kCoarseCorrectionUnit + kFineCorrectionUnit);

}  // namespace

// The byte plane rules out what it can prove to be worse; all else is compared in full.
void ListPass::compare(std::span<const std::span<const float>> queries,
                       std::span<const uint32_t> places, std::span<TopRows<float>> tops) {
  while (queries_.size() < queries.size()) queries_.emplace_back(k_);
  std::vector<float> floors(queries.size());
  // Of the query's whole numbers, and of sums of floats.
  std::vector<float> errors(queries.size());
  for (size_t q = 0; q < queries.size(); ++q) {
    Query& query = queries_[q];
    prepare(query, queries[q].data());
    floors[q] = known_floor(lists_.metric(), query.square, tops[q]);
    errors[q] = (512 * query.step + 0.01f * query.length) * static_cast<float>(dimension_);
  }
  const float root = std::sqrt(static_cast<float>(dimension_));
  constexpr size_t kTile = 32;
  std::array<uint32_t, kTile> lists;
  for (size_t begin = 0; begin < places.size(); begin += kTile) {
    const size_t end = std::min(begin + kTile, places.size());
    for (size_t i = end; i < std::min(end + kTile, places.size()); ++i) prefetch(places[i]);
    uint32_t list = lists_.list_of(places[begin]);
    for (size_t i = begin; i < end; ++i) {
      if (places[i] >= lists_.list_end(list)) list = lists_.list_of(places[i]);
      lists[i - begin] = list;
    }
    for (size_t q = 0; q < queries.size(); ++q) {
      const Query& query = queries_[q];
      ListBase base;
      float error = 0;  // in units of a row's scale
      for (size_t i = begin; i < end; ++i) {
        if (i == begin || lists[i - begin] != lists[i - begin - 1]) {
          base = list_base(lists_, lists[i - begin], query.values, query.square);
          error = kByteErrorMax * root * base.distance + kCorrectionError * base.unit + errors[q];
        }
        const uint32_t place = places[i];
        if (byte_score(query, place, base) + error * lists_.scale(place) < floors[q]) continue;
        const float score = list_score(lists_, place, query.values, query.square, base);
        if (tops[q].full() && score < tops[q].threshold()) continue;
        tops[q].add(score, segment_, lists_.row(place));
        floors[q] = known_floor(lists_.metric(), query.square, tops[q]);
      }
    }
  }
}

void ListPass::compare_all(std::span<const std::span<const float>> queries,
                           std::span<TopRows<float>> tops) {
  std::vector<uint32_t> places;
  for (uint32_t list = 0; list < epoch_.list_count; ++list) {
    const uint32_t begin = lists_.list_begin(list);
    for (uint32_t place = begin; place < lists_.list_end(list); ++place) {
      if (passes(list, place - begin)) places.push_back(place);
    }
  }
  compare(queries, places, tops);
}

}  // namespace headrace::index
