// DOCX, PPTX, XLSX and OpenDocument through the real worker.
#include <gtest/gtest.h>

#include <string>

#include "decode/test_links.h"
#include "decode/test_worker.h"
#include "decode/test_zip.h"

namespace headrace {
namespace {

constexpr std::string_view kRootRels = R"(<?xml version="1.0"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Type="http://x/officeDocument" Target="MAIN"/>
<Relationship Id="r2" Type="http://x/metadata/core-properties" Target="docProps/core.xml"/>
</Relationships>)";

std::string root_rels(const std::string& main) {
  std::string text(kRootRels);
  text.replace(text.find("MAIN"), 4, main);
  return text;
}

constexpr std::string_view kCore = R"(<cp:coreProperties xmlns:cp="c" xmlns:dc="d">
<dc:title>The &amp; Title</dc:title><dc:creator>Zoë</dc:creator><dc:language>de-DE</dc:language>
<dcterms:created xmlns:dcterms="t">2024-05-01T10:00:00Z</dcterms:created></cp:coreProperties>)";

// `body` is what stands inside of w:body, `links` are further relationships, `note` is a footnote.
TestZip docx(const std::string& body, const std::string& links = "",
             const std::string& note = "<w:r><w:t>A note.</w:t></w:r>") {
  TestZip zip;
  zip.add("_rels/.rels", root_rels("word/document.xml"));
  zip.add("docProps/core.xml", kCore);
  zip.add("word/_rels/document.xml.rels",
          R"(<Relationships><Relationship Id="a" Type="http://x/styles" Target="styles.xml"/>
<Relationship Id="b" Type="http://x/footnotes" Target="footnotes.xml"/>)" +
              links + "</Relationships>");
  zip.add("word/_rels/footnotes.xml.rels", "<Relationships>" + links + "</Relationships>");
  zip.add("word/styles.xml", R"(<w:styles>
<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>
<w:style w:type="paragraph" w:styleId="Eigen"><w:name w:val="Mine"/><w:basedOn w:val="Tief"/></w:style>
<w:style w:type="paragraph" w:styleId="Tief"><w:name w:val="Deep"/><w:pPr><w:outlineLvl w:val="2"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="TOC1"><w:name w:val="toc 1"/></w:style>
<w:style w:type="paragraph" w:styleId="Kreis"><w:name w:val="k"/><w:basedOn w:val="Kreis"/></w:style>
</w:styles>)");
  zip.add("word/footnotes.xml", R"(<w:footnotes>
<w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>separator</w:t></w:r></w:p></w:footnote>
<w:footnote w:id="2"><w:p>)" + note +
                                    "</w:p></w:footnote></w:footnotes>");
  zip.add("word/document.xml",
          "<?xml version=\"1.0\"?><w:document><w:body>" + body + "</w:body></w:document>");
  return zip;
}

std::string paragraph(const std::string& text, const std::string& properties = "") {
  return "<w:p><w:pPr>" + properties + "</w:pPr><w:r><w:t xml:space=\"preserve\">" + text +
         "</w:t></w:r></w:p>";
}

std::string style(const std::string& id) {
  return "<w:pStyle w:val=\"" + id + "\"/>";
}

