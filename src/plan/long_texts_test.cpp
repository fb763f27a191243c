#include "plan/long_texts.h"

#include <gtest/gtest.h>

#include "plan/test_vector_model.h"

namespace headrace {
namespace {

size_t tokens_in(std::string_view text) {
  Encoding encoding;
  Tokenizer::without_model()->encode(text, encoding);
  return encoding.ids.size();
}

// Windows follow one another without a gap, and none is over the limit.
void expect_whole(const std::string& text, size_t limit) {
  const auto windows = text_windows(*Tokenizer::without_model(), text, limit);
  ASSERT_FALSE(windows.empty());
  size_t at = 0;
  for (const TextWindow& window : windows) {
    EXPECT_EQ(window.begin, at);
    EXPECT_TRUE(window.end > window.begin || text.empty());
    EXPECT_LE(tokens_in(text.substr(window.begin, window.end - window.begin)), limit);
    at = window.end;
  }
  EXPECT_EQ(at, text.size());
}

TEST(LongTexts, WindowsCoverTheText) {
  std::string words;
  for (int i = 0; i < 5000; ++i)
    words += "word" + std::to_string(i % 7) + (i % 50 == 0 ? "\n" : " ");
  expect_whole(words, 10);
  expect_whole(words, 512);
  expect_whole("", 10);
  expect_whole("short", 10);
  expect_whole(std::string(3'000'000, 'x'), 500);
  expect_whole(std::string(1'000'000, ' '), 500);
  std::string accents;
  for (int i = 0; i < 200'000; ++i) accents += i % 9 == 0 ? " " : "é";
  expect_whole(accents, 100);
}

TEST(LongTexts, WindowsEndBetweenWords) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "abc ";
  for (const TextWindow& window : text_windows(*Tokenizer::without_model(), text, 16)) {
    if (window.begin > 0) EXPECT_EQ(text[window.begin - 1], ' ');
  }
}

TEST(LongTexts, LongTextsAreAveragedByLengthAndCounted) {
  const auto inner = std::make_shared<CountingModel>(4);
  const auto model = with_windows(inner);
  ThreadPool pool(2);
  const std::vector<std::string> texts{"ab", "aa bb cc dd ee ff", ""};
  const auto result = model->embed(texts, {}, pool);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->longer, std::vector<uint32_t>{1});
  EXPECT_EQ(result->windowed, 1U);
  ASSERT_EQ(result->values.size(), 6U);
  EXPECT_EQ(result->values[0], 2.0F);
  // Windows "aa bb cc dd " and "ee ff": sizes 12 and 5, weighted by 4 and 2 tokens.
  EXPECT_FLOAT_EQ(result->values[2], (12.0F * 4 + 5.0F * 2) / 6);
  EXPECT_EQ(result->values[4], 0.0F);
}

TEST(LongTexts, AModelThatReadsAnyLengthNeedsNoWindows) {
  const std::shared_ptr<const VectorModel> inner = std::make_shared<CountingModel>(0);
  EXPECT_EQ(with_windows(inner), inner);
}

}  // namespace
}  // namespace headrace
