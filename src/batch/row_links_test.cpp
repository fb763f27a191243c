#include "batch/row_links.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

using Links = std::vector<std::string>;

Value links_of(const Document& document, size_t begin, size_t end) {
  Metadata metadata = document.metadata;
  set_row_links(document, begin, end, metadata);
  const auto found = metadata.find("links");
  return found == metadata.end() ? Value() : found->second;
}

TEST(RowLinks, AreThoseWhoseTextBeginsInTheRow) {
  Document document;
  document.text = std::string(100, 'a');
  document.links = {{0, "a"}, {10, "b"}, {10, "c"}, {19, "a"}, {20, "d"}, {90, "a"}};
  EXPECT_EQ(links_of(document, 0, 10), Value(Links{"a"}));
  EXPECT_EQ(links_of(document, 0, 20), Value(Links{"a", "b", "c"})) << "each once";
  EXPECT_EQ(links_of(document, 10, 20), Value(Links{"b", "c", "a"}));
  EXPECT_EQ(links_of(document, 21, 90), Value());
  EXPECT_EQ(links_of(Document(), 0, 10), Value());
}

TEST(RowLinks, AreBounded) {
  Document document;
  for (uint32_t i = 0; i < 100; ++i) document.links.push_back({i, "x" + std::to_string(i)});
  EXPECT_EQ(std::get<Links>(links_of(document, 0, 100)).size(), kRowLinksMax);
  document.links.clear();
  // What is too long for the room that is left is left out, what is short enough is not.
  for (uint32_t i = 0; i < 5; ++i)
    document.links.push_back({i, std::to_string(i) + std::string(2500, 'x')});
  document.links.push_back({9, "short"});
  const Links links = std::get<Links>(links_of(document, 0, 100));
  ASSERT_EQ(links.size(), 4u);
  EXPECT_EQ(links.back(), "short");
}

TEST(RowLinks, AColumnOfThatNameIsTheUsers) {
  Document document;
  document.links = {{0, "a"}};
  document.metadata["links"] = std::string("mine");
  EXPECT_EQ(links_of(document, 0, 1), Value(std::string("mine")));
}

}  // namespace
}  // namespace headrace
