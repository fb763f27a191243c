// Pages made to hurt: depth, length, unclosed everything. Each must end with all its text, quickly
// enough that a quadratic path would be felt, and within the bounds on nodes.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "decode/html.h"
#include "decode/html_tree.h"

namespace headrace {
namespace {

std::string repeat(std::string_view piece, size_t count) {
  std::string out;
  out.reserve(piece.size() * count);
  for (size_t i = 0; i < count; ++i) out += piece;
  return out;
}

Document both_ways(const std::string& page) {
  EXPECT_TRUE(decode_html(page).has_value());
  return decode_html(page, {.whole_page = true}).value();
}

TEST(HtmlHostile, NestedHundredThousandDeep) {
  for (std::string_view tag : {"div", "b", "table", "ul", "blockquote", "a", "svg", "x-y", "p",
                               "li", "button", "select", "td", "dl", "font"}) {
    const std::string open = "<" + std::string(tag) + ">";
    const std::string close = "</" + std::string(tag) + ">";
    const std::string page =
        "<p>first</p>" + repeat(open, 100'000) + "deep" + repeat(close, 100'000) + "<p>last</p>";
    const Document document = both_ways(page);
    EXPECT_NE(document.text.find("first"), std::string::npos) << tag;
    EXPECT_NE(document.text.find("last"), std::string::npos) << tag;
    EXPECT_EQ(document.text.find("deep") == std::string::npos, tag == "svg") << tag;
  }
}

TEST(HtmlHostile, DeepAndMixed) {
  both_ways(repeat("<div><p><ul><li><table><tr><td><b><i>", 30'000) + "x" +
            repeat("</div></b>", 30'000));
  both_ways(repeat("<p><object>", 50'000) + repeat("<div>", 50'000));
  both_ways(repeat("<h1><a href=x>", 100'000));
  both_ways(repeat("<table><td>", 50'000) + repeat("<tr>", 50'000));
  both_ways(repeat("</p>", 300'000));
}

TEST(HtmlHostile, OneLongLine) {
  const std::string words = repeat("word and ", 30'000'000 / 9);
  const Document document = both_ways("<p>" + words);
  EXPECT_EQ(document.blocks.size(), 1u);
  EXPECT_EQ(document.text.size(), words.size() - 1);
  both_ways(repeat("<b>x</b>", 1'000'000));
  both_ways(repeat("<td>1<td>2", 500'000));
  both_ways(repeat("&amp", 1'000'000));
  both_ways(std::string(5'000'000, '<'));
  both_ways(std::string(5'000'000, '&'));
}

TEST(HtmlHostile, NothingIsEverClosed) {
  both_ways(repeat("<a href=\"", 200'000));
  both_ways(repeat("<a href='x>y", 200'000));
  both_ways(repeat("<!-- ", 200'000) + repeat("<!--x--!>", 100'000));
  both_ways(repeat("<!-- > ", 200'000) + "</body>");
  both_ways(repeat("<script> '<body>' </head> <style></body>", 100'000));
  both_ways(repeat("<![CDATA[ ", 200'000));
  both_ways(repeat("<script>", 200'000));
  both_ways(repeat("<script><!--<script></script>", 100'000));
  both_ways(repeat("<title>", 200'000) + repeat("<textarea>", 200'000));
  both_ways(repeat("<style></styl", 200'000));
  both_ways("<p " + repeat("a=b ", 1'000'000));
  both_ways("<p class='" + repeat("nav-menu ", 1'000'000) + "'>text");
  both_ways(repeat("</", 1'000'000));
  both_ways(repeat("<?", 1'000'000));
}

TEST(HtmlHostile, NodesAreBounded) {
  const std::string page = repeat("<b>x", 2'000'000);
  EXPECT_LE(parse_html(page).nodes.size(), node_limit(page.size()) + 1);
  // Beyond the limit the text still comes, without its tags.
  const Document document = both_ways(page + "<p>the end</p>");
  EXPECT_NE(document.text.find("the end"), std::string::npos);
  EXPECT_EQ(document.text.find('<'), std::string::npos);
}

TEST(HtmlHostile, SpansCostNoMoreThanThePage) {
  for (const std::string& rows :
       {repeat("<tr><td rowspan=65534 colspan=1000>cell<td>x", 10'000),
        "<tr>" + repeat("<td rowspan=0>some cell", 10'000) + repeat("<tr><td>x", 10'000),
        repeat("<tr>" + repeat("<td colspan=1000>a", 30), 1000),
        "<tr>" + repeat("<td rowspan=99999999999999999999>some cell", 300) +
            repeat("<tr><td>x", 100'000)}) {
    const std::string page = "<table>" + rows + "</table>end";
    const Document document = both_ways(page);
    EXPECT_LT(document.text.size(), 3 * page.size());
    EXPECT_NE(document.text.find("end"), std::string::npos);
  }
}

TEST(HtmlHostile, JsonThatIsNone) {
  both_ways("<script type=application/ld+json>" + repeat("[", 100'000) + "</script>x");
  both_ways("<script type=application/ld+json>{\"articleBody\": 7, \"author\": [[]]}</script>x");
  both_ways("<script type=application/ld+json>\xFF</script>x");
}

TEST(HtmlHostile, TooLargeIsAnError) {
  // The limit is checked before a byte is read, so the view's bytes need not exist beyond the
  // first.
  static const char kByte = ' ';
  const auto document = decode_html(std::string_view(&kByte, (size_t{512} << 20) + 1));
  ASSERT_FALSE(document.has_value());
  EXPECT_EQ(document.error().code(), ErrorCode::too_large);
}

}  // namespace
}  // namespace headrace
