// The part of a pass that compares given places, or all, with every query.
#include <cmath>

#include "index/search_lists_pass.h"

namespace headrace::index {
namespace {

// A row's score by its byte plane is wrong by no more than this much of its scale, for a query
// whose components sum up to 1.
constexpr float kByteErrorMax = 3.5f;

}  // namespace

// The byte plane rules out what it can prove to be worse; all else is compared in full.
void ListPass::compare(std::span<const std::span<const float>> queries,
                       std::span<const uint32_t> places, std::span<TopRows<float>> tops) {
  struct Bound {
    float floor = -std::numeric_limits<float>::infinity();
    float error = 0;  // in units of a row's scale
  };
  std::vector<Bound> bounds(queries.size());
  while (queries_.size() < queries.size()) queries_.emplace_back(k_);
  for (size_t q = 0; q < queries.size(); ++q) {
    Query& query = queries_[q];
    prepare(query, queries[q].data(), tops[q]);
    float sum = 0;
    for (const float x : queries[q]) sum += std::fabs(x);
    bounds[q].floor = known_floor(lists_.metric(), query.square, tops[q]);
    // Of the low bits, of the query's whole numbers, and of sums of floats.
    bounds[q].error = kByteErrorMax * sum +
                      (512 * query.step + 0.01f * query.length) * static_cast<float>(dimension_);
  }
  constexpr size_t kTile = 32;
  for (size_t begin = 0; begin < places.size(); begin += kTile) {
    const size_t end = std::min(begin + kTile, places.size());
    for (size_t i = end; i < std::min(end + kTile, places.size()); ++i) prefetch(places[i]);
    for (size_t q = 0; q < queries.size(); ++q) {
      for (size_t i = begin; i < end; ++i) {
        const uint32_t place = places[i];
        if (byte_score(queries_[q], place) + bounds[q].error * lists_.scale(place) <
            bounds[q].floor) {
          continue;
        }
        const float score = list_score(lists_, place, queries[q].data(), queries_[q].square);
        if (tops[q].full() && score < tops[q].threshold()) continue;
        tops[q].add(score, segment_, lists_.row(place));
        bounds[q].floor = known_floor(lists_.metric(), queries_[q].square, tops[q]);
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
