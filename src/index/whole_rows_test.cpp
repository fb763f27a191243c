// Small whole numbers: kernels against each other, products and nearest rows against exact ones.
#include "index/whole_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace headrace::index {
namespace {

class FastWholeKernels : public ::testing::TestWithParam<const WholeKernels* (*)()> {};
INSTANTIATE_TEST_SUITE_P(WholeKernels, FastWholeKernels,
                         ::testing::Values(&whole_kernels_avx2, &whole_kernels_avx512));

TEST_P(FastWholeKernels, AgreeWithPlainOnes) {
  const WholeKernels* const fast = GetParam()();
  if (fast == nullptr) GTEST_SKIP() << "this CPU has no such instructions";
  const WholeKernels& plain = whole_kernels_scalar();
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (const size_t size : {1UL, 8UL, 15UL, 16UL, 40UL, 384UL}) {
    std::vector<float> values(size);
    for (float& x : values) x = normal(random);
    const float most = plain.largest(values.data(), size);
    EXPECT_EQ(most, fast->largest(values.data(), size));
    std::vector<uint8_t> a(size), b(size);
    plain.to_bytes(values.data(), size, kWholeMost / most, a.data());
    fast->to_bytes(values.data(), size, kWholeMost / most, b.data());
    EXPECT_EQ(a, b);
  }
  constexpr size_t kSize = 48;
  constexpr size_t kStride = 64;
  for (const size_t rows : {16UL, 64UL, 112UL}) {
    std::vector<int8_t> bytes(rows * kSize);
    for (auto& x : bytes) x = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
    for (const size_t queries : {1UL, 5UL, 13UL}) {
      std::vector<uint8_t> codes(queries * kStride);
      for (auto& x : codes) x = static_cast<uint8_t>(1 + random() % 127);
      std::vector<int32_t> a(queries * rows), b(queries * rows);
      plain.products(bytes.data(), rows, codes.data(), queries, kStride, kSize, a.data(), rows);
      fast->products(bytes.data(), rows, codes.data(), queries, kStride, kSize, b.data(), rows);
      EXPECT_EQ(a, b);
      for (const size_t size : {16UL, 32UL, 48UL}) {
        EXPECT_EQ(plain.dot(bytes.data(), codes.data(), size),
                  fast->dot(bytes.data(), codes.data(), size));
      }
    }
    std::vector<int32_t> sums(rows), zeros(rows);
    std::vector<float> steps(rows), shifts(rows), reach(rows);
    for (auto& x : sums) x = static_cast<int32_t>(random() % 100'000);
    for (auto& x : zeros) x = static_cast<int32_t>(random() % 100'000);
    for (float& x : steps) x = std::fabs(normal(random));
    for (float& x : shifts) x = normal(random);
    for (float& x : reach) x = normal(random);
    shifts[3] = -std::numeric_limits<float>::infinity();
    sums[9] = sums[4];  // equal ones
    zeros[9] = zeros[4];
    steps[9] = steps[4];
    shifts[9] = shifts[4];
    const WholeSums given = {sums.data(), zeros.data(), steps.data(), 0.01f};
    std::vector<float> a(rows), b(rows), maxima(rows / 16), most(rows / 16);
    plain.values(given, reach.data(), 2, rows, a.data());
    fast->values(given, reach.data(), 2, rows, b.data());
    for (size_t i = 0; i < rows; ++i) EXPECT_NEAR(a[i], b[i], 1e-3f);
    for (const float before : {-std::numeric_limits<float>::infinity(), 1e9f}) {
      float best = before;
      float other = before;
      uint32_t place = 7;
      uint32_t there = 7;
      plain.nearest(given, shifts.data(), rows, 100, best, place);
      fast->nearest(given, shifts.data(), rows, 100, other, there);
      EXPECT_EQ(place, there);
      EXPECT_NEAR(best, other, 1e-3f);
    }
    std::vector<uint32_t> places(rows), others(rows);
    std::vector<float> floors(rows, 1.0f);
    floors[5] = std::numeric_limits<float>::infinity();
    const size_t found = plain.above(given, floors.data(), 0.5f, rows, places.data(), a.data());
    ASSERT_EQ(found, fast->above(given, floors.data(), 0.5f, rows, others.data(), b.data()));
    EXPECT_TRUE(found > 0 && found < rows);
    for (size_t i = 0; i < found; ++i) {
      EXPECT_EQ(places[i], others[i]);
      EXPECT_NEAR(a[i], b[i], 1e-3f);
    }
    std::vector<float> products(rows), bounds(rows), same(rows);
    for (float& x : products) x = normal(random);
    plain.list_bounds(products.data(), steps.data(), shifts.data(), reach.data(), rows, 0.5f,
                      bounds.data(), maxima.data());
    fast->list_bounds(products.data(), steps.data(), shifts.data(), reach.data(), rows, 0.5f,
                      same.data(), most.data());
    for (size_t i = 0; i < rows; ++i) {
      if (i == 3) continue;  // minus infinity
      EXPECT_NEAR(bounds[i], same[i], 1e-5f);
    }
    for (size_t i = 0; i < rows / 16; ++i) EXPECT_NEAR(maxima[i], most[i], 1e-5f);
    for (const float floor : {-std::numeric_limits<float>::infinity(), 0.0f, 1e9f}) {
      const size_t picked = plain.pick(bounds.data(), rows, floor, places.data());
      ASSERT_EQ(picked, fast->pick(bounds.data(), rows, floor, others.data()));
      EXPECT_EQ(std::vector(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(picked)),
                std::vector(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(picked)));
      EXPECT_EQ(picked, floor == 0 ? picked : floor < 0 ? rows - 1 : 0);
    }
  }
}

TEST(WholeRows, ProductsAndNearestRowsAreNearlyExact) {
  constexpr size_t kRows = 700;
  constexpr size_t kQueries = 40;
  constexpr size_t kSize = 64;
  std::mt19937 random(6);
  std::normal_distribution<float> normal;
  std::vector<float> rows(kRows * kSize), queries(kQueries * kSize);
  for (float& x : rows) x = normal(random);
  for (float& x : queries) x = normal(random);
  const WholeRows whole(rows.data(), kRows, kSize, kSize);
  ASSERT_EQ(whole.count(), 704U);
  WholeQueries small(kQueries, kSize);
  for (size_t q = 0; q < kQueries; ++q) small.set(q, queries.data() + q * kSize);
  const auto exact = [&](size_t q, size_t row) {
    double sum = 0;
    for (size_t i = 0; i < kSize; ++i) {
      sum += static_cast<double>(queries[q * kSize + i]) * rows[row * kSize + i];
    }
    return sum;
  };
  std::vector<float> shifts(whole.count(), -1e30f);
  for (size_t row = 0; row < kRows; ++row) shifts[row] = normal(random);
  std::vector<int32_t> sums;
  std::vector<float> products((kQueries - 2) * whole.count());
  const std::vector<float> query_shifts(kQueries, 3.0f);
  whole.products(small, 2, kQueries - 2, shifts, query_shifts.data(), sums, products.data());
  // A component is off by at most half a step of 1/63, or 1/127, of the longest.
  for (size_t q = 2; q < kQueries; ++q) {
    for (size_t row = 0; row < kRows; row += 7) {
      EXPECT_NEAR(products[(q - 2) * whole.count() + row], exact(q, row) + shifts[row] + 3, 1.2);
    }
  }
  std::vector<uint32_t> nearest(kQueries);
  whole.nearest(small, 0, kQueries, shifts, sums, nearest.data());
  for (size_t q = 0; q < kQueries; ++q) {
    double best = -1e30;
    for (size_t row = 0; row < kRows; ++row) best = std::max(best, exact(q, row) + shifts[row]);
    ASSERT_LT(nearest[q], kRows);
    EXPECT_GE(exact(q, nearest[q]) + shifts[nearest[q]], best - 1.2);
  }
  const std::vector<float> floors(whole.count(), 20.0f);
  size_t found = 0;
  whole.above(small, 0, kQueries, floors, query_shifts.data(), sums,
              [&](size_t q, uint32_t row, float value) {
                ASSERT_LT(row, kRows);
                EXPECT_NEAR(value, exact(q, row) + 3, 1.2);
                EXPECT_GT(value, 20.0f);
                ++found;
              });
  EXPECT_GT(found, 50U);
}

}  // namespace
}  // namespace headrace::index