TEST(Docx, ReadsStructure) {
  const std::string body =
      paragraph("Contents 3", style("TOC1")) + paragraph("Eins", style("berschrift1")) +
      "<w:p><w:r><w:t>Some </w:t></w:r><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
      "<w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:r><w:rPr><w:vanish/></w:rPr><w:t>hid</w:t></w:r>"
      "<w:r><w:t xml:space=\"preserve\"> text</w:t><w:footnoteReference w:id=\"2\"/></w:r>"
      "<w:hyperlink r:id=\"x\"><w:r><w:t xml:space=\"preserve\"> and a link</w:t></w:r>"
      "</w:hyperlink></w:p>" +
      paragraph("Tiefer", style("Eigen")) + paragraph("circle", style("Kreis")) +
      paragraph("item", "<w:numPr><w:ilvl w:val=\"1\"/><w:numId w:val=\"3\"/></w:numPr>") +
      "<w:tbl><w:tr><w:tc>" + paragraph("a") + "</w:tc><w:tc>" + paragraph("b") + paragraph("c") +
      "</w:tc></w:tr><w:tr><w:tc><w:tbl><w:tr><w:tc>" + paragraph("x") + "</w:tc><w:tc>" +
      paragraph("y") + "</w:tc></w:tr></w:tbl></w:tc><w:tc>" + paragraph("d") +
      "</w:tc></w:tr></w:tbl>"
      "<w:p><w:r><mc:AlternateContent><mc:Choice><w:drawing><w:txbxContent>" +
      paragraph("boxed") +
      "</w:txbxContent></w:drawing></mc:Choice><mc:Fallback><w:pict><w:txbxContent>" +
      paragraph("boxed") +
      "</w:txbxContent></w:pict></mc:Fallback></mc:AlternateContent><w:t>anchor</w:t></w:r></w:p>";
  const auto output = run_worker("office", "docx", docx(body).bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.title, "The & Title");
  EXPECT_EQ(output->document.language, "de");
  EXPECT_EQ(metadata_of(output->document, "author"), "Zoë");
  EXPECT_EQ(metadata_of(output->document, "date"), "2024-05-01T10:00:00Z");
  EXPECT_EQ(outline(output->document),
            "h1: Eins\n"
            "p: Some new text and a link\n"
            "p: A note.\n"
            "h3: Tiefer\n"
            "p: circle\n"
            "li2: item\n"
            "row: a | b c\n"
            "row: x | y | d\n"
            "p: anchor\n"
            "p: boxed\n");
  EXPECT_NE(output->document.text.find("a | b c\nx | y | d\n\nanchor\n\nboxed"), std::string::npos);
}

TEST(Docx, LinksAreRead) {
  const std::string run = "<w:r><w:t xml:space=\"preserve\">";
  const std::string end = "</w:t></w:r>";
  const auto field = [&](const std::string& code, const std::string& text) {
    return "<w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText> " + code +
           " </w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>" + run + text +
           end + "<w:r><w:fldChar w:fldCharType=\"end\"/></w:r>";
  };
  const std::string body =
      "<w:p><w:pPr>" + style("berschrift1") + "</w:pPr><w:hyperlink r:id=\"h1\">" + run + "Head" +
      end + "</w:hyperlink></w:p><w:p>" + run + "See " + end + "<w:hyperlink r:id=\"h1\">" + run +
      " the " + end + run + "site" + end + "</w:hyperlink>" +
      field("HYPERLINK &quot;other.docx&quot; \\o &quot;tip&quot;", "that file") +
      field("HYPERLINK \\l &quot;mark&quot;", "here") + field("PAGE", "7") +
      "<w:hyperlink w:anchor=\"a\">" + run + " inside" + end +
      "</w:hyperlink><w:r><w:footnoteReference w:id=\"2\"/></w:r></w:p><w:tbl><w:tr><w:tc>" +
      paragraph("a") + "</w:tc><w:tc><w:p><w:hyperlink r:id=\"h2\">" + run + "cell" + end +
      "</w:hyperlink></w:p></w:tc></w:tr></w:tbl>";
  const auto leads = [](const std::string& id, const std::string& target) {
    return "<Relationship Id=\"" + id + "\" TargetMode=\"External\" Target=\"" + target + "\"/>";
  };
  const TestZip zip = docx(
      body, leads("h1", "https://example.org/a") + leads("h2", "../b.xlsx") + leads("n", "n.html"),
      "<w:hyperlink r:id=\"n\">" + run + "note" + end + "</w:hyperlink>");
  const auto output = run_worker("office", "docx", zip.bytes());
  ASSERT_TRUE(output.has_value()) << output.error().message();
  EXPECT_EQ(outline(output->document),
            "h1: Head\np: See  the sitethat filehere7 inside\np: note\nrow: a | cell\n");
  EXPECT_EQ(
      links_of(output->document),
      (std::vector<std::string>{"Head -> https://example.org/a", "the  -> https://example.org/a",
                                "that -> other.docx", "note -> n.html", "cell -> ../b.xlsx"}));
}

TEST(Docx, FractionsAndTabsPartTheirSides) {
  const std::string body =
      "<w:p><w:r><w:t>a</w:t><w:ptab/><w:t>b "
      "</w:t></w:r><m:oMath><m:f><m:num><m:r><m:t>x</m:t></m:r>"
      "</m:num><m:den><m:r><m:t>y</m:t></m:r></m:den></m:f></m:oMath></w:p>";
  const auto output = run_worker("office", "docx", docx(body).bytes());
  ASSERT_TRUE(output.has_value());
  EXPECT_EQ(outline(output->document), "p: a\tb x/y\n");
}

