#include "embed/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "embed/test_model.h"

namespace headrace::embed {
namespace {

std::string with_header(const std::string& json, size_t data_bytes) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(json.size() >> (8 * i) & 0xff);
  return bytes + json + std::string(data_bytes, '\0');
}

std::string error_of(const std::string& bytes) {
  const auto parsed = parse_safetensors(bytes, "model.safetensors");
  return parsed ? "accepted" : parsed.error().message();
}

TEST(SafeTensors, AcceptsAWellFormedFile) {
  const auto parsed =
      parse_safetensors(with_header(R"({"__metadata__":{"format":"pt"},)"
                                    R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                                    R"("b":{"dtype":"I64","shape":[],"data_offsets":[24,32]}}   )",
                                    32),
                        "f");
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->size(), 2u);
  EXPECT_EQ(parsed->at("a").count(), 6u);
  EXPECT_EQ(parsed->at("b").count(), 1u);
  EXPECT_EQ(parsed->at("b").type, TensorType::other);
}

TEST(SafeTensors, NamesWhatIsWrongWithTheHeader) {
  const std::string tensor = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const std::pair<std::string, const char*> cases[] = {
      {"", "too few"},
      {"1234567", "too few"},
      {std::string(8, '\xff'), "claims"},
      {std::string("\x64\0\0\0\0\0\0\0", 8), "claims 100 bytes"},
      {"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"},
      {with_header("", 0), "not a JSON object"},
      {with_header("[]", 0), "not a JSON object"},
      {with_header("{\"a\":", 0), "not a JSON object"},
      {with_header(R"({"a":1})", 0), "\"a\": has no dtype"},
      {with_header(R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", 8), "F31"},
      {with_header(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8), "no shape"},
      {with_header(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8), "dimension"},
      {with_header(R"({"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}})", 8), "dimension"},
      {with_header(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,16],)"
                   R"("data_offsets":[0,8]}})",
                   8),
       "2^64"},
      {with_header(R"({"a":{"dtype":"F32","shape":[4611686018427387905],)"
                   R"("data_offsets":[0,4]}})",
                   4),
       "does not take"},
      {with_header(R"({"a":{"dtype":"F32","shape":[2]}})", 8), "data_offsets"},
      {with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8), "data_offsets"},
      {with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8), "cut short"},
      {with_header(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8),
       "does not take"},
      {with_header(tensor, 7), "cut short"},
      {with_header(tensor, 9), "1 bytes follow"},
      {with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                   R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                   12),
       "\"b\": overlaps"},
      {with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12), "hole"},
      {with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                   R"("a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
                   16),
       "twice"},
  };
  for (const auto& [bytes, want] : cases) {
    const std::string message = error_of(bytes);
    EXPECT_NE(message.find(want), std::string::npos) << message;
    EXPECT_NE(message.find("model.safetensors"), std::string::npos) << message;
  }
}

TEST(SafeTensors, DeepNestingIsRefusedNotFollowed) {
  EXPECT_NE(error_of(with_header(std::string(100000, '['), 0)), "accepted");
}

TEST(SafeTensors, ReadsEveryFloatType) {
  for (const char* type : {"F32", "F16", "BF16"}) {
    const TemporaryFolder folder;
    folder.write("m", safetensors_bytes({{"t", {type, {2, 2}, {1.5f, -2.0f, 0.0f, 0.25f}}}}));
    const auto file = SafeTensors::open(folder.path() + "/m");
    ASSERT_TRUE(file) << file.error().message();
    std::vector<float> got;
    const uint64_t shape[] = {2, 2};
    ASSERT_TRUE(file->read("t", shape, 2, [&](uint64_t first, std::span<const float> part) {
      EXPECT_EQ(first, got.size());
      got.insert(got.end(), part.begin(), part.end());
    }));
    EXPECT_EQ(got, (std::vector<float>{1.5f, -2.0f, 0.0f, 0.25f})) << type;
  }
}

TEST(SafeTensors, ReadsInPiecesOfWholeRows) {
  const TemporaryFolder folder;
  std::vector<float> values(3 * SafeTensors::kPieceElements / 2 / 100 * 100);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  folder.write("m", safetensors_bytes({{"t", {"F32", {values.size() / 100, 100}, values}}}));
  const auto file = SafeTensors::open(folder.path() + "/m");
  ASSERT_TRUE(file);
  const uint64_t shape[] = {values.size() / 100, 100};
  std::vector<float> got;
  int pieces = 0;
  ASSERT_TRUE(file->read("t", shape, 100, [&](uint64_t, std::span<const float> part) {
    EXPECT_EQ(part.size() % 100, 0u);
    got.insert(got.end(), part.begin(), part.end());
    ++pieces;
  }));
  EXPECT_EQ(got, values);
  EXPECT_GT(pieces, 1);
}

TEST(SafeTensors, NamesTheTensorThatCannotBeUsed) {
  const TemporaryFolder folder;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  folder.write("m", safetensors_bytes({{"bad", {"F32", {3}, {1, nan, 2}}},
                                       {"huge", {"F16", {1}, {1e9f}}},
                                       {"good", {"F32", {2, 1}, {1, 2}}}}));
  const auto file = SafeTensors::open(folder.path() + "/m");
  ASSERT_TRUE(file) << file.error().message();
  const auto read = [&](const char* name, std::vector<uint64_t> shape) {
    const Status status = file->read(name, shape, 1, [](uint64_t, std::span<const float>) {});
    return status ? Error(ErrorCode::internal, "read") : status.error();
  };
  EXPECT_EQ(read("bad", {3}).code(), ErrorCode::damaged);
  EXPECT_NE(read("bad", {3}).message().find("\"bad\": holds nan at element 1"), std::string::npos);
  EXPECT_NE(read("huge", {1}).message().find("inf"), std::string::npos);
  EXPECT_NE(read("good", {1, 2}).message().find("has shape [2, 1], config.json asks for [1, 2]"),
            std::string::npos);
  EXPECT_NE(read("none", {1}).message().find("\"none\" is missing"), std::string::npos);
}

TEST(SafeTensors, AFileCutAfterOpeningIsAnError) {
  const TemporaryFolder folder;
  const std::string bytes = safetensors_bytes({{"t", {"F32", {4}, {1, 2, 3, 4}}}});
  folder.write("m", bytes);
  const auto file = SafeTensors::open(folder.path() + "/m");
  ASSERT_TRUE(file);
  folder.write("m", bytes.substr(0, bytes.size() - 4));
  const uint64_t shape[] = {4};
  const Status status = file->read("t", shape, 1, [](uint64_t, std::span<const float>) {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::damaged);
}

TEST(SafeTensors, OpenSaysWhatIsNotThere) {
  const auto missing = SafeTensors::open("/nonexistent/model.safetensors");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::not_found);
  const TemporaryFolder folder;
  EXPECT_FALSE(SafeTensors::open(folder.path()));
}

}  // namespace
}  // namespace headrace::embed
