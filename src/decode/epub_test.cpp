// EPUB through the real worker.
#include <gtest/gtest.h>

#include <string>

#include "decode/test_worker.h"
#include "decode/test_zip.h"

namespace headrace {
namespace {

TestZip book() {
  TestZip zip;
  zip.add("mimetype", "application/epub+zip");
  zip.add("META-INF/container.xml",
          "<container><rootfiles><rootfile full-path=\"OEBPS/book.opf\"/></rootfiles></container>");
  zip.add("OEBPS/book.opf",
          "<package><metadata><dc:title>The Book</dc:title><dc:creator>A. One</dc:creator>"
          "<dc:creator>B. Two</dc:creator><dc:language>en-GB</dc:language></metadata><manifest>"
          "<item id=\"n\" href=\"nav.xhtml\" media-type=\"application/xhtml+xml\" "
          "properties=\"nav\"/>"
          "<item id=\"a\" href=\"text/one%20a.xhtml\" media-type=\"application/xhtml+xml\"/>"
          "<item id=\"b\" href=\"text/two.xhtml\" media-type=\"application/xhtml+xml\"/>"
          "<item id=\"i\" href=\"i.png\" media-type=\"image/png\"/></manifest><spine>"
          "<itemref idref=\"n\"/><itemref idref=\"b\"/><itemref idref=\"a\"/><itemref "
          "idref=\"i\"/><itemref idref=\"missing\"/></spine></package>");
  zip.add("OEBPS/nav.xhtml", "<html><body><p>Navigation</p></body></html>");
  zip.add("OEBPS/text/two.xhtml",
          "<html><body><h1>Second file</h1><p>Text &eacute; here.</p></body></html>");
  return zip;
}

constexpr std::string_view kFirst = "<html><body><h2>First file</h2><p>More.</p></body></html>";

TEST(Epub, ReadsChaptersInSpineOrder) {
  TestZip zip = book();
  zip.add("OEBPS/text/one a.xhtml", kFirst);
  const auto output = run_worker("epub", "", zip.bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.title, "The Book");
  EXPECT_EQ(output->document.language, "en");
  EXPECT_EQ(metadata_of(output->document, "author"), "A. One, B. Two");
  EXPECT_EQ(outline(output->document),
            "h1: Second file\np: Text é here.\nh2: First file\np: More.\n");
}

TEST(Epub, EmptyElementsSwallowNothing) {
  for (const std::string name : {"script", "style", "iframe", "noscript", "textarea", "title",
                                 "xmp", "video", "template", "svg", "a", "div", "h1", "select"}) {
    TestZip zip = book();
    zip.add("OEBPS/text/one a.xhtml", "<html><head><title/></head><body><p>Before.</p><" + name +
                                          " class=\"x\"/><p>More.</p></body></html>");
    const auto output = run_worker("epub", "", zip.bytes());
    ASSERT_TRUE(output) << output.error().text();
    EXPECT_EQ(outline(output->document), "h1: Second file\np: Text é here.\np: Before.\np: More.\n")
        << name;
  }
}

TEST(Epub, CharacterDataAreText) {
  TestZip zip = book();
  zip.add("OEBPS/text/one a.xhtml",
          "<html><body><p>a <![CDATA[<b> & &lt;c> d]]> e</p><pre><![CDATA[x &amp;\n  y]]></pre>"
          "</body></html>");
  const auto output = run_worker("epub", "", zip.bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_NE(output->document.text.find("a <b> & &lt;c> d e"), std::string::npos)
      << output->document.text;
  EXPECT_NE(output->document.text.find("x &amp;\n  y"), std::string::npos) << output->document.text;
}

TEST(Epub, MissingChapterIsAProblemOfItsOwn) {
  const auto output = run_worker("epub", "", book().bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "h1: Second file\np: Text é here.\n");
  ASSERT_EQ(output->problems.size(), 1U);
  EXPECT_EQ(output->problems[0].name, "OEBPS/text/one a.xhtml");
}

TEST(Epub, ProtectedBooksAreEncrypted) {
  TestZip zip = book();
  zip.add("META-INF/encryption.xml",
          "<encryption><EncryptedData><CipherData><CipherReference "
          "URI=\"OEBPS/text/two.xhtml\"/></CipherData></EncryptedData></encryption>");
  EXPECT_EQ(failure_of(run_worker("epub", "", zip.bytes())), ErrorCode::encrypted);
}

TEST(Epub, ObfuscatedFontsDoNotMatter) {
  TestZip zip = book();
  zip.add("META-INF/encryption.xml",
          "<encryption><CipherReference URI=\"OEBPS/font.otf\"/></encryption>");
  EXPECT_TRUE(run_worker("epub", "", zip.bytes()));
}

TEST(Epub, DamagedBooks) {
  const std::string whole = book().bytes();
  EXPECT_EQ(failure_of(run_worker("epub", "", "")), ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("epub", "", "<html></html>")), ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("epub", "", whole.substr(0, whole.size() / 2))),
            ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("epub", "", TestZip().add("a", "b").bytes())),
            ErrorCode::damaged);
}

TEST(Epub, DeepHtmlDoesNotCrash) {
  std::string deep = "<html><body>";
  for (int i = 0; i < 100'000; ++i) deep += "<div>";
  deep += "core";
  TestZip zip = book();
  zip.add("OEBPS/text/one a.xhtml", deep);
  const auto output = run_worker("epub", "", zip.bytes());
  if (output) {
    EXPECT_NE(output->document.text.find("Second file"), std::string::npos);
  } else {
    EXPECT_EQ(output.error().code(), ErrorCode::too_large) << output.error().text();
  }
}

}  // namespace
}  // namespace headrace
