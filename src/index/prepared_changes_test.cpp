#include "index/prepared_changes.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/hash.h"
#include "batch/document.h"
#include "index/row_codec.h"

namespace headrace::index {
namespace {

Space two_numbers() {
  Space space;
  space.name = "default";
  space.dimension = 2;
  space.metric = Metric::ip;
  return space;
}

Hash128 key_of(const std::string& source) {
  Hash128 key;
  EXPECT_TRUE(parse_row_key(row_key(source, 0), key));
  return key;
}

DocumentWrite written(const std::string& source, const std::string& text) {
  DocumentWrite write;
  write.source = source;
  Row row;
  row.key = row_key(source, 0);
  row.source = source;
  row.text = text;
  write.rows.push_back(std::move(row));
  return write;
}

using Prepared = std::vector<PreparedChange>;

const Segment& segment(const Prepared& prepared, size_t i) {
  return *std::get<std::shared_ptr<const Segment>>(prepared.at(i));
}

// The first number of a source's vector inside the segments.
std::optional<float> vector_of(const Prepared& prepared, const std::string& source) {
  std::optional<float> found;
  for (const PreparedChange& change : prepared) {
    const auto* held = std::get_if<std::shared_ptr<const Segment>>(&change);
    if (held == nullptr || (*held)->vectors("default") == nullptr) continue;
    (*held)->rows().find(key_of(source), [&](uint32_t row) {
      float numbers[2];
      if ((*held)->vectors("default")->vector(row, numbers)) found = numbers[0];
      return true;
    });
  }
  return found;
}

Prepared prepare(std::vector<Change> changes, ThreadPool* pool = nullptr) {
  const Space space = two_numbers();
  auto prepared = prepare_changes(std::move(changes), "en", {&space, 1}, pool);
  EXPECT_TRUE(prepared);
  return prepared ? std::move(*prepared) : Prepared();
}

TEST(PreparedChanges, VectorsGoIntoTheSegmentInWhateverOrderTheyCome) {
  const Prepared prepared =
      prepare({written("a", "one"), written("b", "two"),
               SetVectors{"default", {key_of("b"), key_of("a"), key_of("b")}, {1, 0, 2, 0, 3, 0}}});
  ASSERT_EQ(prepared.size(), 1U);
  EXPECT_EQ(vector_of(prepared, "a"), 2.0F);
  EXPECT_EQ(vector_of(prepared, "b"), 3.0F);  // of two the last counts
}

TEST(PreparedChanges, SeveralGroupsOfVectorsJoin) {
  const Prepared prepared = prepare(
      {written("a", "one"), written("b", "two"), SetVectors{"default", {key_of("a")}, {1, 0}},
       SetVectors{"default", {key_of("b"), key_of("a")}, {2, 0, 3, 0}}});
  ASSERT_EQ(prepared.size(), 1U);
  EXPECT_EQ(vector_of(prepared, "a"), 3.0F);
  EXPECT_EQ(vector_of(prepared, "b"), 2.0F);
}

TEST(PreparedChanges, GroupsOfRowsWithTheirVectorsBecomeOneSegment) {
  std::vector<Change> changes;
  for (int group = 0; group < 40; ++group) {
    SetVectors vectors{"default", {}, {}};
    for (int i = group * 50; i < (group + 1) * 50; ++i) {
      changes.emplace_back(written(std::to_string(i), "some text"));
      vectors.keys.push_back(key_of(std::to_string(i)));
      vectors.values.insert(vectors.values.end(), {static_cast<float>(i), 0});
    }
    changes.emplace_back(std::move(vectors));
  }
  const std::vector<Change> again = changes;
  const Prepared alone = prepare(std::move(changes));
  EXPECT_EQ(alone.size(), 1U);
  ThreadPool pool(3);
  const Prepared together = prepare(again, &pool);
  EXPECT_EQ(together.size(), 3U);
  for (int i = 0; i < 2000; ++i) {  // whole numbers that float16 holds
    EXPECT_EQ(vector_of(alone, std::to_string(i)), static_cast<float>(i));
    EXPECT_EQ(vector_of(together, std::to_string(i)), static_cast<float>(i));
  }
}

// What comes without a vector must not get the one that its source had before.
TEST(PreparedChanges, ASourceThatComesAgainAfterItsVectorsIsASegmentOfItsOwn) {
  const Prepared prepared = prepare(
      {written("a", "one"), written("b", "two"),
       SetVectors{"default", {key_of("a"), key_of("b")}, {1, 0, 2, 0}}, written("c", "three"),
       written("a", "four"), SetVectors{"default", {key_of("c")}, {3, 0}}});
  ASSERT_EQ(prepared.size(), 3U);
  EXPECT_EQ(segment(prepared, 0).row_count(), 3U);
  EXPECT_EQ(segment(prepared, 1).row_count(), 1U);
  EXPECT_EQ(segment(prepared, 1).vectors("default"), nullptr);
  EXPECT_EQ(std::get<SetVectors>(prepared[2]).keys.size(), 1U);
}

TEST(PreparedChanges, ASourceTwiceInAGroupHasItsLastVector) {
  const Prepared prepared =
      prepare({written("a", "one"), written("b", "two"), written("a", "three"),
               SetVectors{"default", {key_of("a"), key_of("b"), key_of("a")}, {1, 0, 2, 0, 3, 0}},
               written("c", "four"), SetVectors{"default", {key_of("c")}, {4, 0}}});
  EXPECT_EQ(vector_of(prepared, "a"), 3.0F);
  EXPECT_EQ(vector_of(prepared, "b"), 2.0F);
  EXPECT_EQ(vector_of(prepared, "c"), 4.0F);
}

TEST(PreparedChanges, VectorsOfOtherRowsComeAfterTheSegment) {
  const Prepared prepared = prepare(
      {written("a", "one"), SetVectors{"default", {key_of("a"), key_of("earlier")}, {1, 0, 2, 0}}});
  ASSERT_EQ(prepared.size(), 2U);
  EXPECT_FALSE(vector_of(prepared, "a"));
  EXPECT_EQ(std::get<SetVectors>(prepared[1]).keys.size(), 2U);
}

TEST(PreparedChanges, OfSeveralWritesOfASourceTheLastCounts) {
  const Prepared prepared = prepare({written("a", "one"), written("a", "two")});
  ASSERT_EQ(prepared.size(), 1U);
  EXPECT_EQ(segment(prepared, 0).row_count(), 1U);
  EXPECT_EQ(segment(prepared, 0).postings().document_frequency("two"), 1U);
  EXPECT_EQ(segment(prepared, 0).postings().document_frequency("one"), 0U);
}

TEST(PreparedChanges, AFailureAfterAGoodVersionIsASegmentOfItsOwn) {
  DocumentWrite failed;
  failed.source = "a";
  failed.error = DocumentError{"a", "decode", Error(ErrorCode::damaged, "no good")};
  const Prepared prepared = prepare({written("a", "one"), failed});
  ASSERT_EQ(prepared.size(), 2U);
  EXPECT_EQ(segment(prepared, 0).row_count(), 1U);
  EXPECT_TRUE(segment(prepared, 1).documents().has_error(0));
}

TEST(PreparedChanges, ManyRowsAreSeveralSegmentsInOrder) {
  std::vector<Change> changes;
  SetVectors vectors{"default", {}, {}};
  for (int i = 0; i < 3000; ++i) {
    const std::string source = std::to_string(i);
    changes.emplace_back(written(source, "row " + source));
    vectors.keys.push_back(key_of(source));
    vectors.values.insert(vectors.values.end(), {static_cast<float>(i), 0});
  }
  changes.emplace_back(std::move(vectors));
  ThreadPool pool(3);
  const Prepared prepared = prepare(std::move(changes), &pool);
  ASSERT_EQ(prepared.size(), 3U);
  int next = 0;
  for (size_t i = 0; i < prepared.size(); ++i) {
    for (uint32_t d = 0; d < segment(prepared, i).document_count(); ++d)
      EXPECT_EQ(segment(prepared, i).documents().source(d), std::to_string(next++));
  }
  EXPECT_EQ(next, 3000);
  for (const int i : {0, 999, 1000, 1777, 2048}) {  // whole numbers that float16 holds
    EXPECT_EQ(vector_of(prepared, std::to_string(i)), static_cast<float>(i));
  }
}

TEST(PreparedChanges, WhatIsNoRowKeyIsRefused) {
  DocumentWrite write = written("a", "one");
  write.rows[0].key = "xyz";
  std::vector<Change> changes = {write};
  const auto prepared = prepare_changes(std::move(changes), "en", {}, nullptr);
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace headrace::index
