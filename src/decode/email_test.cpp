// E-mail through the real worker.
#include <gtest/gtest.h>

#include <string>

#include "decode/test_worker.h"

namespace headrace {
namespace {

TEST(Email, ReadsHeadersAndText) {
  const auto output = run_worker(
      "email", "",
      "Received: from x\r\nSubject: =?utf-8?q?Gr=C3=BC=C3?=\r\n =?utf-8?q?=9Fe_aus_?= "
      "=?iso-8859-1?b?S/ZsbiE=?= end\r\nFrom: =?koi8-r?B?8NLJ?= <p@example.org>\r\nTo: a@b.c,\r\n"
      " d@e.f\r\nDate: Tue, 1 Jul 2003 10:52:37 +0200 (CEST)\r\nContent-Type: text/plain; "
      "charset=\"ISO-8859-1\"; format=flowed\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
      "Hallo J=FCrgen, das =\r\nist \r\nein Satz.\r\n\r\n> zitiert\r\n> weiter\r\nEnde\r\n");
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.title, "Grüße aus Köln! end");
  EXPECT_EQ(metadata_of(output->document, "from"), "При <p@example.org>");
  EXPECT_EQ(metadata_of(output->document, "to"), "a@b.c, d@e.f");
  EXPECT_EQ(metadata_of(output->document, "date"), "2003-07-01T10:52:37+02:00");
  EXPECT_EQ(outline(output->document),
            "h1: Grüße aus Köln! end\np: Hallo Jürgen, das ist ein Satz.\n"
            "quote: zitiert\nweiter\np: Ende\n");
}

constexpr std::string_view kMixed =
    "Subject: Parts\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"out er\"\n\n"
    "preamble\n--out er\nContent-Type: multipart/alternative; boundary=in\n\n--in\n"
    "Content-Type: text/plain; charset=utf-8\n\nThe plain form of the text.\n--in\n"
    "Content-Type: text/html\n\n<p>The <b>HTML</b> form of the text.</p>\n--in--\n"
    "--out er\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n"
    "Content-Disposition: attachment;\n filename*0*=utf-8''%C3%9Cber;\n "
    "filename*1=\"sicht.pdf\"\n\n"
    "JVBERi0x\nLjQ=\n--out er\nContent-Type: text/plain; name=\"../../etc/notes.txt\"\n\nattached\n"
    "--out er\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner text\n"
    "--out er\nContent-Type: image/png\n\nlogo\n--out er\nContent-Type: text/plain\n\n"
    "A footer.\n--out er--\nepilogue\n";

TEST(Email, ReadsPartsAndAttachments) {
  const auto output = run_worker("email", "", kMixed);
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document), "h1: Parts\np: The plain form of the text.\np: A footer.\n");
  ASSERT_EQ(output->members.size(), 3U);
  EXPECT_EQ(output->members[0].name, "Übersicht.pdf");
  EXPECT_EQ(output->members[0].bytes, "%PDF-1.4");
  EXPECT_EQ(output->members[1].name, "notes.txt");
  EXPECT_EQ(output->members[1].bytes, "attached");
  EXPECT_EQ(output->members[2].name, "message.eml");
  EXPECT_EQ(output->members[2].bytes, "Subject: inner\n\ninner text");
}

TEST(Email, HtmlWhenThePlainFormIsAStub) {
  const auto output = run_worker(
      "email", "",
      "Subject: s\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\nSee HTML\n--b\n"
      "Content-Type: text/html; charset=windows-1252\n\n<h2>Title</h2><p>A long text about the "
      "price of 5 \x80 that only the HTML form holds.</p>\n--b--\n");
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(outline(output->document),
            "h1: s\nh2: Title\np: A long text about the price of 5 € that only the HTML form "
            "holds.\n");
}

std::string alternatives(const std::string& plain, const std::string& html) {
  return "Subject: s\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\n" + plain +
         "\n--b\nContent-Type: text/html\n\n" + html + "\n--b--\n";
}

TEST(Email, AStubThatIsAsLongAsTheHtmlIsOneAsWell) {
  const auto text = [](const std::string& plain, const std::string& html) {
    const auto output = run_worker("email", "", alternatives(plain, html));
    return output ? output->document.text : output.error().text();
  };
  const std::string stub =
      "Your mail client does not support HTML. Please look at this message in a browser: "
      "https://mail.example.org/view?id=0123456789abcdef0123456789abcdef";
  const std::string invoice = "<p>Invoice 4711 over 250 euros is due on the first of May.</p>";
  EXPECT_NE(text(stub, invoice).find("4711"), std::string::npos) << text(stub, invoice);
  EXPECT_EQ(text(stub, invoice).find("does not support"), std::string::npos);
  // What says the same in other words, or more, stays.
  const std::string own = "Hello Ann,\nthe invoice 4711 over 250 euros is due on May 1st.\nBob";
  EXPECT_NE(text(own, invoice).find("Hello Ann"), std::string::npos);
  const std::string true_text =
      "We do not support HTML mail in our client. The rest is a true text about deliveries: 4711 "
      "parcels "
      "went out on Monday, 12 came back, and the keys lie below the mat at number nine. Tell Anna.";
  EXPECT_NE(text(true_text, "<p>short</p>").find("parcels"), std::string::npos);
  std::string long_text;
  for (int i = 0; i < 100; ++i) long_text += "Line " + std::to_string(i) + " of a long report.\n";
  EXPECT_NE(text(long_text, invoice).find("Line 99"), std::string::npos);
}

TEST(Email, MboxGivesItsMessages) {
  const auto output = run_worker("email", "",
                                 "From a@b Mon Jan 1\nSubject: one\n\ntext\nFrom here on text\n\n"
                                 "From c@d Mon Jan 1\nSubject: two\n\nmore\n");
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_TRUE(output->document.text.empty());
  ASSERT_EQ(output->members.size(), 2U);
  EXPECT_EQ(output->members[1].name, "000002.eml");
  EXPECT_EQ(output->members[1].bytes, "Subject: two\n\nmore\n");
}

TEST(Email, TruncatedMailKeepsWhatIsThere) {
  for (size_t size = 20; size < kMixed.size(); size += 11) {
    const auto output = run_worker("email", "", kMixed.substr(0, size));
    if (!output) {
      EXPECT_EQ(output.error().code(), ErrorCode::damaged) << size;
    }
  }
}

TEST(Email, FailuresSayWhy) {
  EXPECT_EQ(failure_of(run_worker("email", "", "")), ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("email", "", "no header\n\nat all")), ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("email", "", "Subject: x\nContent-Type: multipart/mixed\n\nx")),
            ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("email", "",
                                  "Subject: x\nContent-Type: application/pkcs7-mime; "
                                  "smime-type=enveloped-data; name=smime.p7m\n\nMIIB")),
            ErrorCode::encrypted);
}

TEST(Email, DeepNestingIsBounded) {
  std::string deep = "Subject: x\n";
  for (int i = 0; i < 200; ++i) {
    const std::string mark = "b" + std::to_string(i);
    deep += "Content-Type: multipart/mixed; boundary=" + mark + "\n\n--" + mark + "\n";
  }
  EXPECT_EQ(failure_of(run_worker("email", "", deep + "\n\ntext")), ErrorCode::too_large);
  std::string wide = "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n";
  for (int i = 0; i < 100'000; ++i) wide += "--b\n\nx\n";
  const auto output = run_worker("email", "", wide);
  if (!output) {
    EXPECT_EQ(output.error().code(), ErrorCode::too_large);
  }
}

}  // namespace
}  // namespace headrace
