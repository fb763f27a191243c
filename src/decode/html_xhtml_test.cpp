// XHTML read as the XML that it is, where it says so.
#include <gtest/gtest.h>

#include <string>

#include "decode/decoder.h"
#include "decode/html.h"

namespace headrace {
namespace {

constexpr std::string_view kBody =
    "<head><script src=\"x.js\"/></head><body><p>one</p><iframe src=\"y\"/><textarea/>"
    "<p>two <![CDATA[<3 &amp;]]></p><noscript/><p>three</p></body></html>";

std::string text_of(const std::string& page, HtmlOptions options = {.whole_page = true}) {
  return decode_html(page, options).value().text;
}

TEST(Xhtml, AnXmlDeclarationOrTheNamespaceTells) {
  const std::string body(kBody);
  const std::string whole = "one\n\ntwo <3 &amp;\n\nthree";
  EXPECT_EQ(text_of("<?xml version=\"1.0\"?><html>" + body), whole);
  EXPECT_EQ(text_of("\xEF\xBB\xBF\n<?xml version='1.0' encoding='utf-8'?>\n<html>" + body), whole);
  EXPECT_EQ(
      text_of("<!DOCTYPE html><html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">" + body),
      whole);
  EXPECT_EQ(text_of("<html>" + body, {.whole_page = true, .is_xhtml = true}), whole);
}

TEST(Xhtml, InHtmlAnEmptyElementIsAStartTag) {
  EXPECT_EQ(text_of("<html><body>one<iframe/>two</iframe>three"), "onethree");
  EXPECT_EQ(text_of("<html xmlns:o=\"urn:x\"><body>one<script/>two</script>three"), "onethree");
  EXPECT_EQ(text_of("one <![CDATA[two]]> three"), "one three");
}

TEST(Xhtml, TheNameOfAFileTells) {
  Decoder decoder(nullptr, {});
  const auto decode = [&](const char* name) {
    RawDocument raw;
    raw.source = name;
    raw.bytes = "<html><body><p>one</p><script/><p>two</p></body></html>";
    return decoder.decode(std::move(raw), Format::html)->document.text;
  };
  EXPECT_EQ(decode("a/b.xhtml"), "one\n\ntwo");
  EXPECT_EQ(decode("book.zip!B.XHT"), "one\n\ntwo");
  EXPECT_EQ(decode("b.html"), "one");
}

TEST(Xhtml, EmptyElementsCloseOnlyThemselves) {
  const HtmlOptions xhtml{.whole_page = true, .is_xhtml = true};
  EXPECT_EQ(text_of("<body><div>a<div class='clear'/>b</div><p>c<a id='x'/>d</p></body>", xhtml),
            "a\n\nb\n\ncd");
  EXPECT_EQ(text_of("<table><tr><td/><td>x</td></tr></table>", xhtml),
            text_of("<table><tr><td></td><td>x</td></tr></table>"));
  EXPECT_EQ(text_of("<p>a<br/>b<img src='x'/>c<wbr/>d</p><hr/>e", xhtml),
            text_of("<p>a<br>b<img src='x'>c<wbr>d</p><hr>e"));
  EXPECT_EQ(text_of("<ul><li>a</li><li/><li>b</li></ul>", xhtml), "a\nb");
}

TEST(Xhtml, HostilePagesStayBounded) {
  std::string page = "<?xml version='1.0'?><html>";
  for (int i = 0; i < 300'000; ++i)
    page += i % 3 == 0 ? "<div>" : i % 3 == 1 ? "<script/>" : "<![CDATA[&&";
  page += std::string(1'000'000, '&') + "]]>end";
  EXPECT_NE(text_of(page).find("end"), std::string::npos);
}

}  // namespace
}  // namespace headrace
