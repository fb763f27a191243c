// Which sets of vectors are kept in binary16, when they are built and when they are merged.
#include "index/vector_precision.h"

#include <gtest/gtest.h>

#include <random>

#include "index/vectors_state.h"

namespace headrace::index {
namespace {

constexpr uint32_t kDimension = 32;

// Around a hundred centers, each component within `distance`.
std::vector<float> rows_around(size_t count, float distance, uint32_t seed) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  std::vector<float> centers(100 * kDimension);
  for (float& x : centers) x = normal(random);
  std::mt19937 draw(seed);
  std::vector<float> rows(count * kDimension);
  for (size_t i = 0; i < rows.size(); i += kDimension) {
    const float* const center = centers.data() + (draw() % 100) * kDimension;
    for (uint32_t d = 0; d < kDimension; ++d) rows[i + d] = center[d] + distance * normal(draw);
  }
  return rows;
}

std::string section_of(std::span<const float> rows) {
  VectorSetBuilder builder(kDimension, Metric::ip);
  for (size_t i = 0; i < rows.size() / kDimension; ++i) {
    builder.add(static_cast<uint32_t>(i), rows.subspan(i * kDimension, kDimension));
  }
  StringSink sink;
  EXPECT_TRUE(builder.finish(sink));
  return sink.take();
}

Element element_of(std::string_view section) {
  return VectorSet::open(section)->state().element;
}

std::string merged(std::string_view a, std::string_view b) {
  const VectorSet first = std::move(*VectorSet::open(a));
  const VectorSet second = std::move(*VectorSet::open(b));
  std::vector<uint32_t> maps[2];
  for (uint32_t row = 0; row < first.count(); ++row) maps[0].push_back(row);
  for (uint32_t row = 0; row < second.count(); ++row) maps[1].push_back(first.count() + row);
  const MergeInput<VectorSet> inputs[] = {{&first, maps[0]}, {&second, maps[1]}};
  StringSink sink;
  EXPECT_TRUE(merge_vectors(inputs, {}, sink));
  return sink.take();
}

TEST(VectorPrecision, RowsThatLieCloseStayInBinary32) {
  EXPECT_EQ(element_of(section_of(rows_around(2000, 0.7f, 1))), Element::f16);
  EXPECT_EQ(element_of(section_of(rows_around(2000, 0.1f, 1))), Element::f32);
}

TEST(VectorPrecision, SmallSetsWaitUntilThereAreEnoughRowsToTell) {
  const std::string small = section_of(rows_around(kPrecisionSample - 1, 0.7f, 1));
  EXPECT_EQ(element_of(small), Element::f32);
  EXPECT_EQ(element_of(merged(small, small)), Element::f32);  // every row is there twice
  EXPECT_EQ(element_of(merged(small, section_of(rows_around(400, 0.7f, 2)))), Element::f16);
  EXPECT_EQ(element_of(merged(small, section_of(rows_around(2000, 0.1f, 2)))), Element::f32);
}

TEST(VectorPrecision, WhatBinary16CannotHoldStays) {
  std::vector<float> rows = rows_around(2000, 0.7f, 1);
  for (const size_t at : {size_t{5}, rows.size() - 5}) {
    std::vector<float> changed = rows;
    changed[at] = 70'000;
    const std::string section = section_of(changed);
    ASSERT_EQ(element_of(section), Element::f32);
    std::vector<float> row(kDimension);
    ASSERT_TRUE(VectorSet::open(section)->vector(static_cast<uint32_t>(at / kDimension), row));
    EXPECT_EQ(row[at % kDimension], 70'000);
  }
  const std::string first = section_of(std::span(rows).first(500 * kDimension));
  std::vector<float> second = rows_around(900, 0.7f, 2);
  second[77] = 70'000;
  EXPECT_EQ(element_of(merged(first, section_of(second))), Element::f32);
}

}  // namespace
}  // namespace headrace::index
