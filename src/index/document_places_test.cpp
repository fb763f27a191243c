#include "index/document_places.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace headrace::index {
namespace {

using Place = DocumentPlaces::Place;

std::vector<std::pair<uint32_t, uint32_t>> found(const DocumentPlaces& places, uint64_t hash) {
  std::vector<std::pair<uint32_t, uint32_t>> all;
  places.find(hash, [&](Place place) {
    all.emplace_back(place.segment, place.document);
    return false;
  });
  std::ranges::sort(all);
  return all;
}

TEST(DocumentPlaces, IsEmptyAtFirst) {
  DocumentPlaces places;
  places.open_segment(1, 2);
  places.remove(7, {1, 1});
  EXPECT_TRUE(found(places, 7).empty());
  EXPECT_EQ(places.size(), 0u);
}

TEST(DocumentPlaces, StopsWhenTheVisitorHasEnough) {
  DocumentPlaces places;
  places.open_segment(1, 2);
  places.open_segment(2, 2);
  places.add(7, {1, 1});
  places.add(7, {2, 1});
  int visits = 0;
  EXPECT_TRUE(places.find(7, [&](Place) { return ++visits == 1; }));
  EXPECT_EQ(visits, 1);
}

// Hashes that fall together on purpose, and segments that come and go, against a plain map.
TEST(DocumentPlaces, AgreesWithAMapUnderAddingAndRemoving) {
  std::mt19937 random(11);
  DocumentPlaces places;
  std::multimap<uint64_t, std::pair<uint32_t, uint32_t>> model;
  constexpr uint32_t kDocuments = 2000;
  for (uint32_t step = 0; step < 20'000; ++step) {
    const uint32_t segment = 1 + step / kDocuments * 3;
    if (step % kDocuments == 0) places.open_segment(segment, kDocuments);
    const uint64_t hash = (random() % 40 + (random() % 4) * 1024) * (uint64_t{1} << 36);
    const auto range = model.equal_range(hash);
    const int action = range.first == range.second ? 0 : static_cast<int>(random() % 3);
    if (action <= 1) {
      places.add(hash, {segment, step % kDocuments});
      model.emplace(hash, std::pair(segment, step % kDocuments));
    } else {
      const auto [of, document] = range.first->second;
      places.remove(hash, {of, document});
      model.erase(range.first);
    }
    if (step == 9000) {
      std::erase_if(model, [&](const auto& entry) {
        if (entry.second.first != 4) return false;
        places.remove(entry.first, {4, entry.second.second});
        return true;
      });
      places.close_segment(4);
    }
    std::vector<std::pair<uint32_t, uint32_t>> expected;
    for (auto at = model.lower_bound(hash); at != model.upper_bound(hash); ++at)
      expected.push_back(at->second);
    std::ranges::sort(expected);
    ASSERT_EQ(found(places, hash), expected) << "step " << step;
    ASSERT_EQ(places.size(), model.size());
  }
}

}  // namespace
}  // namespace headrace::index
