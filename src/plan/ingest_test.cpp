// Whole runs over a folder, with the knowledge base on a simulated disk.
#include "plan/ingest.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <set>
#include <string_view>

#include "env/simulated_file_system.h"
#include "index/knowledge_base.h"

namespace headrace {
namespace {

constexpr size_t kFiles = 120;

class FolderOfFiles {
 public:
  FolderOfFiles() {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
    for (size_t n = 0; n < kFiles; ++n)
      std::ofstream(path_ / fmt::format("{}.txt", n)) << "file " << n << " of a folder";
  }
  ~FolderOfFiles() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  const std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("headrace-ingest-test-{}", getpid());
};

// A commit waits for the disk; one for each file would wait as often as there are files. That many
// files are written together is seen by the groups; groups end early only where 200 ms pass between
// two files.
TEST(Ingest, PlainFilesAreCommittedInGroups) {
  const FolderOfFiles folder;
  SimulatedFileSystem disk(1);
  IngestOptions options;
  options.stream.paths = {folder.path()};
  options.kb = "/kb";
  options.model = "none";
  size_t groups = 0;
  size_t documents = 0;
  options.on_documents = [&](std::vector<index::DocumentWrite>& group) -> Status {
    ++groups;
    documents += group.size();
    return {};
  };
  Progress progress;
  const auto report = ingest(options, progress, CancelToken(), disk);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->added, kFiles);
  EXPECT_EQ(documents, kFiles);
  EXPECT_LT(groups, kFiles / 4);
}

// The entry of a file says that all of it was read; what is gone from it must be gone then too, or
// no later run would look again.
TEST(Ingest, WhatIsGoneFromAFileGoesWithItsEntry) {
  const auto folder = std::filesystem::path(testing::TempDir()) /
                      fmt::format("headrace-ingest-records-{}", getpid());
  std::filesystem::create_directories(folder);
  const std::string file = (folder / "records.jsonl").string();
  IngestOptions options;
  options.stream.paths = {file};
  options.kb = "/kb";
  options.model = "none";
  const auto run = [&](FileSystem& disk) {
    Progress progress;
    return ingest(options, progress, CancelToken(), disk);
  };
  const auto write = [&](std::initializer_list<std::string_view> ids) {
    std::ofstream out(file);
    for (const std::string_view id : ids)
      out << fmt::format("{{\"id\": \"{}\", \"text\": \"record {}\"}}\n", id, id);
  };
  size_t crashes = 0;
  for (uint64_t change = 1;; ++change) {
    SimulatedFileSystem disk(1);
    write({"a", "b", "c"});
    ASSERT_TRUE(run(disk));
    write({"a", "c2", "d"});
    const uint64_t before = disk.changes();
    disk.cut_power_at_change(before + change);
    if (run(disk)) break;
    ++crashes;
    const auto after = disk.after_power_cut(change);
    const auto report = run(*after);
    ASSERT_TRUE(report) << report.error().text();
    auto reader = index::Reader::open(*after, "/kb");
    ASSERT_TRUE(reader);
    std::set<std::string> sources;
    const auto snapshot = (*reader)->snapshot();
    ASSERT_TRUE(snapshot);
    ASSERT_TRUE((*snapshot)->for_each_row([&](const auto&, const Row& row) -> Status {
      sources.insert(row.source.substr(file.size()));
      return {};
    }));
    EXPECT_EQ(sources, (std::set<std::string>{"#a", "#c2", "#d"})) << "crash at " << change;
  }
  EXPECT_GT(crashes, 5u);
  std::filesystem::remove_all(folder);
}

// However much of it was done: who is asked to stop says so.
TEST(Ingest, ARunThatIsEndedWithItsLastDocumentUnderWaySaysSo) {
  SimulatedFileSystem disk(1);
  CancelToken cancel;
  bool given = false;
  IngestOptions options;
  options.kb = "/kb";
  options.model = "none";
  options.stream.next_record = [&]() -> Result<std::optional<GivenRecord>> {
    if (given) {
      cancel.request();
      return std::nullopt;
    }
    given = true;
    RawDocument record;
    record.source = "a";
    record.bytes = "text";
    record.is_text = true;
    return GivenRecord(std::move(record));
  };
  Progress progress;
  const auto report = ingest(options, progress, cancel, disk);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_TRUE(report->interrupted);
}

}  // namespace
}  // namespace headrace
