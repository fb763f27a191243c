#include "embed/principal_axes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace headrace::embed {
namespace {

std::vector<double> random_symmetric(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> matrix(n * n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      matrix[i * n + j] = matrix[j * n + i] = static_cast<double>(random() % 20001) / 10000.0 - 1.0;
    }
  }
  return matrix;
}

// matrix * axis = value * axis, axes are orthonormal, values descend.
void expect_axes_of(const std::vector<double>& matrix, size_t n) {
  const PrincipalAxes found = principal_axes(matrix, n);
  ASSERT_EQ(found.values.size(), n);
  for (size_t i = 0; i < n; ++i) {
    const double* axis = found.axes.data() + i * n;
    if (i > 0) EXPECT_LE(found.values[i], found.values[i - 1]);
    for (size_t row = 0; row < n; ++row) {
      double product = 0;
      for (size_t j = 0; j < n; ++j) product += matrix[row * n + j] * axis[j];
      EXPECT_NEAR(product, found.values[i] * axis[row], 1e-9 * static_cast<double>(n));
    }
    for (size_t other = 0; other <= i; ++other) {
      double dot = 0;
      for (size_t j = 0; j < n; ++j) dot += axis[j] * found.axes[other * n + j];
      EXPECT_NEAR(dot, other == i ? 1.0 : 0.0, 1e-10);
    }
  }
}

TEST(PrincipalAxes, OfRandomMatrices) {
  for (const size_t n : {1, 2, 3, 4, 7, 33, 96}) expect_axes_of(random_symmetric(n, n), n);
}

TEST(PrincipalAxes, OfMatricesThatAreAlmostNothing) {
  expect_axes_of(std::vector<double>(25, 0.0), 5);
  std::vector<double> diagonal(16, 0.0);
  for (size_t i = 0; i < 4; ++i) diagonal[i * 5] = static_cast<double>(i % 2) + 1;
  expect_axes_of(diagonal, 4);
  expect_axes_of(std::vector<double>(36, 1.0), 6);  // rank one
  EXPECT_TRUE(principal_axes({}, 0).values.empty());
}

TEST(PrincipalAxes, AreTheSameEachTimeAndPointUpwards) {
  const auto matrix = random_symmetric(20, 5);
  const PrincipalAxes a = principal_axes(matrix, 20);
  EXPECT_EQ(a.axes, principal_axes(matrix, 20).axes);
  for (size_t i = 0; i < 20; ++i) {
    double largest = 0;
    for (size_t j = 0; j < 20; ++j) {
      if (std::abs(a.axes[i * 20 + j]) > std::abs(largest)) largest = a.axes[i * 20 + j];
    }
    EXPECT_GT(largest, 0);
  }
}

TEST(PrincipalAxes, EndWhenTheMatrixIsNotFinite) {
  auto matrix = random_symmetric(8, 1);
  matrix[3] = matrix[24] = std::nan("");
  EXPECT_EQ(principal_axes(matrix, 8).values.size(), 8U);
}

}  // namespace
}  // namespace headrace::embed
