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

// What a model's own files ask for: cut and left as they are, unless something else is asked for or
// vectors made before are whole.
TEST(ShorterVectors, TheModelsOwnCutIsNotNormalised) {
  const std::shared_ptr<const VectorModel> inner = std::make_shared<CountingModel>(0, "test", 1);
  const auto model = with_dimensions(inner, 0);
  ASSERT_TRUE(model);
  EXPECT_EQ((*model)->info().dimension, 1U);
  EXPECT_FALSE((*model)->info().normalized);
  ThreadPool pool(1);
  const std::vector<std::string> texts{"abc", "a"};
  EXPECT_EQ((*model)->embed(texts, {}, pool)->values, (std::vector<float>{3, 1}));
  const auto asked = with_dimensions(inner, 1);
  EXPECT_EQ((*asked)->embed(texts, {}, pool)->values, (std::vector<float>{1, 1}));
  EXPECT_NE((*asked)->info().fingerprint, (*model)->info().fingerprint);
  EXPECT_EQ(*with_dimensions(inner, 2), inner);
  EXPECT_EQ(*with_dimensions(inner, 0, /*space_dimension=*/2), inner);
  EXPECT_EQ((*with_dimensions(inner, 0, /*space_dimension=*/1))->info().fingerprint,
            (*model)->info().fingerprint);
}

TEST(ShorterVectors, MoreThanThereAreIsAnError) {
  const auto model = with_dimensions(std::make_shared<CountingModel>(), 3);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code(), ErrorCode::invalid_argument);
  EXPECT_NE(model.error().text().find("2 dimensions, not 3"), std::string::npos);
}

}  // namespace
}  // namespace headrace
