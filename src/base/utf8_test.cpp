#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace headrace {
namespace {

TEST(Utf8, RoundTripsEveryScalarValue) {
  std::string all;
  size_t count = 0;
  for (char32_t c = 0; c <= kCodePointMax; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string one;
    append_code_point(c, one);
    const CodePoint point = decode_code_point(one, 0);
    ASSERT_TRUE(point.valid);
    ASSERT_EQ(point.value, c);
    ASSERT_EQ(point.length, one.size());
    all += one;
    ++count;
  }
  EXPECT_TRUE(is_valid_utf8(all));
  EXPECT_EQ(count_code_points(all), count);
  EXPECT_EQ(to_valid_utf8(all), all);
}

TEST(Utf8, OneReplacementForEachBadByte) {
  const std::pair<std::string_view, size_t> bad[] = {
      {"\x80", 1},         {"\xC0\x80", 2},         {"\xC1\xBF", 2},         {"\xE0\x80\x80", 3},
      {"\xED\xA0\x80", 3}, {"\xF0\x80\x80\x80", 4}, {"\xF4\x90\x80\x80", 4}, {"\xF5", 1},
      {"\xFF\xFE", 2},     {"\xE2\x82", 2},         {"\xF0\x9F\x98", 3},     {"\xC3", 1}};
  for (const auto& [bytes, count] : bad) {
    EXPECT_FALSE(is_valid_utf8(bytes));
    EXPECT_EQ(count_code_points(bytes), count);
    std::string expected;
    for (size_t i = 0; i < count; ++i) expected += "\xEF\xBF\xBD";
    EXPECT_EQ(to_valid_utf8(bytes), expected);
  }
  EXPECT_EQ(to_valid_utf8("a\xE2\x82z"), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
}

TEST(Utf8, FindsTheBadPlaceAnywhere) {
  for (size_t at = 0; at < 80; ++at) {
    std::string text(80, 'x');
    EXPECT_TRUE(is_ascii(text));
    text[at] = '\xFF';
    EXPECT_FALSE(is_ascii(text));
    EXPECT_EQ(valid_utf8_prefix(text), at);
    EXPECT_EQ(count_code_points(text), 80u);
  }
  EXPECT_EQ(valid_utf8_prefix(""), 0u);
}

TEST(Utf8, FloorNeverSplitsACharacter) {
  const std::string text = "a\xC3\xB6\xE2\x82\xAC\xF0\x9F\x98\x80\x80z";
  const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 12, 12};
  for (size_t i = 0; i < std::size(expected); ++i) {
    EXPECT_EQ(code_point_floor(text, i), expected[i]) << i;
  }
}

TEST(Utf8, WritesReplacementForNoScalarValue) {
  std::string out;
  append_code_point(0xD800, out);
  append_code_point(0x110000, out);
  EXPECT_EQ(out, "\xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace
}  // namespace headrace
