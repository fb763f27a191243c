#include "plan/passage.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

size_t passage_of(const std::string& text, std::string_view query) {
  return best_passage(text, index::highlight(query, text, "en"));
}

TEST(Passage, IsWhereMostOfTheWordsStandTogether) {
  const std::string far(300, '.');
  const std::string text = "keys " + far + " rotate keys. " + far + " rotate the master keys. " +
                           far + " all keys, and a second time rotate the master";
  EXPECT_EQ(passage_of(text, "rotate master keys"), text.find("rotate the master"));
}

TEST(Passage, OneWordManyTimesIsOneWord) {
  const std::string far(300, '.');
  const std::string text = "keys keys Keys keys " + far + " rotate keys";
  EXPECT_EQ(passage_of(text, "rotate keys"), text.find("rotate"));
}

TEST(Passage, TheShorterOfTwoIsTheBetter) {
  const std::string text = "rotate, some time, all keys; rotate keys; rotate also the keys";
  EXPECT_EQ(passage_of(text, "rotate keys"), text.find("rotate keys"));
}

TEST(Passage, AWordLongerThanAPassageIsOneAsWell) {
  const std::string word(300, 'x');
  EXPECT_EQ(passage_of("short " + word + " " + word, word), 6u);
}

TEST(Passage, WithoutAWordItIsTheBegin) {
  EXPECT_EQ(passage_of("nothing of it", "rotate keys"), 0u);
  EXPECT_EQ(passage_of("", "rotate keys"), 0u);
}

TEST(Passage, HasThePageAndTheLineThatItStandsOn) {
  Row row;
  row.text = "first\nsecond\nthird";
  EXPECT_EQ(page_at(row, 8), 0);
  EXPECT_EQ(line_at(row, 8), 0);
  row.page = 3;
  row.line = 10;
  row.further_pages = {{6, 4}, {13, 6}};
  EXPECT_EQ(page_at(row, 0), 3);
  EXPECT_EQ(page_at(row, 5), 3);
  EXPECT_EQ(page_at(row, 6), 4);
  EXPECT_EQ(page_at(row, 13), 6);
  EXPECT_EQ(line_at(row, 5), 10);
  EXPECT_EQ(line_at(row, 6), 11);
  EXPECT_EQ(line_at(row, 14), 12);
  row.further_lines = {{6, 20}, {13, 20}};
  EXPECT_EQ(line_at(row, 5), 10);
  EXPECT_EQ(line_at(row, 6), 20);
  EXPECT_EQ(line_at(row, 14), 20);
}

}  // namespace
}  // namespace headrace
