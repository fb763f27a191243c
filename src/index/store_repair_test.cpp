// backup and repair: a copy is whole beside a working writer; of damage everything else is saved.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "index/history.h"
#include "index/log.h"
#include "index/manifest.h"
#include "index/store_model.h"

namespace headrace::index::testing {
namespace {

ModelState state_of(FileSystem& files, const std::string& folder) {
  auto reader = Reader::open(files, folder);
  EXPECT_TRUE(reader) << reader.error().text();
  return reader ? read_state(**(*reader)->snapshot()) : ModelState();
}

// A knowledge base with segments, late vectors, deletes and something in the log.
ModelState make_store(SimulatedFileSystem& files, uint64_t seed) {
  WriterOptions options;
  options.background = false;
  options.segments_max = 4;
  StoreWorkload work(files, seed, options);
  for (int i = 0; i < 120; ++i) EXPECT_TRUE(work.step()) << work.error()->text();
  return work.acknowledged();
}

std::vector<std::string> files_of(const SimulatedFileSystem& files, const std::string& kind) {
  std::vector<std::string> paths;
  for (const std::string& path : files.all_files()) {
    if (path.starts_with(std::string(kFolder) + "/" + kind)) paths.push_back(path);
  }
  return paths;
}

// Nothing that was not written, and nothing newer than what was.
void expect_no_inventions(const ModelState& found, const ModelState& before) {
  for (const auto& [source, document] : found.documents) {
    const auto known = before.documents.find(source);
    for (const auto& [position, row] : document.rows) {
      ASSERT_NE(known, before.documents.end()) << source;
      const auto expected = known->second.rows.find(position);
      ASSERT_NE(expected, known->second.rows.end()) << source << ' ' << position;
      EXPECT_EQ(row.text, expected->second.text);
      EXPECT_EQ(row.parity, expected->second.parity);
      for (const auto& [space, mark] : row.vectors) {
        const auto vector = expected->second.vectors.find(space);
        ASSERT_NE(vector, expected->second.vectors.end());
        EXPECT_EQ(mark, vector->second);
      }
    }
  }
}

TEST(Backup, IsTheSameAndCostsNoCopyWhereLinksAre) {
  for (const bool links : {true, false}) {
    SimulatedFileSystem files(1);
    const ModelState before = make_store(files, 11);
    files.set_links(links);
    const auto report = backup(files, kFolder, "/copy");
    ASSERT_TRUE(report) << report.error().text();
    EXPECT_EQ(report->linked > 0, links);
    EXPECT_EQ(state_of(files, "/copy").text(), before.text());
    EXPECT_TRUE(verify(files, "/copy")->ok());
    // A power cut right afterwards does not hurt it, and it is written to without touching the
    // original.
    const auto after = files.after_power_cut(5);
    EXPECT_EQ(state_of(*after, "/copy").text(), before.text());
    auto writer = Writer::open(*after, "/copy", {});
    ASSERT_TRUE(writer) << writer.error().text();
    ASSERT_TRUE((*writer)->optimize());
    EXPECT_EQ(state_of(*after, kFolder).text(), before.text());
    EXPECT_TRUE(verify(*after, kFolder)->ok());
  }
}

TEST(Backup, GoesIntoNoFolderThatIsInUse) {
  SimulatedFileSystem files(1);
  make_store(files, 12);
  EXPECT_EQ(backup(files, kFolder, kFolder).error().code(), ErrorCode::invalid_argument);
  files.overwrite("/other/letter.txt", "dear");
  ASSERT_TRUE(files.make_folder("/other"));
  const auto refused = backup(files, kFolder, "/other");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("letter.txt"), std::string::npos);
}

TEST(Backup, InterruptedAnywhereIsNoKnowledgeBaseAndCanBeBegunAgain) {
  SimulatedFileSystem whole(1);
  const ModelState before = make_store(whole, 13);
  for (uint64_t call = 0;; ++call) {
    const auto files = whole.after_kill();
    files->cut_power_at_change(files->changes() + call);
    const auto report = backup(*files, kFolder, "/copy");
    const auto after = files->after_power_cut(call);
    if (Reader::open(*after, "/copy")) {
      EXPECT_EQ(state_of(*after, "/copy").text(), before.text());
    } else {
      const auto again = backup(*after, kFolder, "/copy");
      ASSERT_TRUE(again) << again.error().text();
      EXPECT_EQ(state_of(*after, "/copy").text(), before.text());
    }
    EXPECT_EQ(state_of(*after, kFolder).text(), before.text());
    if (report) break;
  }
}

TEST(Repair, LeavesAWholeKnowledgeBaseAlone) {
  SimulatedFileSystem files(1);
  const ModelState before = make_store(files, 21);
  const auto names = files.all_files();
  const auto report = repair(files, kFolder);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_FALSE(report->changed());
  EXPECT_EQ(files.all_files(), names);
  EXPECT_EQ(state_of(files, kFolder).text(), before.text());
}

TEST(Repair, SavesWhatDamageLeaves) {
  uint64_t saved_rows = 0;
  uint64_t all_rows = 0;
  for (uint64_t seed = 30; seed < 40; ++seed) {
    SimulatedFileSystem whole(seed);
    const ModelState before = make_store(whole, seed);
    for (const std::string kind : {"segment-", "vectors-", "log-"}) {
      for (const std::string& path : files_of(whole, kind)) {
        const uint64_t bits = whole.content(path).size() * 8;
        for (uint64_t part = 1; part < 12; ++part) {
          const auto files = whole.after_kill();
          files->flip_bit(path, bits * part / 12);
          if (verify(*files, kFolder)->ok()) continue;  // the torn end of the log
          const auto report = repair(*files, kFolder);
          ASSERT_TRUE(report) << path << ": " << report.error().text();
          EXPECT_TRUE(report->changed());
          EXPECT_FALSE(report->lost.empty()) << path;
          const auto verified = verify(*files, kFolder);
          EXPECT_TRUE(verified->ok()) << path << ": " << verified->problems.front();
          const ModelState found = state_of(*files, kFolder);
          if (kind != "log-") expect_no_inventions(found, before);
          if (kind == "segment-") {
            for (const auto& [source, document] : before.documents)
              all_rows += document.rows.size();
            for (const auto& [source, document] : found.documents)
              saved_rows += document.rows.size();
          }
          // And it is written to again.
          auto writer = Writer::open(*files, kFolder, {});
          ASSERT_TRUE(writer) << writer.error().text();
          ASSERT_TRUE((*writer)->optimize());
        }
      }
    }
  }
  EXPECT_GT(saved_rows * 100, all_rows * 60) << saved_rows << " of " << all_rows;
}

TEST(Repair, StatesOfThePastGoWithTheirDamagedFiles) {
  SimulatedFileSystem whole(1);
  WriterOptions options;
  options.background = false;
  {
    auto writer = std::move(*Writer::open(whole, kFolder, options));
    ASSERT_TRUE(writer->set_history({.count = 5}));
    for (int n = 0; n < 4; ++n) {
      DocumentWrite document;
      document.source = fmt::format("d{}", n % 2);
      Row row;
      row.key = row_key(document.source, 0);
      row.source = document.source;
      row.text = fmt::format("text {}", n);
      document.rows.push_back(std::move(row));
      ASSERT_TRUE(writer->put(std::move(document)) && writer->flush());
    }
    ASSERT_TRUE(writer->optimize());
  }
  const size_t states = past_states(whole, kFolder)->size();
  ASSERT_GE(states, 3U);
  const ModelState before = state_of(whole, kFolder);
  size_t only_past = 0;
  for (const std::string kind : {"segment-", "deletes-"}) {
    for (const std::string& path : files_of(whole, kind)) {
      SCOPED_TRACE(path);
      for (const bool missing : {false, true}) {
        const auto files = whole.after_kill();
        if (missing) {
          ASSERT_TRUE(files->remove(path));
        } else {
          files->flip_bit(path, files->content(path).size() * 4);
        }
        ASSERT_FALSE(verify(*files, kFolder)->ok());
        const auto report = repair(*files, kFolder);
        ASSERT_TRUE(report) << report.error().text();
        EXPECT_FALSE(report->lost.empty());
        const auto verified = verify(*files, kFolder);
        EXPECT_TRUE(verified->ok()) << verified->problems.front();
        const std::vector<PastState> left = *past_states(*files, kFolder);
        EXPECT_LT(left.size(), states);
        for (const PastState& state : left) {
          const auto past = snapshot_at(*files, kFolder, std::to_string(state.manifest));
          EXPECT_TRUE(past) << past.error().text();
        }
        if (state_of(*files, kFolder).documents == before.documents) ++only_past;
      }
    }
  }
  EXPECT_GT(only_past, 2U);  // most files belong to the past alone
}

TEST(Repair, FindsTheSegmentsWithoutAManifest) {
  SimulatedFileSystem files(1);
  {
    WriterOptions options;
    options.background = false;
    StoreWorkload work(files, 41, options);
    for (int i = 0; i < 80; ++i) ASSERT_TRUE(work.step());
    ASSERT_TRUE(work.writer()->optimize());
  }
  const ModelState before = state_of(files, kFolder);
  for (const std::string& path : files_of(files, "manifest-")) files.flip_bit(path, 400);
  EXPECT_FALSE(Reader::open(files, kFolder));
  const auto report = repair(files, kFolder);
  ASSERT_TRUE(report) << report.error().text();
  const ModelState found = state_of(files, kFolder);
  EXPECT_EQ(found.documents, before.documents);
  EXPECT_TRUE(verify(files, kFolder)->ok());
}

TEST(Repair, KeepsTheLaterTransactionsOfADamagedLog) {
  SimulatedFileSystem files(1);
  {
    auto writer = Writer::open(files, kFolder, {});
    ASSERT_TRUE(writer);
    for (int n = 0; n < 5; ++n) {
      DocumentWrite document;
      document.source = fmt::format("d{}", n);
      Row row;
      row.key = row_key(document.source, 0);
      row.source = document.source;
      row.text = "text of " + document.source;
      document.rows.push_back(std::move(row));
      ASSERT_TRUE((*writer)->put(std::move(document)) && (*writer)->commit());
    }
  }
  const std::string log = files_of(files, "log-").front();
  const uint64_t at = files.content(log).find("text of d2");
  files.flip_bit(log, at * 8);
  EXPECT_FALSE(Reader::open(files, kFolder));
  const auto report = repair(files, kFolder);
  ASSERT_TRUE(report) << report.error().text();
  const ModelState found = state_of(files, kFolder);
  EXPECT_EQ(found.documents.size(), 4U);
  EXPECT_FALSE(found.documents.contains("d2"));
  ASSERT_EQ(report->moved.size(), 1U);
  EXPECT_EQ(files.content(report->moved.front()).size(), files.content(log + ".damaged").size());
}

TEST(Repair, ANewerManifestIsLeftToANewerProgram) {
  SimulatedFileSystem files(1);
  make_store(files, 22);
  const std::string path = files_of(files, "manifest-").back();
  std::string bytes = files.content(path);
  bytes[8] = 99;
  const uint64_t checksum = hash64(std::string_view(bytes).substr(0, bytes.size() - 8));
  std::memcpy(bytes.data() + bytes.size() - 8, &checksum, 8);
  files.overwrite(path, bytes);
  for (const auto& code :
       {Reader::open(files, kFolder).error().code(),
        Writer::open(files, kFolder, {}).error().code(), repair(files, kFolder).error().code()})
    EXPECT_EQ(code, ErrorCode::unsupported);
  EXPECT_EQ(files.content(path), bytes);
}

}  // namespace
}  // namespace headrace::index::testing
