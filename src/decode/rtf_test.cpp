// RTF through the real worker.
#include <gtest/gtest.h>

#include <string>

#include "decode/test_worker.h"

namespace headrace {
namespace {

std::string rtf(const std::string& body) {
  return "{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0 Arial;}{\\f1\\fcharset204 Times;}"
         "{\\f2\\fcharset128 Mincho;}}{\\stylesheet{\\s0 Normal;}{\\s1\\sbasedon0 heading 1;}"
         "{\\s2\\outlinelevel1 Own;}{\\*\\cs3 Character;}}"
         "{\\info{\\title The T\\'eftle}{\\author Ann}{\\creatim\\yr2021\\mo3\\dy4\\hr5}}" +
         body + "}";
}

TEST(Rtf, ReadsStructure) {
  const auto output = run_worker(
      "rtf", "",
      rtf("\\pard\\s1 Head\\par\\pard\\s2 Sub\\par\\pard Text {\\b bold} \\{x\\}{\\v hidden}"
          "{\\deleted gone}{\\footnote\\pard A note.} end\\line next\\par "
          "{\\listtext 1.\\tab}\\ls1\\ilvl1 item\\par "
          "\\pard\\trowd\\intbl a\\cell b\\par c\\cell\\row\\trowd\\intbl d\\cell e\\cell\\row "
          "\\pard {\\field{\\*\\fldinst HYPERLINK \"u\"}{\\fldrslt link}} last"));
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.title, "The Tïtle");
  EXPECT_EQ(metadata_of(output->document, "author"), "Ann");
  EXPECT_EQ(metadata_of(output->document, "date"), "2021-03-04");
  EXPECT_EQ(outline(output->document),
            "h1: Head\nh2: Sub\np: Text bold {x} end\nnext\np: A note.\nli2: item\n"
            "row: a | b c\nrow: d | e\np: link last\n");
}

TEST(Rtf, ReadsCharacters) {
  const auto output = run_worker(
      "rtf", "",
      rtf("\\'e9\\u8364?{\\f1 \\'cf\\'f0\\'e8}{\\f2 \\'93\\'fa}{\\uc0\\u233}x\\u-10179?\\u-8704?"
          "\\emdash\\~\\'80{\\uc2\\u9731\\'a1\\'a2}!"));
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.text, "é€При日éx😀—\u00A0€☃!");
}

TEST(Rtf, LeavesOutPicturesAndUnknownDestinations) {
  const auto output =
      run_worker("rtf", "",
                 rtf("a{\\pict\\wmetafile8 0102ff}{\\*\\custom secret {nested}}{\\header top}"
                     "{\\*\\bkmkstart b}\\bin4 }}}}c"));
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.text, "ac");
}

TEST(Rtf, DamagedFilesSayWhatIsWrong) {
  EXPECT_EQ(failure_of(run_worker("rtf", "", "")), ErrorCode::damaged);
  EXPECT_EQ(failure_of(run_worker("rtf", "", "plain text")), ErrorCode::damaged);
  const std::string whole = rtf("\\pard Some text\\par");
  for (size_t size = 6; size + 1 < whole.size(); size += 7) {
    EXPECT_EQ(failure_of(run_worker("rtf", "", whole.substr(0, size))), ErrorCode::damaged);
  }
}

TEST(Rtf, HostileGroupsAndNumbers) {
  EXPECT_EQ(failure_of(run_worker("rtf", "", "{\\rtf1" + std::string(100'000, '{'))),
            ErrorCode::too_large);
  const auto output = run_worker(
      "rtf", "",
      rtf("\\bin99999999999999999999 x\\uc-5\\u99999999999 \\ilvl-99\\ls1 y\\outlinelevel-7\\par"));
  EXPECT_EQ(failure_of(output), ErrorCode::damaged);  // the binary data swallow the rest
  const auto odd = run_worker(
      "rtf", "", rtf("\\uc-5\\u99999999999 \\ilvl-99\\ls1 y\\outlinelevel-7\\par\\'zz\\'\\"));
  EXPECT_EQ(failure_of(odd), ErrorCode::damaged);
  const auto fine = run_worker("rtf", "", rtf("\\ilvl-99\\ls1 y\\outlinelevel-7\\par\\cell\\row"));
  ASSERT_TRUE(fine) << fine.error().text();
  EXPECT_EQ(outline(fine->document), "li1: y\n");
}

}  // namespace
}  // namespace headrace
