#include "base/unicode.h"

#include <gtest/gtest.h>

#include <string>

#include "base/utf8.h"

namespace headrace::unicode {
namespace {

TEST(Unicode, KnowsCategories) {
  EXPECT_FALSE(version().empty());
  EXPECT_EQ(category('A'), Category::Lu);
  EXPECT_EQ(category(0x301), Category::Mn);
  EXPECT_EQ(category(0x10FFFF), Category::Cn);
  EXPECT_EQ(category(0xFFFFFFFF), Category::Cn);
  EXPECT_TRUE(is_letter(0x4E2D));
  EXPECT_TRUE(is_mark(0x903));
  EXPECT_TRUE(is_number(0xBD));
  EXPECT_FALSE(is_decimal_digit(0xBD));
  EXPECT_TRUE(is_decimal_digit(0x663));
  EXPECT_TRUE(is_punctuation('!'));
  EXPECT_FALSE(is_punctuation('$'));
  EXPECT_TRUE(is_symbol('$'));
  EXPECT_TRUE(is_white_space(0x3000));
  EXPECT_TRUE(is_white_space('\n'));
  EXPECT_FALSE(is_white_space(0x1F));
  EXPECT_FALSE(is_white_space(0x200B));
  EXPECT_TRUE(is_control('\t'));
  EXPECT_TRUE(is_upper(0x410));
  EXPECT_TRUE(is_cjk_ideograph(0x20000));
  EXPECT_FALSE(is_cjk_ideograph(0x3042));
  EXPECT_TRUE(is_unspaced_script(0x3042));
  EXPECT_TRUE(is_unspaced_script(0xE01));
  EXPECT_FALSE(is_unspaced_script(0xAC00));
  for (const char32_t c : {0x1100, 0x3042, 0x4E2D, 0xAC00, 0xFF21, 0x1F600, 0x20000})
    EXPECT_TRUE(is_wide(c)) << std::hex << static_cast<uint32_t>(c);
  for (const char32_t c : {U'a', U'é', U'Я', U'·', U'\uFF71', U'\u0301', char32_t{0xFFFFFF}})
    EXPECT_FALSE(is_wide(c)) << std::hex << static_cast<uint32_t>(c);
}

TEST(Unicode, LowersCase) {
  EXPECT_EQ(to_lower("HELLO \xC3\x84\xD0\x99 42"), "hello \xC3\xA4\xD0\xB9 42");
  EXPECT_EQ(to_lower("\xC4\xB0"), "i\xCC\x87");
  EXPECT_EQ(to_lower("\xCE\xA3"), "\xCF\x83");
  EXPECT_EQ(to_lower("\xFF"), "\xEF\xBF\xBD");
}

TEST(Unicode, Normalizes) {
  // ö, ﬁ, ㎏, a syllable, and marks that sort.
  EXPECT_EQ(to_nfd("x\xC3\xB6"), "xo\xCC\x88");
  EXPECT_EQ(to_nfc("xo\xCC\x88y"), "x\xC3\xB6y");
  EXPECT_EQ(to_nfc("o\xCC\x88\xCC\xA3"), "\xE1\xBB\x8D\xCC\x88");
  EXPECT_EQ(to_nfkc("\xEF\xAC\x81 \xE3\x8E\x8F"), "fi kg");
  EXPECT_EQ(to_nfkd("\xEF\xAC\x81"), "fi");
  EXPECT_EQ(to_nfd("\xED\x95\x9C"), "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB");
  EXPECT_EQ(to_nfc("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB"), "\xED\x95\x9C");
  EXPECT_EQ(to_nfc("\xE2\x84\xAB"), "\xC3\x85");  // a singleton
  EXPECT_EQ(to_nfc("plain"), "plain");
  EXPECT_EQ(to_nfc(""), "");
  EXPECT_EQ(to_nfc("a\xFF"), "a\xEF\xBF\xBD");
}

// For every code point: forms are stable, and composing the decomposition gives the form back.
TEST(Unicode, NormalFormsAreConsistent) {
  for (char32_t c = 0; c <= kCodePointMax; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text = "a";
    append_code_point(c, text);
    const std::string nfc = to_nfc(text);
    const std::string nfd = to_nfd(text);
    ASSERT_EQ(to_nfc(nfd), nfc) << std::hex << static_cast<uint32_t>(c);
    ASSERT_EQ(to_nfd(nfc), nfd) << std::hex << static_cast<uint32_t>(c);
    ASSERT_EQ(to_nfc(nfc), nfc);
    char32_t parts[kDecompositionMax];
    ASSERT_LE(decompose(c, true, parts), kDecompositionMax);
  }
}

TEST(Unicode, SortsLongRunsOfMarks) {
  std::string text = "a";
  for (int i = 0; i < 100'000; ++i) text += i % 2 ? "\xCC\x81" : "\xCC\xA3";
  const std::string nfd = to_nfd(text);
  EXPECT_EQ(nfd.size(), text.size());
  EXPECT_EQ(nfd.substr(0, 5), "a\xCC\xA3\xCC\xA3");
}

}  // namespace
}  // namespace headrace::unicode
