// Commits beside the preparing: what is acknowledged is there for everybody from then on, however
// it was put.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <algorithm>

#include <limits>
#include <map>
#include <random>
#include <thread>

#include "env/simulated_file_system.h"
#include "index/knowledge_base.h"

namespace headrace::index {
namespace {

constexpr const char* kFolder = "/kb";
constexpr uint32_t kDimension = 4;

std::unique_ptr<Writer> open_writer(FileSystem& files, const WriterOptions& options) {
  auto writer = Writer::open(files, kFolder, options);
  EXPECT_TRUE(writer);
  Space space;
  space.name = "default";
  space.dimension = kDimension;
  space.metric = Metric::ip;
  EXPECT_TRUE((*writer)->add_space(space));
  return std::move(*writer);
}

std::unique_ptr<Writer> open_writer(FileSystem& files, bool background = true) {
  WriterOptions options;
  options.background = background;
  return open_writer(files, options);
}

// Rows first … first + count, each with a text, a column and a vector.
struct Group {
  Group(size_t first, size_t count) {
    for (size_t i = first; i < first + count; ++i) {
      sources.push_back(fmt::format("row{}", i));
      texts.push_back(fmt::format("text of {}", i));
      numbers.emplace_back(static_cast<int64_t>(i));
      for (uint32_t d = 0; d < kDimension; ++d) vectors.push_back(static_cast<float>(i + d));
    }
    views.assign(texts.begin(), texts.end());
    columns.push_back({"n", numbers});
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  RowGroup group() const { return {sources, views, columns, "default", vectors}; }

  std::vector<std::string> sources;
  std::vector<std::string> texts;
  std::vector<std::string_view> views;
  std::vector<Value> numbers;
  std::vector<MetadataColumn> columns;
  std::vector<float> vectors;
};

// By source: text, column and first number of the vector.
std::map<std::string, std::string> contents(const Snapshot& snapshot) {
  std::map<std::string, std::string> found;
  EXPECT_TRUE(snapshot.for_each_row([&](const ScoredRow& at, const Row& row) -> Status {
    std::vector<float> vector(kDimension);
    const bool has_vector = snapshot.vector(at, "default", vector);
    const auto n = row.metadata.find("n");
    found[row.source] = fmt::format(
        "{}|{}|{}|{}", row.text, n == row.metadata.end() ? -1 : std::get<int64_t>(n->second),
        has_vector ? vector[0] : -1.0f, row.key == row_key(row.source, 0));
    return {};
  }));
  return found;
}

std::map<std::string, std::string> expected(size_t first, size_t count) {
  std::map<std::string, std::string> rows;
  for (size_t i = first; i < first + count; ++i)
    rows[fmt::format("row{}", i)] =
        fmt::format("text of {}|{}|{}|true", i, i, static_cast<float>(i));
  return rows;
}

TEST(StoreCommit, EveryCommitIsInTheNextSnapshotOfItsOwnProcessAndOfOthers) {
  SimulatedFileSystem files(1);
  const auto writer = open_writer(files);
  auto reader = Reader::open(files, kFolder);
  ASSERT_TRUE(reader);
  for (size_t round = 1; round <= 200; ++round) {
    ASSERT_TRUE(writer->put_rows(Group((round - 1) * 5, 5).group()));
    ASSERT_TRUE(writer->commit());
    if (round % 3 == 0) {
      ASSERT_EQ(writer->snapshot()->info().rows, round * 5);
    }
    if (round % 50 == 0) {
      ASSERT_EQ((*(*reader)->snapshot())->info().rows, round * 5);
    }
  }
  EXPECT_EQ(contents(*writer->snapshot()), expected(0, 1000));
}

TEST(StoreCommit, RowsOfAGroupAreAsIfPutOneByOneAndSurviveReopening) {
  for (const bool background : {false, true}) {
    SimulatedFileSystem files(2);
    {
      const auto writer = open_writer(files, background);
      ASSERT_TRUE(writer->put_rows(Group(0, 30).group()));
      ASSERT_TRUE(writer->commit());
      EXPECT_EQ(contents(*writer->snapshot()), expected(0, 30));
    }
    auto again = Writer::open(files, kFolder, {});
    ASSERT_TRUE(again);
    EXPECT_EQ(contents(*(*again)->snapshot()), expected(0, 30));
    ASSERT_TRUE((*again)->flush());
    EXPECT_EQ(contents(*(*again)->snapshot()), expected(0, 30));
    const auto report = verify(files, kFolder);
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->ok()) << report->problems.front();
  }
}

TEST(StoreCommit, AGroupReplacesWhatHadItsSources) {
  SimulatedFileSystem files(3);
  const auto writer = open_writer(files);
  ASSERT_TRUE(writer->put_rows(Group(0, 10).group()) && writer->commit());
  Group second(5, 10);
  second.texts[0] = "another";
  second.views.assign(second.texts.begin(), second.texts.end());
  ASSERT_TRUE(writer->put_rows(second.group()) && writer->commit());
  auto rows = expected(0, 15);
  rows["row5"] = "another|5|5|true";
  EXPECT_EQ(contents(*writer->snapshot()), rows);
}

TEST(StoreCommit, ADocumentIsKnownFromTheMomentItIsPut) {
  SimulatedFileSystem files(4);
  const auto writer = open_writer(files);
  DocumentWrite document;
  document.source = "paper";
  document.settings = "as it was cut";
  for (int round = 0; round < 50; ++round) {
    ASSERT_FALSE(writer->document("row1"));
    ASSERT_TRUE(writer->put_rows(Group(0, 3).group()));
    ASSERT_TRUE(writer->put(document));
    for (int committed = 0; committed < 2; ++committed) {
      ASSERT_EQ(writer->document("row1")->row_count, 1U);
      ASSERT_EQ(writer->document("paper")->settings, "as it was cut");
      ASSERT_FALSE(writer->document("row3"));
      ASSERT_TRUE(writer->commit());
    }
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(writer->remove(fmt::format("row{}", i)));
    ASSERT_TRUE(writer->commit());
  }
}

TEST(StoreCommit, AGroupWithABadVectorIsRefusedWhole) {
  SimulatedFileSystem files(5);
  const auto writer = open_writer(files);
  Group group(0, 3);
  group.vectors.back() = std::numeric_limits<float>::infinity();
  EXPECT_EQ(writer->put_rows(group.group()).error().code(), ErrorCode::invalid_argument);
  group.vectors.pop_back();
  EXPECT_EQ(writer->put_rows(group.group()).error().code(), ErrorCode::invalid_argument);
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(writer->snapshot()->info().rows, 0U);
  EXPECT_FALSE(writer->document("row0"));
}

// However fast they come, a reader never finds very many segments.
TEST(StoreCommit, SegmentsInMemoryStayFew) {
  SimulatedFileSystem files(7);
  const auto writer = open_writer(files);
  for (size_t round = 0; round < 120; ++round) {
    ASSERT_TRUE(writer->put_rows(Group(round * 1000, 1000).group()));
    ASSERT_TRUE(writer->commit());
    // The thread that prepared them joins them after it has shown them.
    ASSERT_LE(writer->snapshot()->segments().size(), 40U) << round;
  }
}

// A merge holds memory by the row: of five segments that are too many only four fit into it.
TEST(StoreCommit, AMergeTakesNoMoreThanFitsIntoTheWritersMemory) {
  SimulatedFileSystem files(8);
  WriterOptions options;
  options.background = false;
  options.memory_bytes_max = 64 << 10;
  options.segments_max = 4;
  const auto writer = open_writer(files, options);
  for (size_t round = 0; round < 5; ++round) {
    DocumentWrite document;
    document.source = fmt::format("file{}", round);
    for (uint32_t position = 0; position < 10'000; ++position) {
      Row row;
      row.key = row_key(document.source, position);
      row.source = document.source;
      row.position = position;
      row.text = "word";
      document.rows.push_back(std::move(row));
    }
    ASSERT_TRUE(writer->put(std::move(document)));
    ASSERT_TRUE(writer->flush());
  }
  ASSERT_TRUE(writer->commit());
  std::vector<uint64_t> rows;
  for (const SegmentInfo& info : writer->snapshot()->segment_infos()) rows.push_back(info.rows);
  std::ranges::sort(rows);
  EXPECT_EQ(rows, (std::vector<uint64_t>{10'000, 40'000}));
  ASSERT_TRUE(writer->optimize());
  EXPECT_EQ(writer->snapshot()->segment_infos().size(), 1U);
}

// What was put off while rows came fast is done without a further commit.
TEST(StoreCommit, AQuietMomentIsUsedForMergesAndLists) {
  SimulatedFileSystem files(6);
  WriterOptions options;
  options.memory_bytes_max = 2 << 20;
  options.segments_max = 2;
  const auto writer = open_writer(files, options);
  constexpr size_t kRows = 60'000;
  std::mt19937 random(1);
  for (size_t first = 0; first < kRows; first += 1000) {
    Group group(first, 1000);
    for (float& number : group.vectors) number = static_cast<float>(random() % 1000) - 500;
    ASSERT_TRUE(writer->put_rows(group.group()));
    ASSERT_TRUE(writer->commit());
  }
  const auto is_settled = [&] {
    const auto snapshot = writer->snapshot();
    size_t in_files = 0;
    bool lists = true;
    for (const SegmentInfo& info : snapshot->segment_infos()) in_files += info.file != 0;
    for (const SegmentView& view : snapshot->segments()) {
      for (const VectorSet* set : view.vectors("default")) lists = lists && !set->wants_lists();
    }
    return lists && in_files <= options.segments_max;
  };
  while (!is_settled()) std::this_thread::yield();
  EXPECT_EQ(contents(*writer->snapshot()).size(), kRows);
  const auto report = verify(files, kFolder);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->ok());
}

// Who closes the knowledge base after writing leaves no large set without lists.
TEST(StoreCommit, ListsAreMadeForEverySegmentWhenAskedFor) {
  SimulatedFileSystem files(6);
  const auto writer = open_writer(files, false);
  std::mt19937 random(1);
  for (size_t first = 0; first < 2 * size_t{kListedVectorsMin}; first += kListedVectorsMin) {
    Group group(first, kListedVectorsMin);
    for (float& number : group.vectors) number = static_cast<float>(random() % 1000) - 500;
    ASSERT_TRUE(writer->put_rows(group.group()));
    ASSERT_TRUE(writer->flush());
  }
  const auto without_lists = [&] {
    const auto snapshot = writer->snapshot();
    size_t sets = 0;
    for (const SegmentView& view : snapshot->segments()) {
      for (const VectorSet* set : view.vectors("default")) sets += set->wants_lists();
    }
    return sets;
  };
  EXPECT_EQ(without_lists(), 2);
  CancelToken cancelled;
  cancelled.request();
  EXPECT_FALSE(writer->make_lists(&cancelled));
  EXPECT_EQ(without_lists(), 2);
  ASSERT_TRUE(writer->make_lists());
  EXPECT_EQ(without_lists(), 0);
  EXPECT_EQ(contents(*writer->snapshot()).size(), 2 * size_t{kListedVectorsMin});
}

TEST(StoreCommit, VectorsThatCameAfterTheirRowsWereFoldedAreListedToo) {
  SimulatedFileSystem files(6);
  const auto writer = open_writer(files, false);
  Group group(0, kListedVectorsMin);
  std::mt19937 random(1);
  for (float& number : group.vectors) number = static_cast<float>(random() % 1000) - 500;
  RowGroup rows = group.group();
  rows.vectors = {};
  rows.space = {};
  ASSERT_TRUE(writer->put_rows(rows));
  ASSERT_TRUE(writer->flush());
  const auto sets = [&] {
    std::vector<bool> listed;
    const auto snapshot = writer->snapshot();
    for (const SegmentView& view : snapshot->segments()) {
      for (const VectorSet* set : view.vectors("default")) listed.push_back(!set->wants_lists());
    }
    return listed;
  };
  std::vector<std::string> keys;
  for (const std::string& source : group.sources) keys.push_back(row_key(source, 0));
  ASSERT_TRUE(writer->put_vectors("default", keys, group.vectors));
  ASSERT_TRUE(writer->flush());
  EXPECT_EQ(sets(), std::vector<bool>{false});
  ASSERT_TRUE(writer->make_lists());
  EXPECT_EQ(sets(), std::vector<bool>{true});
}

// Whether its set is written in binary16 or not, a vector of a model is the same; one's own is
// kept.
TEST(StoreCommit, VectorsOfAModelAreRoundedWhenTheyArePut) {
  SimulatedFileSystem files(9);
  const auto writer = open_writer(files, false);
  Space space;
  space.name = "model";
  space.model = "a model";
  space.fingerprint = "1234";
  space.dimension = kDimension;
  ASSERT_TRUE(writer->add_space(space));
  Group group(0, 1);
  const std::vector<float> given = {0.1f, 0.7f, -0.1f, 0.7f};
  group.vectors = given;
  ASSERT_TRUE(writer->put_rows(group.group()));
  const std::vector<std::string> keys = {row_key("row0", 0)};
  ASSERT_TRUE(writer->put_vectors("model", keys, given));
  ASSERT_TRUE(writer->commit());
  std::vector<float> kept(kDimension);
  const ScoredRow at{0, 0, 0};
  ASSERT_TRUE(writer->snapshot()->vector(at, "default", kept));
  EXPECT_EQ(kept, given);
  ASSERT_TRUE(writer->snapshot()->vector(at, "model", kept));
  const std::vector<float> rounded = {0.0999755859375f, 0.7001953125f, -0.0999755859375f,
                                      0.7001953125f};
  EXPECT_EQ(kept, rounded);
  // Of another length as well: cosine is of length 1 before it is rounded.
  const std::vector<float> longer = {0.3f, 2.1f, -0.3f, 2.1f};
  ASSERT_TRUE(writer->put_vectors("model", keys, longer));
  ASSERT_TRUE(writer->commit());
  ASSERT_TRUE(writer->snapshot()->vector(at, "model", kept));
  EXPECT_EQ(kept, rounded);
}

}  // namespace
}  // namespace headrace::index
