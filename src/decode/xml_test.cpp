// XML of any kind through the real worker.
#include <gtest/gtest.h>

#include <string>

#include "decode/test_worker.h"

namespace headrace {
namespace {

TEST(Xml, ReadsDocBook) {
  const auto output = run_worker(
      "xml", "",
      "<?xml version=\"1.0\"?>\n<!DOCTYPE book [<!ENTITY pg \"PostgreSQL\">\n<!ENTITY x SYSTEM "
      "\"x.xml\">]>\n<!-- comment --><book><title>The Book</title><chapter><title>About &pg;"
      "</title><para>Use <command>ls</command> &amp; <b>more</b>.</para><para><command>rm</command>"
      " deletes.</para><programlisting>int x;\n  y();</programlisting><itemizedlist><listitem>"
      "<para>one</para></listitem></itemizedlist><sect1><title>Deep</title><table><row><entry>a"
      "</entry><entry>b <i>c</i></entry></row></table></sect1></chapter></book>");
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.title, "The Book");
  EXPECT_EQ(outline(output->document),
            "h1: The Book\nh2: About PostgreSQL\np: Use ls & more.\np: rm deletes.\n"
            "code: int x;\n  y();\nli1: one\nh3: Deep\nrow: a | b c\n");
}

TEST(Xml, ReadsDataInOrder) {
  const auto output =
      run_worker("xml", "", "<r><a>1</a><b><c>2</c></b>\n<d><![CDATA[<3>]]></d><e f='x'/></r>");
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "p: 1\np: 2\np: <3>\n");
}

TEST(Xml, AttributesStandInForText) {
  const auto output =
      run_worker("xml", "",
                 "<?xml version='1.0'?><list xmlns='urn:x'><item id='1' name='Alpha "
                 "&amp; co'/>\n<item id='2' name=''/></list>");
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "row: id: 1 | name: Alpha & co\nrow: id: 2\n");
}

TEST(Xml, Encodings) {
  const auto latin =
      run_worker("xml", "", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>caf\xE9</a>");
  ASSERT_TRUE(latin) << latin.error().text();
  EXPECT_EQ(latin->document.text, "café");
  const auto cyrillic =
      run_worker("xml", "", "<?xml version='1.0' encoding='koi8-r'?><a>\xF0\xD2\xC9</a>");
  ASSERT_TRUE(cyrillic) << cyrillic.error().text();
  EXPECT_EQ(cyrillic->document.text, "При");
  EXPECT_EQ(failure_of(run_worker("xml", "", "<?xml version='1.0' encoding='klingon'?><a>x</a>")),
            ErrorCode::unsupported);
  const auto bad = run_worker("xml", "", "<a>bad \xFF byte</a>");
  ASSERT_TRUE(bad) << bad.error().text();
  EXPECT_EQ(bad->document.text, "bad \uFFFD byte");
}

TEST(Xml, DamagedFilesNameTheLine) {
  for (const char* xml : {"", "   ", "no markup", "<a>", "<a><b></a>", "<a", "<a b>", "<a b='c>",
                          "</a>", "<a></a><b/>", "<a>x</a> tail", "<!-- open", "<![CDATA[x]]>",
                          "<a><![CDATA[x</a>", "<!DOCTYPE x [", "<a>1 < 2</a>", "<?xml"}) {
    EXPECT_EQ(failure_of(run_worker("xml", "", xml)), ErrorCode::damaged) << xml;
  }
  const auto output = run_worker("xml", "", "<a>\n<b>\n</a>");
  EXPECT_NE(output.error().message().find("line 3"), std::string::npos);
}

TEST(Xml, DepthAndEntitiesAreBounded) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_EQ(failure_of(run_worker("xml", "", deep)), ErrorCode::too_large);
  std::string wide = "<!DOCTYPE a [<!ENTITY e \"" + std::string(60'000, 'x') + "\">]><a>";
  for (int i = 0; i < 1'000; ++i) wide += "&e;";
  EXPECT_EQ(failure_of(run_worker("xml", "", wide + "</a>")), ErrorCode::too_large);
}

}  // namespace
}  // namespace headrace
