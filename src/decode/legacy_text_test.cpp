// Text in the encodings of before Unicode, through the real worker.
#include <gtest/gtest.h>

#include <string>

#include "decode/test_worker.h"

namespace headrace {
namespace {

TEST(LegacyText, HintDecides) {
  const auto output = run_worker("legacy_text", "koi8-r", "\xF0\xD2\xC9\xD7\xC5\xD4\r\nx\ry");
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->text, "Привет\nx\ny");
}

TEST(LegacyText, WrongOrUnknownHintIsOverruled) {
  // "日本語の文章です。" three times, in Shift-JIS.
  std::string bytes;
  for (int i = 0; i < 3; ++i) {
    bytes += "\x93\xFA\x96\x7B\x8C\xEA\x82\xCC\x95\xB6\x8F\xCD\x82\xC5\x82\xB7\x81\x42";
  }
  for (const char* hint : {"", "no-such-charset", "utf-8", "Shift_JIS"}) {
    const auto output = run_worker("legacy_text", hint, bytes);
    ASSERT_TRUE(output) << output.error().text();
    EXPECT_EQ(output->text, "日本語の文章です。日本語の文章です。日本語の文章です。") << hint;
  }
}

TEST(LegacyText, AnyBytesBecomeText) {
  EXPECT_EQ(run_worker("legacy_text", "", "")->text, "");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (const char* hint : {"", "windows-1252", "iso-2022-jp", "gb18030", "big5", "utf-7"}) {
    const auto output = run_worker("legacy_text", hint, all + all);
    ASSERT_TRUE(output) << output.error().text();
    EXPECT_TRUE(is_valid_utf8(output->text)) << hint;
    EXPECT_EQ(output->text.find('\0'), std::string::npos) << hint;
    EXPECT_EQ(output->text.find('\r'), std::string::npos) << hint;
  }
}

TEST(LegacyText, HtmlInLegacyEncoding) {
  const auto output =
      run_worker("html_legacy", "windows-1251", "<html><body><p>\xCF\xF0\xE8</p></body></html>");
  ASSERT_TRUE(output) << output.error().text();
  EXPECT_EQ(output->document.text, "При");
}

}  // namespace
}  // namespace headrace
