// What every FileSystem does, tried on the real one and on the simulated one.
#include "env/file_system.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "env/simulated_file_system.h"

namespace headrace {
namespace {

class FileSystemTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      std::string pattern =
          (std::filesystem::temp_directory_path() / "headrace-env-XXXXXX").string();
      ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
      root = pattern;
    }
    ASSERT_TRUE(files().make_folder(root + "/kb/deep"));
    folder = root + "/kb/deep";
  }
  void TearDown() override {
    if (GetParam()) std::filesystem::remove_all(root);
  }
  FileSystem& files() { return GetParam() ? FileSystem::real() : simulated; }
  std::string content(const std::string& path) {
    auto file = files().open(path);
    if (!file) return std::string(error_code_name(file.error().code()));
    return (*file)->read(0, 1000).value_or("unreadable");
  }

  SimulatedFileSystem simulated;
  std::string root = "/tmp";
  std::string folder;
};

TEST_P(FileSystemTest, WritesAndReadsBack) {
  auto file = files().create(folder + "/a");
  ASSERT_TRUE(file);
  EXPECT_TRUE((*file)->append("hello "));
  EXPECT_TRUE((*file)->append("world"));
  EXPECT_EQ((*file)->size(), 11U);
  EXPECT_TRUE((*file)->sync());
  EXPECT_TRUE((*file)->close());
  EXPECT_EQ(content(folder + "/a"), "hello world");
  auto again = files().append_to(folder + "/a");
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->size(), 11U);
  EXPECT_TRUE((*again)->truncate(5));
  EXPECT_TRUE((*again)->append("!"));
  EXPECT_EQ(content(folder + "/a"), "hello!");
  auto reader = files().open(folder + "/a");
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->read(4, 100).value(), "o!") << "fewer only at the end";
  EXPECT_EQ((*reader)->read(100, 5).value(), "");
  auto mapped = files().map(folder + "/a");
  ASSERT_TRUE(mapped);
  ASSERT_TRUE(files().remove(folder + "/a"));
  EXPECT_EQ((*mapped)->bytes(), "hello!") << "a mapping outlives its name";
}

TEST_P(FileSystemTest, NamesAreListedAndMoved) {
  ASSERT_TRUE(files().create(folder + "/b"));
  ASSERT_TRUE(files().create(folder + "/a"));
  EXPECT_EQ(files().list(folder).value(), (std::vector<std::string>{"a", "b"}));
  ASSERT_TRUE(files().rename(folder + "/b", folder + "/a"));
  EXPECT_EQ(files().list(folder).value(), std::vector<std::string>{"a"});
  EXPECT_TRUE(files().sync_folder(folder));
  ASSERT_TRUE(files().link(folder + "/a", folder + "/c"));
  EXPECT_EQ(files().list(folder).value(), (std::vector<std::string>{"a", "c"}));
}

TEST_P(FileSystemTest, ErrorsNameThePath) {
  const std::string missing = folder + "/none";
  for (const Status& status :
       {files().remove(missing), files().rename(missing, folder + "/x"),
        files().sync_folder(missing), files().link(missing, folder + "/x")}) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::not_found);
    EXPECT_NE(status.error().message().find(missing), std::string::npos);
  }
  EXPECT_EQ(files().open(missing).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files().map(missing).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files().stat(missing).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files().list(missing).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files().create(missing + "/x").error().code(), ErrorCode::not_found);
}

TEST_P(FileSystemTest, AFileIsNoFolder) {
  ASSERT_TRUE(files().create(folder + "/a"));
  const Status status = files().make_folder(folder + "/a");
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message().find("not a folder"), std::string::npos);
}

TEST_P(FileSystemTest, OneHolderOfALock) {
  auto lock = files().lock(folder + "/LOCK");
  ASSERT_TRUE(lock);
  auto second = files().lock(folder + "/LOCK");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::busy);
  EXPECT_NE(second.error().message().find("process"), std::string::npos);
  EXPECT_TRUE((*lock)->check());
  ASSERT_TRUE(files().remove(folder + "/LOCK"));
  EXPECT_EQ((*lock)->check().error().code(), ErrorCode::busy);
  lock->reset();
  EXPECT_TRUE(files().lock(folder + "/LOCK"));
}

INSTANTIATE_TEST_SUITE_P(Both, FileSystemTest, testing::Values(true, false),
                         [](const auto& info) { return info.param ? "Real" : "Simulated"; });

}  // namespace
}  // namespace headrace
