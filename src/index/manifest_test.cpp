#include "index/manifest.h"

#include <gtest/gtest.h>

#include "env/simulated_file_system.h"

namespace headrace::index {
namespace {

Manifest example() {
  Manifest manifest;
  manifest.number = 5;
  manifest.knowledge_base = {3, 4};
  manifest.language = "en";
  manifest.settings = "{\"a\":1}";
  Space space;
  space.name = "default";
  space.dimension = 3;
  manifest.spaces.push_back(space);
  manifest.first_log = 9;
  manifest.last_log = 11;
  manifest.is_whole = true;
  manifest.history = {3, 86'400};
  manifest.published_ms = 1'700'000'000'123;
  manifest.next_file = 12;
  ManifestSegment segment;
  segment.file = 10;
  segment.seal = {1000, 77};
  segment.row_count = 5;
  segment.document_count = 2;
  segment.patches.push_back({11, {50, 6}, "default"});
  segment.hidden_spaces.emplace_back("old");
  manifest.segments.push_back(segment);
  manifest.deletes_file = 8;
  manifest.deletes_seal = {70, 1};
  return manifest;
}

TEST(Manifest, ComesBackAsItWasWritten) {
  const std::string bytes = example().encode();
  const auto decoded = Manifest::decode(bytes, "m");
  ASSERT_TRUE(decoded) << decoded.error().text();
  EXPECT_EQ(decoded->encode(), bytes);
  EXPECT_EQ(decoded->segments.front().patches.front().space, "default");
  EXPECT_EQ(decoded->segments.front().hidden_spaces.front(), "old");
}

TEST(Manifest, EveryFlippedBitAndEveryCutIsFound) {
  std::string bytes = example().encode();
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_FALSE(Manifest::decode(bytes, "m")) << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
  for (size_t size = 0; size < bytes.size(); ++size)
    ASSERT_FALSE(Manifest::decode(std::string_view(bytes).substr(0, size), "m"));
}

TEST(Manifest, TheNewestCounts) {
  SimulatedFileSystem files;
  ASSERT_TRUE(files.make_folder("/kb"));
  EXPECT_EQ(load_newest_manifest(files, "/kb").error().code(), ErrorCode::not_found);
  bool visible = false;
  Manifest manifest = example();
  ASSERT_TRUE(publish_manifest(files, "/kb", manifest, visible));
  EXPECT_TRUE(visible);
  manifest.number = 17;
  ASSERT_TRUE(publish_manifest(files, "/kb", manifest, visible));
  EXPECT_EQ(load_newest_manifest(files, "/kb")->number, 17U);
  EXPECT_EQ(load_manifest(files, "/kb", 5)->number, 5U);
  // One that was renamed is not what its name says.
  ASSERT_TRUE(files.rename(file_path("/kb", FileKind::manifest, 17),
                           file_path("/kb", FileKind::manifest, 18)));
  EXPECT_EQ(load_newest_manifest(files, "/kb").error().code(), ErrorCode::damaged);
}

TEST(Manifest, PublishingIsAllOrNothing) {
  SimulatedFileSystem start;
  ASSERT_TRUE(start.make_folder("/kb"));
  bool visible = false;
  Manifest manifest = example();
  ASSERT_TRUE(publish_manifest(start, "/kb", manifest, visible));
  manifest.number = 6;
  for (uint64_t call = 0;; ++call) {
    const auto files = start.after_kill();
    files->fail_change(files->changes() + call, SimulatedFault::short_write);
    visible = false;
    const Status status = publish_manifest(*files, "/kb", manifest, visible);
    EXPECT_EQ(load_newest_manifest(*files, "/kb")->number, visible ? 6U : 5U);
    EXPECT_EQ(files->list("/kb")->size(), visible ? 2U : 1U) << "no litter";
    if (status) break;
  }
}

TEST(Manifest, FileNamesAreReadBack) {
  EXPECT_EQ(file_name(FileKind::segment, 0x1A), "segment-000000000000001a");
  EXPECT_EQ(parse_file_name("segment-000000000000001a").number, 0x1AU);
  EXPECT_EQ(parse_file_name("log-000000000000001a").kind, FileKind::log);
  EXPECT_EQ(parse_file_name("manifest-000000000000001a.tmp").kind, FileKind::temporary);
  for (const char* other : {"LOCK", "segment-1a", "segment-00000000000000XX", "notes.txt",
                            "segment-000000000000001a.damaged", ".tmp", ""})
    EXPECT_EQ(parse_file_name(other).kind, FileKind::other) << other;
}

}  // namespace
}  // namespace headrace::index
