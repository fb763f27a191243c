// Golden files: knowledge bases as every released version of the formats wrote them stay readable.
//
// They lie in golden/<name>/. With HEADRACE_WRITE_GOLDEN set to a folder, the current program
// writes its own there (and seeds for the fuzzers); a new version of a format adds one and changes
// none.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "index/log.h"
#include "index/manifest.h"
#include "index/postings.h"
#include "index/section_file.h"
#include "index/store_model.h"

namespace headrace::index::testing {
namespace {

std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void spill(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::filesystem::path golden_folder() {
  // As the compiler named this file, which may be relative to the build folder, or from the root.
  const auto beside = std::filesystem::path(__FILE__).parent_path() / "golden";
  return std::filesystem::exists(beside) ? beside : std::filesystem::path("src/index/golden");
}

DocumentWrite golden_document(const std::string& source, int version, uint32_t rows) {
  DocumentWrite document;
  document.source = source;
  document.container = "box.zip";
  document.stamp = {100, 200, 300};
  document.content_hash = hash128(source);
  document.settings = "settings";
  for (uint32_t position = 0; position < rows; ++position) {
    Row row;
    row.key = row_key(source, position);
    row.source = source;
    row.position = position;
    row.title = "A title";
    row.heading = "One > Two";
    row.text = fmt::format("{} version{} row{}", source, version, position);
    row.page = 3;
    row.line = 4;
    row.span_begin = 10;
    row.span_end = 20;
    row.start_s = 1.5;
    row.end_s = 2.5;
    row.metadata = {{"parity", std::string(position % 2 == 0 ? "even" : "odd")},
                    {"n", int64_t{position}},
                    {"x", 0.5},
                    {"flag", true},
                    {"tags", std::vector<std::string>{"a", "b"}}};
    document.rows.push_back(std::move(row));
  }
  return document;
}

// One of everything: segments, deletes, late vectors, hidden vectors, a failed document, and a log
// with every kind of record.
void write_golden(SimulatedFileSystem& files, Durability durability, bool two_logs) {
  WriterOptions options;
  options.background = false;
  options.durability = durability;
  options.settings = "{\"model\":\"\"}";
  auto opened = Writer::open(files, kFolder, options);
  ASSERT_TRUE(opened);
  Writer& writer = **opened;
  Space space;
  space.name = kFirstSpace;
  space.dimension = 4;
  space.metric = Metric::ip;
  ASSERT_TRUE(writer.add_space(space));
  const auto vectors = [&](const std::string& source, float mark, uint32_t rows) {
    std::vector<std::string> keys;
    std::vector<float> values;
    for (uint32_t position = 0; position < rows; ++position) {
      keys.push_back(row_key(source, position));
      values.insert(values.end(), {mark, static_cast<float>(position), 1, 1});
    }
    return writer.put_vectors(kFirstSpace, keys, values);
  };
  ASSERT_TRUE(writer.put(golden_document("alpha", 1, 3)));
  ASSERT_TRUE(writer.put(golden_document("beta", 1, 2)));
  ASSERT_TRUE(vectors("alpha", 7, 3));
  ASSERT_TRUE(writer.flush());
  ASSERT_TRUE(vectors("alpha", 8, 1));
  ASSERT_TRUE(vectors("beta", 9, 2));
  ASSERT_TRUE(writer.put(golden_document("gamma", 1, 2)));
  DocumentWrite failed = golden_document("bad", 1, 0);
  failed.error = DocumentError{"bad", "decode", Error(ErrorCode::damaged, "no good", "mend it")};
  ASSERT_TRUE(writer.put(failed));
  ASSERT_TRUE(writer.remove_where(*Filter::parse("source = 'alpha' and parity = 'odd'")));
  ASSERT_TRUE(writer.flush());
  ASSERT_TRUE(writer.put(golden_document("delta", 2, 1)));
  ASSERT_TRUE(writer.commit());
  ASSERT_TRUE(vectors("delta", 5, 1));
  ASSERT_TRUE(writer.remove("gamma"));
  space.name = kSecondSpace;
  space.dimension = 3;
  ASSERT_TRUE(writer.add_space(space));
  ASSERT_TRUE(writer.set_settings("{\"model\":\"none\"}"));
  if (!two_logs) return;
  // What was in the log so far is on its way into a segment; commits go on in a second one.
  opened->reset();
  options.memory_bytes_max = 2;
  opened = Writer::open(files, kFolder, options);
  ASSERT_TRUE(opened);
  ASSERT_TRUE((*opened)->put(golden_document("beta", 1, 2)));
  ASSERT_TRUE((*opened)->commit());
  const auto manifest = load_newest_manifest(files, kFolder);
  ASSERT_TRUE(manifest);
  ASSERT_EQ(manifest->last_log, manifest->first_log + 1);
  std::vector<std::string> keys = {row_key("beta", 0), row_key("beta", 1)};
  std::vector<float> values = {9, 0, 1, 1, 9, 1, 1, 1};
  opened->reset();
  options.memory_bytes_max = 1 << 20;
  opened = Writer::open(files, kFolder, options);
  ASSERT_TRUE(opened);
  ASSERT_TRUE((*opened)->put_vectors(kFirstSpace, keys, values));
  ASSERT_TRUE((*opened)->commit());
}

constexpr const char* kGoldenState =
    "space default 4\n"
    "space second 3\n"
    "document alpha\n"
    "  0 \"alpha version1 row0\" even default=8\n"
    "  2 \"alpha version1 row2\" even default=7\n"
    "document bad failed\n"
    "document beta\n"
    "  0 \"beta version1 row0\" even default=9\n"
    "  1 \"beta version1 row1\" odd default=9\n"
    "document delta\n"
    "  0 \"delta version2 row0\" even default=5\n";

void expect_golden(SimulatedFileSystem& files, const std::string& name) {
  auto reader = Reader::open(files, kFolder);
  ASSERT_TRUE(reader) << name << ": " << reader.error().text();
  const auto snapshot = *(*reader)->snapshot();
  EXPECT_EQ(read_state(*snapshot).text(), kGoldenState) << name;
  EXPECT_EQ(snapshot->info().settings, "{\"model\":\"none\"}");
  const auto report = verify(files, kFolder);
  EXPECT_TRUE(report->ok()) << name << ": " << report->problems.front();
  SearchRequest request;
  request.mode = SearchMode::text;
  request.text = "delta";
  const auto found = search(snapshot->segments(), request);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  const Row row = snapshot->row(found->front());
  const Row expected = golden_document("delta", 2, 1).rows.front();
  EXPECT_EQ(row.title, expected.title);
  EXPECT_EQ(row.heading, expected.heading);
  EXPECT_EQ(row.page, expected.page);
  EXPECT_EQ(row.line, expected.line);
  EXPECT_EQ(row.span_end, expected.span_end);
  EXPECT_EQ(row.start_s, expected.start_s);
  EXPECT_EQ(row.metadata, expected.metadata);
  ASSERT_EQ(snapshot->errors().size(), 1U);
  EXPECT_EQ(snapshot->errors().front().error.hint(), "mend it");
}

TEST(StoreFormat, GoldenFilesStayReadableAndWritable) {
  size_t seen = 0;
  uint64_t bytes = 0;
  for (const auto& folder : std::filesystem::directory_iterator(golden_folder())) {
    SimulatedFileSystem files;
    ASSERT_TRUE(files.make_folder(kFolder));
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      files.overwrite(std::string(kFolder) + "/" + file.path().filename().string(),
                      slurp(file.path()));
      bytes += file.file_size();
    }
    const std::string name = folder.path().filename().string();
    expect_golden(files, name);
    for (const Durability durability : {Durability::sync, Durability::async}) {
      WriterOptions options;
      options.durability = durability;
      auto writer = Writer::open(files, kFolder, options);
      ASSERT_TRUE(writer) << name << ": " << writer.error().text();
      ASSERT_TRUE((*writer)->optimize());
    }
    expect_golden(files, name + " optimized");
    ++seen;
  }
  EXPECT_GE(seen, 5U);
  EXPECT_LE(bytes, 40U << 10);
}

// The same content in one lone segment without deletes: nothing but its version asks for a rewrite.
TEST(StoreFormat, OptimizingALoneSegmentOfTheFirstVersionBringsPhrases) {
  SimulatedFileSystem files;
  ASSERT_TRUE(files.make_folder(kFolder));
  for (const auto& file : std::filesystem::directory_iterator(golden_folder() / "log-v1"))
    files.overwrite(std::string(kFolder) + "/" + file.path().filename().string(),
                    slurp(file.path()));
  auto manifest = load_newest_manifest(files, kFolder);
  ASSERT_TRUE(manifest);
  manifest->segments.resize(1);
  manifest->segments[0].patches.clear();
  manifest->deletes_file = 0;
  manifest->deletes_seal = {};
  manifest->number += 1;
  manifest->first_log = manifest->last_log = 77;
  const auto log = LogWriter::create(files, file_path(kFolder, FileKind::log, 77),
                                     {77, 0, 1, manifest->knowledge_base});
  ASSERT_TRUE(log);
  bool visible = false;
  ASSERT_TRUE(publish_manifest(files, kFolder, *manifest, visible));

  auto writer = Writer::open(files, kFolder, {});
  ASSERT_TRUE(writer) << writer.error().text();
  SearchRequest request;
  request.mode = SearchMode::text;
  request.text = "\"alpha version1 row2\"";
  const auto phrase_finds = [&]() -> size_t {
    const auto found = search((*writer)->snapshot()->segments(), request);
    return found ? found->size() : 0;
  };
  EXPECT_TRUE(lacks_positions(*(*writer)->snapshot()->segments()[0].postings));
  ASSERT_TRUE((*writer)->optimize());
  EXPECT_FALSE(lacks_positions(*(*writer)->snapshot()->segments()[0].postings));
  EXPECT_EQ(phrase_finds(), 1U);
  // Now it is in its final form.
  const uint64_t number = (*writer)->snapshot()->info().manifest;
  ASSERT_TRUE((*writer)->optimize());
  EXPECT_EQ((*writer)->snapshot()->info().manifest, number);
}

struct Golden {
  const char* name;
  Durability durability;
  bool two_logs;
};

TEST(StoreFormat, WhatIsWrittenNowIsWhatTheGoldenFilesHold) {
  for (const auto& [name, durability, two_logs] :
       {Golden{"log-v1", Durability::sync, false}, Golden{"log-v2", Durability::async, false},
        Golden{"manifest-v2", Durability::sync, true}}) {
    SimulatedFileSystem files;
    write_golden(files, durability, two_logs);
    expect_golden(files, name);
    const char* target = std::getenv("HEADRACE_WRITE_GOLDEN");
    if (target == nullptr) continue;
    const std::filesystem::path root(target);
    for (const std::string& path : files.all_files()) {
      const std::string file = path.substr(path.rfind('/') + 1);
      const std::string bytes = files.content(path);
      spill(root / "golden" / name / file, bytes);
      const std::string kind = file.substr(0, file.find('-'));
      if (kind == "log") spill(root / "corpus/log_fuzz" / name, bytes);
      if (kind == "manifest") spill(root / "corpus/manifest_fuzz" / name, bytes);
      if (kind != "segment" && kind != "vectors" && kind != "deletes") continue;
      spill(root / "corpus/segment_fuzz" / (std::string(name) + "-" + file), bytes);
      if (kind != "segment" || durability != Durability::sync) continue;
      const auto opened = SectionFile::open(bytes, file, SectionFileType::segment, UINT64_MAX);
      ASSERT_TRUE(opened);
      for (const auto& section : opened->sections()) {
        const char kinds[] = {0, 3, 0, 3, 0, 3, 0, 2, 1, 0, 0};
        const bool part = section.kind == SectionKind::columns ||
                          section.kind == SectionKind::postings ||
                          section.kind == SectionKind::vectors;
        if (!part) continue;
        const char which = kinds[static_cast<size_t>(section.kind)];
        spill(root / "corpus/section_parts_fuzz" /
                  fmt::format("{}-{}", file, section_kind_name(section.kind)),
              which + std::string(section.bytes));
      }
      std::string rows(1, '\3');
      std::string parts;
      for (const SectionKind want :
           {SectionKind::rows, SectionKind::keys, SectionKind::blobs, SectionKind::blob_blocks}) {
        const auto* section = opened->find(want);
        std::string padded(section->bytes);
        padded.resize((padded.size() + 7) / 8 * 8);
        rows += static_cast<char>(padded.size() / 8);
        parts += padded;
      }
      spill(root / "corpus/section_parts_fuzz" / (file + "-rows"), rows + parts);
    }
  }
}

}  // namespace
}  // namespace headrace::index::testing
