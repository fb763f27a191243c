// Spaces that come, are dropped and come again: seen by the writer, by an open reader, and after a
// crash at every step.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "env/simulated_file_system.h"
#include "index/knowledge_base.h"

namespace headrace::index {
namespace {

constexpr const char* kFolder = "/kb";
constexpr int kRows = 8;

Space space_of(const std::string& name, uint32_t dimension, const std::string& model) {
  Space space;
  space.name = name;
  space.model = model;
  space.fingerprint = model;
  space.dimension = dimension;
  return space;
}

std::string key_of(int n) {
  return row_key("doc" + std::to_string(n), 0);
}

Status put_rows(Writer& writer, int begin, int end) {
  for (int n = begin; n < end; ++n) {
    DocumentWrite write;
    write.source = "doc" + std::to_string(n);
    Row row;
    row.source = write.source;
    row.key = key_of(n);
    row.text = "words of " + std::to_string(n);
    write.rows.push_back(std::move(row));
    HR_TRY(writer.put(std::move(write)));
  }
  return writer.commit();
}

Status put_vectors(Writer& writer, const std::string& space, uint32_t dimension, float first) {
  std::vector<std::string> keys;
  std::vector<float> values;
  for (int n = 0; n < kRows; ++n) {
    keys.push_back(key_of(n));
    for (uint32_t d = 0; d < dimension; ++d)
      values.push_back(d == 0 ? first : static_cast<float>(n + 1));
  }
  HR_TRY(writer.put_vectors(space, keys, values));
  return writer.commit();
}

std::unique_ptr<Writer> open_writer(FileSystem& files) {
  auto writer = Writer::open(files, kFolder, {});
  EXPECT_TRUE(writer.has_value()) << writer.error().text();
  return std::move(*writer);
}

// How many rows each space covers, as "name:dimension:rows ".
std::string coverage(const Snapshot& snapshot) {
  std::string text;
  for (const SpaceInfo& known : snapshot.info().spaces) {
    text += known.space.name + ":" + std::to_string(known.space.dimension) + ":" +
            std::to_string(known.rows) + " ";
  }
  return text;
}

std::string reader_coverage(FileSystem& files) {
  auto reader = Reader::open(files, kFolder);
  EXPECT_TRUE(reader.has_value());
  auto snapshot = (*reader)->snapshot();
  EXPECT_TRUE(snapshot.has_value());
  return coverage(**snapshot);
}

// Rows with vectors inside a segment file, in a patch of it, and in the log.
std::unique_ptr<Writer> two_spaces(FileSystem& files) {
  auto writer = open_writer(files);
  EXPECT_TRUE(writer->add_space(space_of("default", 4, "big")));
  EXPECT_TRUE(writer->add_space(space_of("static", 2, "small")));
  EXPECT_TRUE(put_rows(*writer, 0, kRows / 2));
  EXPECT_TRUE(put_vectors(*writer, "default", 4, 1));
  EXPECT_TRUE(writer->flush());
  EXPECT_TRUE(put_vectors(*writer, "static", 2, 1));
  EXPECT_TRUE(writer->flush());
  EXPECT_TRUE(put_rows(*writer, kRows / 2, kRows));
  EXPECT_TRUE(put_vectors(*writer, "default", 4, 1));
  EXPECT_TRUE(put_vectors(*writer, "static", 2, 1));
  return writer;
}

TEST(SpaceDrop, LeavesTheOtherSpaceAndEveryRow) {
  SimulatedFileSystem files;
  auto writer = two_spaces(files);
  EXPECT_EQ(coverage(*writer->snapshot()), "default:4:8 static:2:8 ");
  ASSERT_TRUE(writer->drop_space("default"));
  EXPECT_EQ(coverage(*writer->snapshot()), "static:2:8 ");
  EXPECT_EQ(writer->snapshot()->info().rows, uint64_t{kRows});
  const auto again = writer->drop_space("default");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::not_found);
  EXPECT_FALSE(put_vectors(*writer, "default", 4, 1));
  writer.reset();
  writer = open_writer(files);
  EXPECT_EQ(coverage(*writer->snapshot()), "static:2:8 ");
  ASSERT_TRUE(writer->optimize());
  EXPECT_EQ(coverage(*writer->snapshot()), "static:2:8 ");
  const auto report = verify(files, kFolder);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->ok()) << report->problems[0];
}

