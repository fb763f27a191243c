#include "embed/word_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "embed/layers.h"
#include "embed/test_model.h"

namespace headrace::embed {
namespace {

constexpr size_t kWords = 5;
constexpr size_t kWidth = 100;  // a group and a part of one

// Words of very different sizes; the last is nothing but zeros.
std::vector<float> values() {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  std::vector<float> out;
  for (const float size : {1.0f, 1e-3f, 3e4f, 1e-30f, 0.0f}) {
    for (size_t i = 0; i < kWidth; ++i) out.push_back(std::clamp(normal(random), -2.f, 2.f) * size);
  }
  return out;
}

std::vector<float> rows(const TemporaryFolder& folder, Precision precision, float addend) {
  const auto file = SafeTensors::open(folder.path() + "/model.safetensors");
  WeightReader reader(*file, "", kernels(), precision);
  const auto table = WordTable::load(reader, "words", kWords, kWidth);
  EXPECT_TRUE(table) << table.error().text();
  const std::vector<float> added(kWidth, addend);
  std::vector<float> out(kWords * kWidth);
  for (size_t word = 0; word < kWords && table; ++word)
    table->add(kernels(), word, added.data(), out.data() + word * kWidth);
  return out;
}

TEST(WordTable, TenBitsKeepEachValueToHalfAStepOfItsGroup) {
  const std::vector<float> wanted = values();
  const TemporaryFolder folder;
  folder.write("model.safetensors",
               safetensors_bytes({{"words", {"F32", {kWords, kWidth}, wanted}}}));
  for (const Precision precision : {Precision::int16, Precision::int8}) {
    const std::vector<float> got = rows(folder, precision, 0);
    for (size_t word = 0; word < kWords; ++word) {
      for (const auto& [begin, end] : {std::pair<size_t, size_t>{0, 64}, {64, kWidth}}) {
        const std::span part = std::span(wanted).subspan(word * kWidth + begin, end - begin);
        const float largest = std::abs(
            *std::ranges::max_element(part, {}, [](float value) { return std::abs(value); }));
        // A step is a Bfloat, rounded up.
        const float half_step = largest / 511 / 2 * (1 + 1.0f / 128) * 1.0001f;
        for (size_t i = begin; i < end; ++i)
          EXPECT_NEAR(got[word * kWidth + i], wanted[word * kWidth + i], half_step);
      }
    }
  }
}

TEST(WordTable, AddsWhatIsGiven) {
  const TemporaryFolder folder;
  folder.write("model.safetensors",
               safetensors_bytes({{"words", {"F32", {kWords, kWidth}, values()}}}));
  for (const Precision precision : {Precision::fp32, Precision::int16}) {
    const std::vector<float> plain = rows(folder, precision, 0);
    const std::vector<float> more = rows(folder, precision, 0.5f);
    for (size_t i = 0; i < plain.size(); ++i) EXPECT_FLOAT_EQ(more[i], plain[i] + 0.5f);
  }
}

}  // namespace
}  // namespace headrace::embed