TEST(Docx, Utf16PartsAreRead) {
  const std::string xml = "<w:document><w:body>" + paragraph("plain") + "</w:body></w:document>";
  std::string wide = "\xFF\xFE";
  for (const char c : xml) {
    wide += c;
    wide += '\0';
  }
  const auto output =
      run_worker("office", "docx", TestZip().add("word/document.xml", wide).bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "p: plain\n");
}

TEST(Docx, DamagedFilesSayWhatIsWrong) {
  EXPECT_EQ(failure_of(run_worker("office", "docx", "")), ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("office", "docx", "just some text")), ErrorCode::damaged);
  const std::string whole = docx(paragraph("x")).bytes();
  for (const size_t size : {size_t{4}, size_t{60}, whole.size() / 2, whole.size() - 10}) {
    EXPECT_EQ(failure_of(run_worker("office", "docx", whole.substr(0, size))), ErrorCode::damaged);
  }
  const auto cut = run_worker("office", "docx",
                              TestZip().add("word/document.xml", "<w:document><w:body>").bytes());
  EXPECT_EQ(failure_of(cut), ErrorCode::damaged);
  EXPECT_NE(cut.error().message().find("ends inside <w:body>"), std::string::npos);
  // A spreadsheet under the name of a text document.
  EXPECT_EQ(failure_of(run_worker("office", "docx",
                                  TestZip().add("xl/workbook.xml", "<workbook/>").bytes())),
            ErrorCode::damaged);
}

TEST(Docx, WrongChecksumIsDamaged) {
  TestZip zip;
  const std::string xml = "<w:document><w:body/></w:document>";
  zip.add_raw("word/document.xml", xml, static_cast<uint32_t>(xml.size()), 1234, 0, 0);
  EXPECT_EQ(failure_of(run_worker("office", "docx", zip.bytes())), ErrorCode::damaged);
}

TEST(Docx, EncryptedFilesAreNamedSo) {
  std::string ole = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1" + std::string(600, '\0');
  EXPECT_EQ(failure_of(run_worker("office", "docx", ole)), ErrorCode::unsupported);
  for (const char c : std::string("EncryptedPackage")) {
    ole += c;
    ole += '\0';
  }
  EXPECT_EQ(failure_of(run_worker("office", "docx", ole)), ErrorCode::encrypted);
  TestZip zip;
  zip.add_raw("word/document.xml", std::string(40, 'x'), 28, 77, 0, 1);
  EXPECT_EQ(failure_of(run_worker("office", "docx", zip.bytes())), ErrorCode::encrypted);
}

