#include "index/analyzer.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace headrace::index {
namespace {

std::vector<std::string> terms_of(std::string_view text, std::string_view language) {
  std::vector<std::string> terms;
  const auto analyzer = Analyzer::create(language);
  EXPECT_TRUE(analyzer) << language;
  if (analyzer)
    (*analyzer)->analyze(text, [&](std::string_view term, uint32_t) { terms.emplace_back(term); });
  return terms;
}

TEST(Analyzer, AFinalSigmaIsASigma) {
  for (const char* language : {"en", "el", "de", "none"})
    EXPECT_EQ(terms_of("σίσυφος", language), terms_of("ΣΊΣΥΦΟΣ", language)) << language;
}

TEST(Analyzer, UnknownLanguagesAreRefusedWithThoseThatAreKnown) {
  const auto refused = Analyzer::create("klingon");
  ASSERT_FALSE(refused);
  const std::string& hint = refused.error().hint();
  for (size_t at = hint.rfind("of ") + 3; at < hint.size(); at += 3)
    EXPECT_TRUE(Analyzer::create(hint.substr(at, 2))) << hint.substr(at, 2);
}

// Words are found 16 bytes at a time where the text goes on for so long, byte by byte at its end.
TEST(Analyzer, WordsAreTheSameWhereverTheTextEnds) {
  std::mt19937 random(7);
  const std::string_view characters = "aAzZ09__''..  -@[`{/:\n\u00e9";
  for (const char* language : {"en", "fr", "none"}) {
    for (int i = 0; i < 3000; ++i) {
      std::string text;
      for (size_t size = random() % 24; text.size() < size;)
        text += random() % 3 == 0 ? characters[random() % characters.size()]
                                  : static_cast<char>('a' + random() % 26);
      ASSERT_EQ(terms_of(text, language), terms_of(text + std::string(40, ' '), language)) << text;
    }
  }
}

// The cache has too few places for all of them, so that words take each other's.
TEST(Analyzer, ATermDoesNotDependOnWhatIsRemembered) {
  const auto analyzer = Analyzer::create("en");
  ASSERT_TRUE(analyzer);
  std::mt19937 random(8);
  std::vector<std::string> words;
  for (int i = 0; i < 60'000; ++i) {
    std::string word;
    for (size_t size = 1 + random() % 9; word.size() < size;)
      word += static_cast<char>('a' + random() % 26);
    words.push_back(word + (i % 3 == 0 ? "ing" : ""));
  }
  std::map<std::string, std::string> alone;
  std::string text;
  std::vector<std::string> order;
  for (int i = 0; i < 200'000; ++i) {
    order.push_back(words[random() % (i % 2 == 0 ? words.size() : 500)]);
    text += order.back() + ' ';
  }
  size_t at = 0;
  (*analyzer)->analyze(text, [&](std::string_view term, uint32_t position) {
    ASSERT_EQ(position, at);
    const auto [known, is_new] = alone.try_emplace(order[at]);
    if (is_new) known->second = terms_of(order[at], "en")[0];
    ASSERT_EQ(term, known->second) << order[at];
    ++at;
  });
  EXPECT_EQ(at, order.size());
}

}  // namespace
}  // namespace headrace::index
