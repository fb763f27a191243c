#include <gtest/gtest.h>

#include "batch/arrow_export.h"
#include "batch/arrow_import.h"
#include "batch/row_batch.h"

namespace headrace {
namespace {

Batch make_batch(int rows) {
  const std::vector<VectorColumn> vectors = {{"default", 2}};
  RowBatchBuilder builder(vectors);
  for (int i = 0; i < rows; ++i) {
    Row row;
    row.key = "key" + std::to_string(i);
    row.source = "s";
    row.position = static_cast<uint32_t>(i);
    row.text = "text \xC3\xA9";
    if (i % 2 == 1) row.page = i;
    row.span_end = 6;
    builder.add(row, "{\"a\":1}");
    const float vector[] = {1.0F, static_cast<float>(i)};
    builder.add_vector(0, i % 3 == 0 ? std::span<const float>() : std::span<const float>(vector));
  }
  return builder.finish();
}

TEST(Arrow, WhatIsExportedReadsBackTheSame) {
  const Batch sample = make_batch(0);
  int left = 2;
  ArrowArrayStream stream;
  export_stream(
      sample.fields,
      [&]() -> Result<std::optional<Batch>> {
        if (left-- == 0) return std::optional<Batch>();
        return std::optional<Batch>(make_batch(5));
      },
      &stream);
  auto reader = ArrowReader::open(&stream);
  ASSERT_TRUE(reader) << reader.error().text();
  const auto& names = (*reader)->names();
  ASSERT_EQ(names.front(), "key");
  int batches = 0;
  while (true) {
    const auto more = (*reader)->next();
    ASSERT_TRUE(more);
    if (!*more) break;
    ++batches;
    ASSERT_EQ((*reader)->rows(), 5);
    EXPECT_EQ(*(*reader)->value(0, 3), Value(std::string("key3")));
    EXPECT_EQ(*(*reader)->value(2, 3), Value(int64_t{3}));
    EXPECT_EQ(*(*reader)->value(4, 0), Value(std::string("text \xC3\xA9")));
    const size_t page = 10;
    EXPECT_EQ(names[page], "page");
    EXPECT_EQ(*(*reader)->value(page, 0), Value());
    EXPECT_EQ(*(*reader)->value(page, 1), Value(int64_t{1}));
    EXPECT_EQ(*(*reader)->value(11, 2), Value(std::vector<int64_t>{0, 6}));
  }
  EXPECT_EQ(batches, 2);
}

TEST(Arrow, AProducersErrorIsReported) {
  ArrowArrayStream stream;
  export_stream(
      make_batch(0).fields,
      []() -> Result<std::optional<Batch>> { return fail(ErrorCode::io, "the source broke"); },
      &stream);
  auto reader = ArrowReader::open(&stream);
  ASSERT_TRUE(reader);
  const auto more = (*reader)->next();
  ASSERT_FALSE(more);
  EXPECT_NE(more.error().message().find("the source broke"), std::string::npos);
}

}  // namespace
}  // namespace headrace
