#include "embed/static_distill.h"

#include <gtest/gtest.h>

#include <cmath>

#include "embed/test_model.h"

namespace headrace::embed {
namespace {

class Distill : public testing::Test {
 protected:
  Distill() {
    write_model(folder_, shape_, random_tensors(shape_));
    vocabulary_.before = {1};
    vocabulary_.after = {2, 3};
    vocabulary_.used.assign(shape_.vocabulary, 1);
    for (const size_t id : {0, 1, 2, 3, 20}) vocabulary_.used[id] = 0;
  }

  StaticTable distil(size_t threads) {
    auto encoder = Encoder::load(files_of(folder_));
    EXPECT_TRUE(encoder) << encoder.error().text();
    ThreadPool pool(threads);
    auto table = distill_static(**encoder, vocabulary_, pool, nullptr);
    EXPECT_TRUE(table);
    return std::move(*table);
  }

  TestShape shape_;
  TemporaryFolder folder_;
  DistillVocabulary vocabulary_;
};

TEST_F(Distill, DoesNotDependOnTheNumberOfThreads) {
  const StaticTable one = distil(1);
  const StaticTable three = distil(3);
  EXPECT_EQ(one.values, three.values);
  EXPECT_EQ(one.used, vocabulary_.used);
  EXPECT_EQ(one.rows, shape_.vocabulary);
  EXPECT_EQ(one.dimension, shape_.hidden);
}

// With all axes kept, the tokens lie to one another as the encoder put them, but for their weights.
TEST_F(Distill, KeepsTheEncodersDistances) {
  const StaticTable table = distil(2);
  const auto encoder = Encoder::load(files_of(folder_));
  ASSERT_TRUE(encoder);
  const auto scratch = (*encoder)->new_scratch();
  std::vector<int32_t> ids;
  std::vector<std::vector<float>> vectors;
  for (uint32_t id = 0; id < shape_.vocabulary; ++id) {
    if (vocabulary_.used[id] == 0) continue;
    const std::vector<int32_t> sequence = {1, static_cast<int32_t>(id), 2, 3};
    const std::span<const int32_t> sequences[] = {sequence};
    ids.push_back(static_cast<int32_t>(id));
    ASSERT_TRUE((*encoder)->embed(sequences, vectors.emplace_back(shape_.hidden), *scratch));
  }
  double all = 0;
  for (size_t rank = 0; rank < ids.size(); ++rank) all += 1.0 / static_cast<double>(rank + 2);
  const auto turned = [&](size_t rank, size_t axis) {
    const double p = 1.0 / (static_cast<double>(rank + 2) * all);
    const double weight = 1e-4 / (1e-4 + p);
    const size_t row = static_cast<size_t>(ids[rank]) * table.dimension;
    return from_half(table.values[row + axis]) / weight;
  };
  for (size_t a = 0; a < ids.size(); a += 5) {
    for (size_t b = a + 1; b < ids.size(); b += 7) {
      double before = 0;
      double after = 0;
      for (size_t i = 0; i < shape_.hidden; ++i) {
        before += std::pow(static_cast<double>(vectors[a][i]) - vectors[b][i], 2);
        after += std::pow(turned(a, i) - turned(b, i), 2);
      }
      EXPECT_NEAR(std::sqrt(after), std::sqrt(before), 0.02 * std::sqrt(before) + 1e-3);
    }
  }
}

TEST_F(Distill, IsStoppedByItsToken) {
  const auto encoder = Encoder::load(files_of(folder_));
  ThreadPool pool(2);
  CancelToken cancel;
  cancel.request();
  const auto table = distill_static(**encoder, vocabulary_, pool, &cancel);
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code(), ErrorCode::cancelled);
}

TEST_F(Distill, AnotherModelHasAnotherIdentity) {
  const auto before = distill_identity(files_of(folder_));
  ASSERT_TRUE(before);
  EXPECT_EQ(*distill_identity(files_of(folder_)), *before);
  folder_.write("tokenizer.json", "{ }");
  EXPECT_NE(*distill_identity(files_of(folder_)), *before);
}

}  // namespace
}  // namespace headrace::embed
