#include "index/analyzer.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace headrace::index
