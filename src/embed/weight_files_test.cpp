#include "embed/weight_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "embed/encoder.h"
#include "embed/test_model.h"

namespace headrace::embed {
namespace {

constexpr const char* kList = "model.safetensors.index.json";
constexpr const char* kParts[2] = {"model-00001-of-00002.safetensors",
                                   "model-00002-of-00002.safetensors"};

// A model whose tensors lie by turns in two files.
class WeightFiles : public testing::Test {
 protected:
  WeightFiles() {
    write_model(folder_, shape_, all_);
    std::filesystem::remove(folder_.path() + "/model.safetensors");
    TestTensors parts[2];
    std::vector<std::string> entries;
    size_t turn = 0;
    for (const auto& [name, tensor] : all_) {
      parts[turn][name] = tensor;
      entries.push_back(fmt::format(R"("{}":"{}")", name, kParts[turn]));
      turn = 1 - turn;
    }
    for (const size_t part : {0, 1}) folder_.write(kParts[part], safetensors_bytes(parts[part]));
    write_list(fmt::format("{}", fmt::join(entries, ",")));
  }
  void write_list(const std::string& entries) const {
    folder_.write(kList,
                  fmt::format(R"({{"metadata":{{"total_size":1}},"weight_map":{{{}}}}})", entries));
  }
  std::string failure() const {
    const auto weights = open_weights(folder_.path());
    return weights ? "opened" : weights.error().text();
  }

  const TestShape shape_;
  const TestTensors all_ = random_tensors(shape_);
  const TemporaryFolder folder_;
};

TEST_F(WeightFiles, SeveralMakeTheSameModelAsOne) {
  const TemporaryFolder whole;
  write_model(whole, shape_, all_);
  EXPECT_EQ(*weight_files(whole.path()), std::vector<std::string>{"model.safetensors"});
  EXPECT_EQ(*weight_files(folder_.path()), (std::vector<std::string>{kParts[0], kParts[1]}));
  const auto one = Encoder::load(files_of(whole));
  const auto several = Encoder::load(files_of(folder_));
  ASSERT_TRUE(one && several);
  EXPECT_EQ((*one)->info().fingerprint, (*several)->info().fingerprint);
}

TEST_F(WeightFiles, WithoutEitherTheOneFileIsMissing) {
  const TemporaryFolder empty;
  EXPECT_EQ(*weight_files(empty.path()), std::vector<std::string>{"model.safetensors"});
  const auto weights = open_weights(empty.path());
  ASSERT_FALSE(weights);
  EXPECT_EQ(weights.error().code(), ErrorCode::not_found);
}

TEST_F(WeightFiles, SaysWhatIsWrongWithAList) {
  const std::string first = all_.begin()->first;
  const std::pair<std::string, const char*> cases[] = {
      {"", "lists no tensors"},
      {R"("a":3)", "\"a\" is in no file of the folder"},
      {R"("a":"../part.safetensors")", "in no file of the folder"},
      {R"("a":"..")", "in no file of the folder"},
      {R"("a":"")", "in no file of the folder"},
      {R"("a":"nowhere.safetensors")", "nowhere.safetensors"},
      {fmt::format(R"("a":"{}")", kParts[0]), "\"a\", which it does not"},
      {fmt::format(R"("{}":"{}","b":"{}")", first, kParts[1], kParts[0]), "which it does not"},
  };
  for (const auto& [entries, words] : cases) {
    write_list(entries);
    EXPECT_TRUE(failure().contains(words)) << entries << ": " << failure();
  }
  folder_.write(kList, "[]");
  EXPECT_TRUE(failure().contains(kList)) << failure();
}

TEST_F(WeightFiles, ATensorIsInOneFileOnly) {
  folder_.write(kParts[1], safetensors_bytes(all_));
  EXPECT_TRUE(failure().contains("is in")) << failure();
  EXPECT_TRUE(failure().contains(kParts[0])) << failure();
}

TEST_F(WeightFiles, ACutFileIsNamed) {
  folder_.write(kParts[1], "version https://git-lfs.github.com/spec/v1\noid");
  EXPECT_TRUE(failure().contains(kParts[1])) << failure();
  EXPECT_TRUE(failure().contains("Git LFS")) << failure();
}

}  // namespace
}  // namespace headrace::embed
