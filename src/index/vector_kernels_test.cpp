// The vector kernels of this CPU against the plain ones.
#include "index/vector_kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace headrace::index {
namespace {

class VectorKernelsTest : public ::testing::TestWithParam<const VectorKernels* (*)()> {
 protected:
  void SetUp() override {
    kernels_ = GetParam()();
    if (kernels_ == nullptr) GTEST_SKIP() << "this CPU has no such instructions";
  }
  static std::vector<float> numbers(size_t count, float spread) {
    std::mt19937 random(static_cast<uint32_t>(count));
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> values(count);
    for (float& x : values) x = normal(random);
    return values;
  }
  const VectorKernels* kernels_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(All, VectorKernelsTest,
                         ::testing::Values(&vector_kernels_avx2, &vector_kernels_avx512));

TEST_P(VectorKernelsTest, SumsOfSquaresAreAsExactAsDoubles) {
  for (size_t count = 0; count < 100; ++count) {
    for (const float spread : {1e-3F, 1e10F}) {
      const std::vector<float> values = numbers(count, spread);
      const double plain = vector_kernels_scalar().squares_f32(values.data(), count);
      EXPECT_NEAR(kernels_->squares_f32(values.data(), count), plain, plain * 1e-14);
    }
  }
}

TEST_P(VectorKernelsTest, ScaledValuesAreRoundedOnceAndNothingBehindThemIsWritten) {
  for (size_t count = 0; count < 70; ++count) {
    const std::vector<float> values = numbers(count, 3);
    std::vector<float> plain(count);
    std::vector<float> scaled(count + 1, 7);
    vector_kernels_scalar().scale_f32(values.data(), 1.0 / 3.1, plain.data(), count);
    kernels_->scale_f32(values.data(), 1.0 / 3.1, scaled.data(), count);
    EXPECT_EQ(scaled.back(), 7);
    scaled.pop_back();
    EXPECT_EQ(scaled, plain);
    scaled = values;
    kernels_->scale_f32(scaled.data(), 1.0 / 3.1, scaled.data(), count);  // in place
    EXPECT_EQ(scaled, plain);
  }
}

TEST_P(VectorKernelsTest, TheGreatestBitsAreFoundWhereverTheyAre) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (size_t count = 0; count < 70; ++count) {
    std::vector<float> values(count, -0.0F);
    EXPECT_EQ(kernels_->greatest_bits(values.data(), count), 0U);
    for (size_t at = 0; at < count; ++at) {
      for (const float x : {std::numeric_limits<float>::denorm_min(), -2.5F, -kInfinity,
                            std::numeric_limits<float>::quiet_NaN()}) {
        values.assign(count, 0.0F);
        values[at] = x;
        EXPECT_EQ(kernels_->greatest_bits(values.data(), count),
                  std::bit_cast<uint32_t>(x) & 0x7FFFFFFF);
      }
    }
  }
}

}  // namespace
}  // namespace headrace::index
