#include "plan/shorter_vectors.h"

#include <gtest/gtest.h>

#include <cmath>

#include "plan/test_vector_model.h"

namespace headrace {
namespace {

TEST(ShorterVectors, AreCutThenNormalised) {
  const auto inner = std::make_shared<CountingModel>();
  const auto model = with_dimensions(inner, 1);
  ASSERT_TRUE(model);
  EXPECT_EQ((*model)->info().dimension, 1U);
  EXPECT_TRUE((*model)->info().normalized);
  EXPECT_NE((*model)->info().fingerprint, inner->info().fingerprint);
  ThreadPool pool(2);
  const std::vector<std::string> texts{"abc", "", "a"};
  const auto result = (*model)->embed(texts, {}, pool);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->values, (std::vector<float>{1, 0, 1}));
  EXPECT_EQ(result->tokens, 3U);
}

TEST(ShorterVectors, AllOfThemAreTheModelItself) {
  const std::shared_ptr<const VectorModel> inner = std::make_shared<CountingModel>();
  EXPECT_EQ(*with_dimensions(inner, 0), inner);
  EXPECT_EQ(*with_dimensions(inner, 2), inner);
}

TEST(ShorterVectors, MoreThanThereAreIsAnError) {
  const auto model = with_dimensions(std::make_shared<CountingModel>(), 3);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), ErrorCode::invalid_argument);
  EXPECT_NE(model.error().text().find("2 dimensions, not 3"), std::string::npos);
}

}  // namespace
}  // namespace headrace
