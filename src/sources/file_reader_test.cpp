#include "sources/file_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "batch/document_limit.h"

namespace headrace {
namespace {

std::string temporary(const std::string& name) {
  return testing::TempDir() + name + "_" + std::to_string(::getpid());
}

TEST(ReadFile, GivesBytesAndStamp) {
  const std::string path = temporary("file_reader_a");
  std::ofstream(path) << "hello";
  const auto file = read_file(path, 100);
  ASSERT_TRUE(file) << file.error().text();
  EXPECT_EQ(file->bytes, "hello");
  EXPECT_EQ(file->stamp.size_bytes, 5u);
  EXPECT_GT(file->stamp.modified_ns, 0);
  EXPECT_EQ(*read_prefix(path, 2), "he");
  std::filesystem::remove(path);
}

// What is as long as before and has its old time again may still hold other bytes.
TEST(ReadFile, ATimeThatWasSetBackIsSeen) {
  const std::string path = temporary("file_reader_time");
  std::ofstream(path) << "before";
  const auto before = read_file(path, 100);
  ASSERT_TRUE(before) << before.error().text();
  const timespec old_times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), old_times, 0), 0);
  const auto after = read_file(path, 100);
  ASSERT_TRUE(after) << after.error().text();
  EXPECT_GE(after->stamp.modified_ns, before->stamp.modified_ns);
  std::filesystem::remove(path);
}

TEST(ReadFile, RefusesWhatIsTooLargeWithoutReadingIt) {
  const std::string path = temporary("file_reader_sparse");
  std::ofstream(path) << "x";
  std::filesystem::resize_file(path, 5ULL << 30);
  const auto file = read_file(path, 1 << 20);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), ErrorCode::too_large);
  EXPECT_NE(file.error().hint().find("--memory"), std::string::npos);
  // More memory is no remedy where the file is larger than any may be.
  const auto with_much = read_file(path, kDocumentBytesMax);
  ASSERT_FALSE(with_much);
  EXPECT_EQ(with_much.error().hint(), "split the file");
  EXPECT_EQ(with_much.error().message().find("memory"), std::string::npos);
  std::filesystem::remove(path);
}

TEST(ReadFile, SaysThatAFileVanished) {
  const auto file = read_file(temporary("file_reader_never"), 10);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace headrace
