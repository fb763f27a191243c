// What a file is, where its first bytes alone do not say it.
#include "decode/format.h"

#include <gtest/gtest.h>

#include <string>

namespace headrace {
namespace {

TEST(Format, APdfBehindLinesOfTextIsOne) {
  const std::string pdf = "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n";
  const std::string junk = "HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n";
  EXPECT_EQ(detect_format(pdf, "a"), Format::pdf);
  EXPECT_EQ(detect_format(junk + pdf, "a"), Format::pdf);
  EXPECT_EQ(detect_format(std::string(900, ' ') + pdf, "a"), Format::pdf);
  EXPECT_EQ(detect_format("x" + pdf.substr(0, 9) + "% words first\n", "a.pdf"), Format::pdf);
  EXPECT_NE(detect_format(std::string(2000, 'x') + pdf, "a"), Format::pdf);
}

TEST(Format, ATextThatSpeaksOfPdfIsText) {
  EXPECT_EQ(detect_format("A PDF begins with %PDF-1.4\nand a number of objects follow.\n", "a.txt"),
            Format::text);
  EXPECT_EQ(detect_format("if (bytes.startsWith(\"%PDF-\")) return 1;\n", "a.txt"), Format::text);
}

TEST(Format, AMailThatIsNamedOneNeedsFewFields) {
  constexpr std::string_view kMail = "From: a@x\nSubject: Inner\n\nbody\n";
  EXPECT_EQ(detect_format(kMail, "message.eml"), Format::email);
  EXPECT_EQ(detect_format(kMail, "notes"), Format::text);
  EXPECT_EQ(detect_format("Subject: x\n\nbody\n", "message.eml"), Format::text);
}

}  // namespace
}  // namespace headrace
