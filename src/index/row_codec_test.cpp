#include "index/row_codec.h"

#include <gtest/gtest.h>

namespace headrace::index {
namespace {

Row row_of_three_pages() {
  Row row;
  row.title = "A title";
  row.text = "one\ntwo\nfour";
  row.page = 7;
  row.line = 2;
  row.span_begin = 5;
  row.span_end = 17;
  row.further_pages = {{4, 8}, {8, 10}};
  row.metadata["lang"] = std::string("en");
  row.metadata["years"] = std::vector<int64_t>{-1, 1LL << 60};
  row.metadata["parts"] = std::vector<double>{0.5, -2};
  row.metadata["flags"] = std::vector<bool>{true, false, true};
  return row;
}

TEST(RowCodec, FurtherPagesComeBack) {
  for (const bool with_metadata : {true, false}) {
    Row row = row_of_three_pages();
    if (!with_metadata) row.metadata.clear();
    std::string blob;
    encode_row_blob(row, blob);
    Row read;
    read.further_pages = {{1, 1}};  // room that was used before
    ASSERT_TRUE(decode_row_blob(blob, read));
    EXPECT_EQ(read.text, row.text);
    EXPECT_EQ(read.page, 7);
    EXPECT_EQ(read.metadata, row.metadata);
    EXPECT_EQ(read.further_pages, row.further_pages);
    row.further_pages.clear();
    blob.clear();
    encode_row_blob(row, blob);
    ASSERT_TRUE(decode_row_blob(blob, read));
    EXPECT_TRUE(read.further_pages.empty());
  }
}

TEST(RowCodec, BytesComeBackAndAreNotGuessed) {
  for (const bool with_pages : {true, false}) {
    Row row = row_of_three_pages();
    if (!with_pages) row.further_pages.clear();
    for (const std::optional<uint64_t> begin : {std::optional<uint64_t>(5), {1'000'005}, {}}) {
      row.byte_begin = begin;
      std::string blob;
      encode_row_blob(row, blob);
      Row read;
      read.byte_begin = 77;
      ASSERT_TRUE(decode_row_blob(blob, read));
      EXPECT_EQ(read.byte_begin, begin);
      EXPECT_EQ(read.further_pages, row.further_pages);
    }
  }
}

TEST(RowCodec, LinesComeBackWithAndWithoutPages) {
  for (const bool with_pages : {true, false}) {
    Row row = row_of_three_pages();
    if (!with_pages) row.further_pages.clear();
    row.further_lines = {{4, 400}, {8, 399}};
    std::string blob;
    encode_row_blob(row, blob);
    Row read;
    ASSERT_TRUE(decode_row_blob(blob, read));
    EXPECT_EQ(read.further_pages, row.further_pages);
    EXPECT_EQ(read.further_lines, row.further_lines);
    for (size_t size = 0; size < blob.size(); ++size) {
      Row part;
      if (decode_row_blob(std::string_view(blob).substr(0, size), part)) {
        EXPECT_TRUE(part.further_lines.empty());
      }
    }
  }
}

TEST(RowCodec, WhatBreaksOffOrGoesOnIsNoRow) {
  std::string blob;
  encode_row_blob(row_of_three_pages(), blob);
  Row whole = row_of_three_pages();
  whole.further_pages.clear();
  std::string without;
  encode_row_blob(whole, without);
  for (size_t size = 0; size < blob.size(); ++size) {
    Row row;
    EXPECT_EQ(decode_row_blob(std::string_view(blob).substr(0, size), row), size == without.size())
        << size;
  }
  Row row;
  EXPECT_FALSE(decode_row_blob(blob + '\0', row));
}

}  // namespace
}  // namespace headrace::index
