// Writers, readers, compaction, snapshots and backups at once. Run under the thread sanitizer by
// `make sanitize`; what is asserted holds whatever the timing is.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "env/simulated_file_system.h"
#include "index/knowledge_base.h"
#include "runtime/thread_pool.h"

namespace headrace::index {
namespace {

constexpr const char* kFolder = "/kb";
constexpr int kSources = 6;
constexpr int kRounds = 40;
constexpr uint32_t kRows = 4;

DocumentWrite make_document(const std::string& source, int version) {
  DocumentWrite document;
  document.source = source;
  for (uint32_t position = 0; position < kRows; ++position) {
    Row row;
    row.key = row_key(source, position);
    row.source = source;
    row.position = position;
    row.text = fmt::format("{} version {}", source, version);
    document.rows.push_back(std::move(row));
  }
  return document;
}

// Every document whole, of one version, and no older than `least` says.
void check(const Snapshot& snapshot, std::map<std::string, int>& least) {
  std::map<std::string, std::map<std::string, uint32_t>> texts;
  const Status status = snapshot.for_each_row([&](const ScoredRow&, const Row& row) -> Status {
    ++texts[row.source][row.text];
    return {};
  });
  ASSERT_TRUE(status);
  for (const auto& [source, versions] : texts) {
    ASSERT_EQ(versions.size(), 1U) << source << " is a mix";
    ASSERT_EQ(versions.begin()->second, kRows) << source << " is not whole";
    const std::string& text = versions.begin()->first;
    const int version = std::atoi(text.substr(text.rfind(' ')).c_str());
    ASSERT_GE(version, least[source]) << source << " went back";
    least[source] = version;
  }
  for (const auto& [source, version] : least) ASSERT_TRUE(texts.contains(source)) << source;
}

TEST(StoreConcurrency, ReadersSeeWholeDocumentsThatOnlyBecomeNewer) {
  SimulatedFileSystem files(3);
  WriterOptions options;
  options.memory_bytes_max = 12'000;
  options.segments_max = 3;
  auto opened = Writer::open(files, kFolder, options);
  ASSERT_TRUE(opened);
  Writer& writer = **opened;
  Space space;
  space.name = "default";
  space.dimension = 4;
  space.metric = Metric::ip;
  ASSERT_TRUE(writer.add_space(space));
  std::atomic<int> writing = 2;
  ThreadPool pool(7);
  pool.parallel_for(8, [&](size_t role) {
    if (role < 2) {  // two writers, each with sources of its own
      for (int round = 1; round <= kRounds; ++round) {
        for (int s = 0; s < kSources; ++s) {
          const std::string source = fmt::format("w{}s{}", role, s);
          ASSERT_TRUE(writer.put(make_document(source, round)));
          const std::vector<std::string> keys = {row_key(source, 0), row_key(source, 1)};
          const std::vector<float> vectors(8, static_cast<float>(round));
          ASSERT_TRUE(writer.put_vectors("default", keys, vectors));
        }
        ASSERT_TRUE(writer.commit());
        ASSERT_TRUE(writer.document(fmt::format("w{}s0", role)));
      }
      --writing;
    } else if (role == 2) {
      while (writing > 0) ASSERT_TRUE(writer.flush());
      ASSERT_TRUE(writer.optimize());
    } else if (role == 3) {
      std::map<std::string, int> least;
      while (writing > 0) {
        // A commit of both writers may fall between the puts of one: whole documents all the same.
        check(*writer.snapshot(), least);
      }
    } else if (role == 4) {
      for (int n = 0; writing > 0; ++n) {
        const std::string target = fmt::format("/backup{}", n);
        const auto made = backup(files, kFolder, target);
        ASSERT_TRUE(made) << made.error().text();
        auto reader = Reader::open(files, target);
        ASSERT_TRUE(reader) << reader.error().text();
        std::map<std::string, int> least;
        check(**(*reader)->snapshot(), least);
      }
    } else {  // readers, as other processes have them
      auto reader = Reader::open(files, kFolder);
      ASSERT_TRUE(reader) << reader.error().text();
      std::map<std::string, int> least;
      while (writing > 0) {
        const auto snapshot = (*reader)->snapshot();
        ASSERT_TRUE(snapshot) << snapshot.error().text();
        check(**snapshot, least);
      }
    }
  });
  std::map<std::string, int> least;
  check(*writer.snapshot(), least);
  ASSERT_EQ(least.size(), 2U * kSources);
  for (const auto& [source, version] : least) EXPECT_EQ(version, kRounds) << source;
  opened->reset();
  const auto report = verify(files, kFolder);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->ok()) << report->problems.front();
}

TEST(StoreConcurrency, ManySmallRunsLeaveFewSegments) {
  SimulatedFileSystem files(4);
  WriterOptions options;
  for (int run = 0; run < 60; ++run) {
    auto writer = Writer::open(files, kFolder, options);
    ASSERT_TRUE(writer) << writer.error().text();
    ASSERT_TRUE((*writer)->put(make_document(fmt::format("run{}", run), run)));
    ASSERT_TRUE((*writer)->flush());
    ASSERT_LE((*writer)->snapshot()->info().segments, options.segments_max);
  }
  auto reader = Reader::open(files, kFolder);
  ASSERT_TRUE(reader);
  EXPECT_EQ((*(*reader)->snapshot())->info().rows, 60U * kRows);
}

TEST(StoreConcurrency, ASecondWriterIsRefusedAndADeadOneSucceededAtOnce) {
  SimulatedFileSystem files(5);
  auto first = Writer::open(files, kFolder, {});
  ASSERT_TRUE(first);
  const auto second = Writer::open(files, kFolder, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::busy);
  EXPECT_NE(second.error().message().find("process"), std::string::npos);
  EXPECT_NE(second.error().message().find(kFolder), std::string::npos);
  EXPECT_TRUE(Writer::open(*files.after_kill(), kFolder, {}));
}

TEST(StoreConcurrency, AWriterWhoseLockWasTakenAwayWritesNoMore) {
  SimulatedFileSystem files(6);
  auto first = Writer::open(files, kFolder, {});
  ASSERT_TRUE(first);
  ASSERT_TRUE((*first)->put(make_document("a", 1)) && (*first)->commit());
  ASSERT_TRUE(files.remove(std::string(kFolder) + "/LOCK"));
  auto second = Writer::open(files, kFolder, {});
  ASSERT_TRUE(second) << "nothing tells it that the file was not left over";
  ASSERT_TRUE((*first)->put(make_document("a", 2)));
  const Status fenced = (*first)->commit();
  ASSERT_FALSE(fenced);
  EXPECT_EQ(fenced.error().code(), ErrorCode::busy);
  EXPECT_FALSE((*first)->flush());
  ASSERT_TRUE((*second)->put(make_document("b", 1)) && (*second)->commit());
  auto reader = Reader::open(files, kFolder);
  ASSERT_TRUE(reader);
  std::map<std::string, int> found;
  check(**(*reader)->snapshot(), found);
  EXPECT_EQ(found, (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
}

}  // namespace
}  // namespace headrace::index