TEST(Docx, DeepNestingIsBounded) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<w:sdt>";
  EXPECT_EQ(failure_of(run_worker("office", "docx", docx(deep).bytes())), ErrorCode::too_large);
  // Tables in tables in tables, within the bound.
  std::string tables;
  for (int i = 0; i < 3'000; ++i) tables += "<w:tbl><w:tr><w:tc>";
  tables += paragraph("core");
  for (int i = 0; i < 3'000; ++i) tables += "</w:tc></w:tr></w:tbl>";
  const auto output = run_worker("office", "docx", docx(tables).bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "p: core\n");
}

TEST(Docx, EntitiesDoNotExplode) {
  std::string xml = "<!DOCTYPE d [<!ENTITY a0 \"" + std::string(1'000, 'a') + "\">";
  for (int i = 1; i < 10; ++i) {
    xml += "<!ENTITY a" + std::to_string(i) + " \"";
    for (int j = 0; j < 10; ++j) xml += "&a" + std::to_string(i - 1) + ";";
    xml += "\">";
  }
  xml += "<!ENTITY f SYSTEM \"file:///etc/passwd\">]><w:document><w:body><w:p><w:r><w:t>&a9; &f;";
  const std::string end = "</w:t></w:r></w:p></w:body></w:document>";
  const auto output =
      run_worker("office", "docx", TestZip().add("word/document.xml", xml + end).bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.text, "&a9; &f;");
  for (int i = 0; i < 20'000; ++i) xml += "&a0;";
  EXPECT_EQ(failure_of(run_worker("office", "docx",
                                  TestZip().add("word/document.xml", xml + end).bytes())),
            ErrorCode::too_large);
}

// A deflate stream of zeros that grows 1,032 times: one dynamic Huffman block whose code gives the
// longest match one bit and its distance another.
std::string deflate_zeros(int mebibytes) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  const auto put = [&](uint32_t value, int width) {  // least significant bit first
    for (int i = 0; i < width; ++i) {
      bits |= ((value >> i) & 1) << count;
      if (++count == 8) {
        out += static_cast<char>(bits);
        bits = 0;
        count = 0;
      }
    }
  };
  put(1, 1);   // the last block
  put(2, 2);   // dynamic Huffman
  put(29, 5);  // 286 literals and lengths
  put(0, 5);   // 1 distance
  put(14, 4);  // 18 code length codes: symbol 18 in one bit, 2 and 1 in two
  for (const uint32_t length : {0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2})
    put(length, 3);
  const auto zeros = [&](uint32_t run) {
    put(0, 1);
    put(run - 11, 7);
  };
  put(3, 2);  // literal 0: two bits
  zeros(138);
  zeros(117);
  put(3, 2);  // end of block: two bits
  zeros(28);
  put(1, 2);  // length 258: one bit
  put(1, 2);  // distance 1: one bit
  put(1, 2);  // the literal
  const int64_t matches = (static_cast<int64_t>(mebibytes) << 20) / 258;
  for (int64_t i = 0; i < matches; ++i) put(0, 2);
  put(3, 2);
  if (count > 0) put(0, 8 - count);
  return out;
}

TEST(Docx, BombsAreTooLarge) {
  const std::string packed = deflate_zeros(200);
  const auto truthful = (uint32_t{200} << 20) / 258 * 258 + 1;
  TestZip honest;
  honest.add_raw("word/document.xml", packed, truthful, 0, 8, 0);
  EXPECT_EQ(failure_of(run_worker("office", "docx", honest.bytes())), ErrorCode::too_large);
  TestZip huge;
  huge.add_raw("word/document.xml", packed, 0xFFFFFF00, 0, 8, 0);
  EXPECT_EQ(failure_of(run_worker("office", "docx", huge.bytes())), ErrorCode::too_large);
  // Declares 100 bytes and expands to 200 MiB: stopped at what it declares or at the bound.
  TestZip liar;
  liar.add_raw("word/document.xml", packed, 100, 0, 8, 0);
  const ErrorCode code = failure_of(run_worker("office", "docx", liar.bytes()));
  EXPECT_TRUE(code == ErrorCode::too_large || code == ErrorCode::damaged) << error_code_name(code);
}

TEST(Pptx, ReadsSlidesInOrder) {
  const auto shape = [](const std::string& placeholder, const std::string& text) {
    return "<p:sp><p:nvSpPr><p:nvPr>" + placeholder + "</p:nvPr></p:nvSpPr><p:txBody>" + text +
           "</p:txBody></p:sp>";
  };
  const auto slide = [](const std::string& shapes) {
    return "<p:sld><p:cSld><p:spTree>" + shapes + "</p:spTree></p:cSld></p:sld>";
  };
  TestZip zip;
  zip.add("_rels/.rels", root_rels("ppt/presentation.xml"));
  zip.add("ppt/presentation.xml",
          "<p:presentation><p:sldIdLst><p:sldId id=\"256\" r:id=\"rId9\"/>"
          "<p:sldId id=\"257\" r:id=\"rId8\"/></p:sldIdLst></p:presentation>");
  zip.add("ppt/_rels/presentation.xml.rels",
          "<Relationships><Relationship Id=\"rId8\" Type=\"t/slide\" Target=\"slides/slide1.xml\"/>"
          "<Relationship Id=\"rId9\" Type=\"t/slide\" Target=\"/ppt/slides/slide2.xml\"/>"
          "</Relationships>");
  zip.add("ppt/slides/slide2.xml",
          slide(shape("<p:ph type=\"body\" idx=\"1\"/>",
                      "<a:p><a:r><a:t>point</a:t></a:r></a:p><a:p><a:pPr lvl=\"1\"/><a:r>"
                      "<a:t>sub</a:t></a:r></a:p>") +
                shape("<p:ph type=\"title\"/>", "<a:p><a:r><a:t>First</a:t></a:r></a:p>") +
                shape("<p:ph type=\"sldNum\"/>",
                      "<a:p><a:fld type=\"slidenum\"><a:t>1</a:t>"
                      "</a:fld></a:p>")));
  zip.add("ppt/slides/slide1.xml",
          slide(shape("", "<a:p><a:r><a:t>free</a:t></a:r></a:p>") +
                "<p:graphicFrame><a:tbl><a:tr><a:tc><a:txBody><a:p><a:r><a:t>x</a:t></a:r></a:p>"
                "</a:txBody></a:tc><a:tc><a:txBody><a:p><a:r><a:t>y</a:t></a:r></a:p></a:txBody>"
                "</a:tc></a:tr></a:tbl></p:graphicFrame>"));
  zip.add("ppt/slides/_rels/slide2.xml.rels",
          "<Relationships><Relationship Id=\"n\" Type=\"t/notesSlide\" "
          "Target=\"../notesSlides/n1.xml\"/></Relationships>");
  zip.add("ppt/notesSlides/n1.xml",
          slide(shape("<p:ph type=\"body\"/>", "<a:p><a:r><a:t>Say this.</a:t></a:r></a:p>")));
  const auto output = run_worker("office", "pptx", zip.bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.title, "First");
  EXPECT_EQ(outline(output->document),
            "h1@1: First\nli1@1: point\nli2@1: sub\np@1: Say this.\np@2: free\nrow@2: x | y\n");
}

TEST(Pptx, LinksAreRead) {
  TestZip zip;
  zip.add("_rels/.rels", root_rels("ppt/presentation.xml"));
  zip.add("ppt/presentation.xml", "<p:presentation><p:sldId r:id=\"s\"/></p:presentation>");
  zip.add("ppt/_rels/presentation.xml.rels",
          "<Relationships><Relationship Id=\"s\" Type=\"t/slide\" Target=\"slide1.xml\"/>"
          "</Relationships>");
  zip.add("ppt/slide1.xml",
          "<p:sld><p:sp><p:txBody><a:p><a:r><a:t>See </a:t></a:r><a:r><a:rPr><a:hlinkClick "
          "r:id=\"h\"/></a:rPr><a:t> this</a:t></a:r><a:r><a:t> too</a:t></a:r></a:p></p:txBody>"
          "</p:sp></p:sld>");
  zip.add("ppt/_rels/slide1.xml.rels",
          "<Relationships><Relationship Id=\"h\" TargetMode=\"External\" "
          "Target=\"https://example.org/\"/></Relationships>");
  const auto output = run_worker("office", "pptx", zip.bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "p@1: See  this too\n");
  EXPECT_EQ(links_of(output->document), std::vector<std::string>{"this -> https://example.org/"});
}

TEST(Pptx, MissingSlideIsDamaged) {
  TestZip zip;
  zip.add("ppt/presentation.xml", "<p:presentation><p:sldId r:id=\"a\"/></p:presentation>");
  EXPECT_EQ(failure_of(run_worker("office", "pptx", zip.bytes())), ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("office", "pptx", "PK\x03\x04")), ErrorCode::damaged);
}

TestZip xlsx(const std::string& rows, const std::string& strings) {
  TestZip zip;
  zip.add("_rels/.rels", root_rels("xl/workbook.xml"));
  zip.add("xl/workbook.xml",
          "<workbook><sheets><sheet name=\"Sales\" r:id=\"s1\"/></sheets></workbook>");
  zip.add(
      "xl/_rels/workbook.xml.rels",
      "<Relationships><Relationship Id=\"s1\" Type=\"t/worksheet\" Target=\"worksheets/a.xml\"/>"
      "<Relationship Id=\"s2\" Type=\"t/sharedStrings\" Target=\"sharedStrings.xml\"/>"
      "<Relationship Id=\"s3\" Type=\"t/styles\" Target=\"styles.xml\"/></Relationships>");
  zip.add("xl/sharedStrings.xml", "<sst>" + strings + "</sst>");
  zip.add("xl/styles.xml",
          "<styleSheet><numFmts><numFmt numFmtId=\"170\" formatCode=\"yyyy\\-mm\\-dd hh:mm\"/>"
          "</numFmts><cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs><cellXfs><xf "
          "numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"170\"/><xf numFmtId=\"9\"/><xf "
          "numFmtId=\"21\"/></cellXfs></styleSheet>");
  zip.add("xl/worksheets/a.xml", "<worksheet><sheetData>" + rows + "</sheetData></worksheet>");
  return zip;
}

TEST(Xlsx, ReadsCells) {
  const std::string rows =
      "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"inlineStr\"><is><t>in "
      "line</t></is></c><c r=\"D1\" t=\"s\"><v>1</v></c></row>"
      "<row r=\"2\"><c r=\"A2\"><v>0.30000000000000004</v></c><c r=\"B2\" s=\"1\"><v>45351</v></c>"
      "<c s=\"2\"><v>45351.5</v></c><c s=\"3\"><v>0.25</v></c><c t=\"b\"><v>1</v></c>"
      "<c s=\"4\"><v>0.75</v></c><c t=\"str\"><f>A1&amp;B1</f><v>made</v></c><c t=\"e\">"
      "<v>#DIV/0!</v></c><c t=\"s\"><v>999</v></c></row>"
      "<row r=\"9\"><c r=\"XFD9\"><v>7</v></c></row><row r=\"10\"/>";
  const auto output = run_worker(
      "office", "xlsx",
      xlsx(rows,
           "<si><t>Region</t></si><si><r><t>Ri</t></r><r><t>ch</t></r><rPh><t>no</t></rPh></si>")
          .bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document),
            "h1: Sales\n"
            "row: Region | in line | | Rich\n"
            "row: 0.3 | 2024-02-29 | 2024-02-29 12:00 | 25% | TRUE | 18:00 | made | #DIV/0!\n"
            "row: | | | | | | | | | | | | | | | | 7\n");
}

