#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "env/simulated_file_system.h"
#include "index/knowledge_base.h"

namespace headrace::index {
namespace {

constexpr const char* kFolder = "/kb";

// Something happens to the folder when it is known which files are wanted and none is open yet.
class DisturbedFiles : public SimulatedFileSystem {
 public:
  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override {
    disturb(path);
    return SimulatedFileSystem::open(path);
  }
  Result<std::unique_ptr<MappedFile>> map(const std::string& path) override {
    disturb(path);
    return SimulatedFileSystem::map(path);
  }
  std::function<void()> before_first;  // runs once

 private:
  void disturb(const std::string& path) {
    if (before_first && !path.contains("/manifest-")) std::exchange(before_first, nullptr)();
  }
};

std::unique_ptr<Writer> writer_of(FileSystem& files) {
  WriterOptions options;
  options.background = false;
  auto writer = Writer::open(files, kFolder, options);
  EXPECT_TRUE(writer) << writer.error().text();
  return std::move(*writer);
}

void put(Writer& writer, const std::string& source) {
  DocumentWrite write;
  write.source = source;
  Row row;
  row.source = source;
  row.key = row_key(source, 0);
  row.text = "some words of " + source;
  write.rows.push_back(std::move(row));
  ASSERT_TRUE(writer.put(std::move(write)));
  ASSERT_TRUE(writer.commit());
}

TEST(Verify, AWriterThatReplacesFilesMeanwhileIsNoDamage) {
  DisturbedFiles files;
  auto writer = writer_of(files);
  put(*writer, "a");
  ASSERT_TRUE(writer->flush());
  put(*writer, "b");
  files.before_first = [&] { ASSERT_TRUE(writer->optimize()); };
  const auto report = verify(files, kFolder);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_FALSE(files.before_first) << "it did happen meanwhile";
  EXPECT_TRUE(report->ok()) << report->problems.front();
}

TEST(Verify, AMissingFileIsDamageAlsoWhileAWriterWorks) {
  DisturbedFiles files;
  auto writer = writer_of(files);
  put(*writer, "a");
  ASSERT_TRUE(writer->flush());
  put(*writer, "b");
  const auto names = files.list(kFolder);
  ASSERT_TRUE(names);
  for (const std::string& name : *names) {
    if (!name.starts_with("segment-")) continue;
    ASSERT_TRUE(files.remove(std::string(kFolder) + "/" + name));
  }
  files.before_first = [&] { ASSERT_TRUE(writer->flush()); };
  const auto report = verify(files, kFolder);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_FALSE(report->ok());
}

TEST(Verify, EndsWhereItIsCalledOff) {
  DisturbedFiles files;
  auto writer = writer_of(files);
  put(*writer, "a");
  ASSERT_TRUE(writer->flush());
  CancelToken cancel;
  files.before_first = [&] { cancel.request(); };
  const auto report = verify(files, kFolder, &cancel);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::cancelled);
  EXPECT_TRUE(verify(files, kFolder)->ok());
}

TEST(Optimize, EndsWhereItIsCalledOffWithAllAsItWas) {
  DisturbedFiles files;
  auto writer = writer_of(files);
  for (const char* source : {"a", "b", "c"}) {
    put(*writer, source);
    ASSERT_TRUE(writer->flush());
  }
  CancelToken cancel;
  cancel.request();
  const Status called_off = writer->optimize(&cancel);
  ASSERT_FALSE(called_off);
  EXPECT_EQ(called_off.error().code(), ErrorCode::cancelled);
  EXPECT_EQ(writer->snapshot()->info().rows, 3u);
  EXPECT_TRUE(verify(files, kFolder)->ok());
  put(*writer, "d");
  ASSERT_TRUE(writer->optimize());
  EXPECT_EQ(writer->snapshot()->info().segments, 1u);
  EXPECT_EQ(writer->snapshot()->info().rows, 4u);
}

}  // namespace
}  // namespace headrace::index
