// Whole runs over a folder, with the knowledge base on a simulated disk.
#include "plan/ingest.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "env/simulated_file_system.h"

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

}  // namespace
}  // namespace headrace