TEST(SpaceDrop, ItsNameMayServeAnotherModel) {
  SimulatedFileSystem files;
  auto writer = two_spaces(files);
  ASSERT_TRUE(writer->drop_space("default"));
  ASSERT_TRUE(writer->add_space(space_of("default", 3, "other")));
  EXPECT_EQ(coverage(*writer->snapshot()), "static:2:8 default:3:0 ");
  uint64_t uncovered = 0;
  ASSERT_TRUE(writer->snapshot()->for_each_uncovered("default",
                                                     [&](const ScoredRow&, const Row&) -> Status {
                                                       ++uncovered;
                                                       return {};
                                                     }));
  EXPECT_EQ(uncovered, uint64_t{kRows});
  ASSERT_TRUE(put_vectors(*writer, "default", 3, 2));
  writer.reset();
  for (int round = 0; round < 2; ++round) {  // from the log, then merged into one segment
    writer = open_writer(files);
    const auto snapshot = writer->snapshot();
    EXPECT_EQ(coverage(*snapshot), "static:2:8 default:3:8 ");
    std::vector<float> vector(3);
    ASSERT_TRUE(snapshot->for_each_row([&](const ScoredRow& at, const Row& row) -> Status {
      EXPECT_TRUE(snapshot->vector(at, "default", vector)) << row.source;
      EXPECT_GT(vector[0], 0.0f);
      EXPECT_NEAR(vector[1], vector[2], 1e-3);
      return {};
    }));
    ASSERT_TRUE(writer->optimize());
    writer.reset();
  }
}

TEST(SpaceDrop, AnOpenReaderGoesOn) {
  SimulatedFileSystem files;
  auto writer = two_spaces(files);
  auto reader = Reader::open(files, kFolder);
  ASSERT_TRUE(reader);
  const auto before = (*reader)->snapshot();
  ASSERT_TRUE(before);
  ASSERT_TRUE(writer->drop_space("default"));
  ASSERT_TRUE(writer->optimize());
  EXPECT_EQ(coverage(**before), "default:4:8 static:2:8 ");
  std::vector<float> vector(4);
  EXPECT_TRUE((*before)->vector({0, 0, 0}, "default", vector));
  const auto after = (*reader)->snapshot();
  ASSERT_TRUE(after);
  EXPECT_EQ(coverage(**after), "static:2:8 ");
}

// The space is there with all its vectors, or gone: whatever the moment.
TEST(SpaceDrop, AFaultAtAnyStepLeavesOneOfBoth) {
  uint64_t begin = 0;
  uint64_t end = 0;
  {
    SimulatedFileSystem files;
    auto writer = two_spaces(files);
    begin = files.changes();
    ASSERT_TRUE(writer->drop_space("default"));
    end = files.changes();
  }
  ASSERT_GT(end, begin);
  const std::string whole = "default:4:8 static:2:8 ";
  const std::string dropped = "static:2:8 ";
  bool seen_whole = false;
  bool seen_dropped = false;
  for (uint64_t change = begin; change < end; ++change) {
    SimulatedFileSystem files;
    auto writer = two_spaces(files);
    files.cut_power_at_change(change);
    const bool done = writer->drop_space("default").has_value();
    const std::string now = coverage(*writer->snapshot());
    EXPECT_TRUE(now == whole || now == dropped) << "step " << change << ": " << now;
    if (done) {
      EXPECT_EQ(now, dropped);
    }
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const auto disk = files.after_power_cut(seed);
      const std::string found = reader_coverage(*disk);
      EXPECT_TRUE(found == whole || found == dropped) << "step " << change << ": " << found;
      if (done) {
        EXPECT_EQ(found, dropped);
      }
      seen_whole = seen_whole || found == whole;
      seen_dropped = seen_dropped || found == dropped;
    }
  }
  EXPECT_TRUE(seen_whole);
  EXPECT_TRUE(seen_dropped);
}

TEST(SpaceDrop, AFullDiskChangesNothing) {
  SimulatedFileSystem files;
  auto writer = two_spaces(files);
  files.fail_all_changes(SimulatedFault::no_space);
  EXPECT_FALSE(writer->drop_space("default"));
  files.heal();
  EXPECT_EQ(coverage(*writer->snapshot()), "default:4:8 static:2:8 ");
  EXPECT_TRUE(writer->drop_space("default"));
  EXPECT_EQ(coverage(*writer->snapshot()), "static:2:8 ");
}

}  // namespace
}  // namespace headrace::index