// Each string is found by its place, whatever the workbook claims for a place.
TEST(Xlsx, NumbersWithExponentsAreWrittenAsPeopleSeeThem) {
  const auto output = run_worker("office", "xlsx",
                                 xlsx("<row><c><v>1E-3</v></c><c><v>2.5E+20</v></c><c><v>7</v></c>"
                                      "</row>",
                                      "")
                                     .bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "h1: Sales\nrow: 0.001 | 2.5e+20 | 7\n");
}

TEST(Xlsx, SharedStringsAreFoundByTheirPlace) {
  std::string strings, rows;
  constexpr size_t kStrings = 20'000;
  for (size_t i = 0; i < kStrings; ++i) strings += "<si><t>n" + std::to_string(i) + "</t></si>";
  for (size_t i = 0; i < kStrings; i += 9'999)
    rows += "<row><c t=\"s\"><v>" + std::to_string(i) + "</v></c></row>";
  for (const char* place :
       {"-1", "18446744073709551615", "18446744073709551616", "20000", "x", "", "1x", "1.0"})
    rows += "<row><c t=\"s\"><v>" + std::string(place) + "</v></c></row>";
  rows += "<row><c t=\"s\"><v> 3 </v></c></row>";
  const auto output = run_worker("office", "xlsx", xlsx(rows, strings).bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "h1: Sales\nrow: n0\nrow: n9999\nrow: n19998\nrow: n3\n");
}

TEST(Xlsx, RepeatedLongStringsAreBounded) {
  std::string rows;
  for (int i = 0; i < 400; ++i) {
    rows += "<row>";
    for (int j = 0; j < 10; ++j) rows += "<c t=\"s\"><v>0</v></c>";
    rows += "</row>";
  }
  const std::string strings = "<si><t>" + std::string(100'000, 'a') + "</t></si>";
  EXPECT_EQ(failure_of(run_worker("office", "xlsx", xlsx(rows, strings).bytes())),
            ErrorCode::too_large);
}

TEST(Xlsx, BinaryWorkbookIsUnsupported) {
  TestZip zip;
  zip.add("_rels/.rels", root_rels("xl/workbook.bin"));
  zip.add("xl/workbook.bin", "\x83\x01");
  EXPECT_EQ(failure_of(run_worker("office", "xlsx", zip.bytes())), ErrorCode::unsupported);
}

TestZip odf(const std::string& body) {
  TestZip zip;
  zip.add("content.xml",
          "<office:document-content><office:automatic-styles><style:style style:name=\"P1\" "
          "style:parent-style-name=\"Quotations\"/></office:automatic-styles><office:body>" +
              body + "</office:body></office:document-content>");
  zip.add("meta.xml",
          "<office:document-meta><office:meta><dc:title>Meta title</dc:title>"
          "<meta:initial-creator>Ann</meta:initial-creator></office:meta></office:document-meta>");
  return zip;
}

TEST(OpenDocument, ReadsText) {
  const auto output = run_worker(
      "office", "odt",
      odf("<office:text><text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
          "<text:h text:outline-level=\"2\">Head</text:h><text:p>a\n  b<text:s text:c=\"2\"/>c"
          "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Note."
          "</text:p></text:note-body></text:note> end</text:p><text:p text:style-name=\"P1\">said"
          "</text:p><text:list><text:list-item><text:p>one</text:p><text:list><text:list-item>"
          "<text:p>two</text:p></text:list-item></text:list></text:list-item></text:list>"
          "<table:table><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell>"
          "<table:table-cell><text:p>y</text:p></table:table-cell></table:table-row></table:table>"
          "</office:text>")
          .bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.title, "Meta title");
  EXPECT_EQ(metadata_of(output->document, "author"), "Ann");
  EXPECT_EQ(outline(output->document),
            "h2: Head\np: a b  c end\np: Note.\nquote: said\nli1: one\nli2: two\nrow: x | y\n");
}

TEST(OpenDocument, LinksAreRead) {
  const std::string link = "<text:a xlink:href=\"";
  const auto output = run_worker(
      "office", "odt",
      odf("<office:text><text:h>" + link +
          "https://example.org/\">Head</text:a></text:h><text:p>See " + link +
          "../a/b.odt#x\"> that <text:span>file</text:span></text:a>, " + link +
          "#part\">part</text:a> or " + link +
          "Pictures/a.png\">picture</text:a>.</text:p>"
          "<table:table><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell>"
          "<table:table-cell><text:p>" +
          link +
          "https://x.org/\">cell</text:a></text:p>"
          "</table:table-cell></table:table-row></table:table></office:text>")
          .bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document),
            "h1: Head\np: See that file, part or picture.\nrow: x | cell\n");
  EXPECT_EQ(links_of(output->document),
            (std::vector<std::string>{"Head -> https://example.org/", "that -> a/b.odt",
                                      "cell -> https://x.org/"}));
}

TEST(OpenDocument, RepeatedCellsAreBounded) {
  const auto output =
      run_worker("office", "ods",
                 odf("<office:spreadsheet><table:table table:name=\"S\"><table:table-row "
                     "table:number-rows-repeated=\"1000000\"><table:table-cell "
                     "table:number-columns-repeated=\"16384\"/></table:table-row><table:table-row>"
                     "<table:table-cell office:value=\"3\" table:number-columns-repeated=\"2\"/>"
                     "<table:table-cell><text:p>x</text:p></table:table-cell></table:table-row>"
                     "</table:table></office:spreadsheet>")
                     .bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "h1: S\nrow: 3 | 3 | x\n");
}

TEST(OpenDocument, ReadsSlides) {
  const auto output = run_worker(
      "office", "odp",
      odf("<office:presentation><draw:page><draw:frame presentation:class=\"title\"><draw:text-box>"
          "<text:p>T1</text:p></draw:text-box></draw:frame></draw:page><draw:page><draw:frame>"
          "<draw:text-box><text:p>free</text:p></draw:text-box></draw:frame></draw:page>"
          "</office:presentation>")
          .bytes());
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "h1@1: T1\np@2: free\n");
}

TEST(OpenDocument, EncryptedAndDamaged) {
  TestZip zip = odf("<office:text/>");
  zip.add("META-INF/manifest.xml",
          "<manifest:manifest><manifest:file-entry><manifest:encryption-data/>"
          "</manifest:file-entry></manifest:manifest>");
  EXPECT_EQ(failure_of(run_worker("office", "odt", zip.bytes())), ErrorCode::encrypted);
  EXPECT_EQ(failure_of(run_worker("office", "odt", TestZip().add("a", "b").bytes())),
            ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("office", "odt", odf("<office:text>").bytes())),
            ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("office", "abc", odf("").bytes())), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace headrace
