#include "embed/static_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "embed/safetensors.h"
#include "embed/test_model.h"
#include "env/simulated_file_system.h"

namespace headrace::embed {
namespace {

StaticTable small_table() {
  StaticTable table;
  table.dimension = 3;
  table.rows = 4;
  table.normalize = true;
  const float values[] = {1, 0, 0, 0, 2, 0, -1, 0, 0, 9, 9, 9};
  for (const float value : values) table.values.push_back(to_half(value));
  table.used = {1, 1, 1, 0};
  return table;
}

std::vector<float> embed(const StaticModel& model, const std::vector<int32_t>& ids) {
  std::vector<float> out(model.dimension());
  model.embed(ids, out);
  return out;
}

TEST(StaticModel, IsTheMeanOfItsTokens) {
  const StaticModel model(small_table());
  const auto both = embed(model, {0, 1});
  EXPECT_NEAR(both[0], 1 / std::sqrt(5.0), 1e-6);
  EXPECT_NEAR(both[1], 2 / std::sqrt(5.0), 1e-6);
  EXPECT_EQ(embed(model, {0, 3, 99, -1}), (std::vector<float>{1, 0, 0}));
  StaticTable plain = small_table();
  plain.normalize = false;
  EXPECT_EQ(embed(StaticModel(plain), {0, 1, 3}), (std::vector<float>{0.5, 1, 0}));
}

TEST(StaticModel, ATextThatSaysNothingHasStillADirection) {
  const StaticModel model(small_table());
  const std::vector<float> least = {0, 0, 1};
  EXPECT_EQ(embed(model, {}), least);
  EXPECT_EQ(embed(model, {3, 3}), least);
  EXPECT_EQ(embed(model, {0, 2}), least);  // cancels
}

TEST(StaticTable, ComesBackAsItWasStored) {
  const StaticTable table = small_table();
  const auto read = StaticTable::decode(table.encode("me"), "me", "file");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->values, table.values);
  EXPECT_EQ(read->used, table.used);
  EXPECT_EQ(read->dimension, 3U);
  EXPECT_TRUE(read->normalize);
}

TEST(StaticTable, DamageAnywhereIsFound) {
  const std::string bytes = small_table().encode("me");
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(StaticTable::decode(damaged, "me", "file")) << "byte " << i;
    EXPECT_FALSE(StaticTable::decode(bytes.substr(0, i), "me", "file")) << "cut at " << i;
  }
  EXPECT_FALSE(StaticTable::decode(bytes, "another", "file"));
}

TEST(StaticTable, IsKeptWholeOrNotAtAll) {
  SimulatedFileSystem files;
  const StaticTable table = small_table();
  EXPECT_EQ(load_static_table(files, "/cache/headrace", "me").error().code(), ErrorCode::not_found);
  for (uint64_t fault = 0; fault < 40; ++fault) {
    SimulatedFileSystem disk;
    disk.cut_power_at_change(fault);
    const bool saved = save_static_table(disk, "/cache", "me", table).has_value();
    const auto after = disk.after_power_cut(fault);
    const auto found = load_static_table(*after, "/cache", "me");
    if (!found) {
      EXPECT_EQ(found.error().code(), ErrorCode::not_found) << found.error().text();
    }
    if (saved) break;
  }
  files.fail_all_changes(SimulatedFault::no_space);
  EXPECT_FALSE(save_static_table(files, "/cache/headrace", "me", table));
  files.heal();
  ASSERT_TRUE(save_static_table(files, "/cache/headrace", "me", table));
  ASSERT_TRUE(save_static_table(files, "/cache/headrace", "me", table));
  const auto read = load_static_table(files, "/cache/headrace", "me");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->values, table.values);
  EXPECT_EQ(files.list("/cache/headrace")->size(), 1U);
}

// A folder in Model2Vec's layout.
class StaticFolder : public testing::Test {
 protected:
  StaticFolder() {
    folder_.write("config.json", R"({"model_type":"model2vec","normalize":true})");
    folder_.write("tokenizer.json", "{}");
    write({{"embeddings", table()}});
  }

  static TestTensor table() { return {"F32", {3, 2}, {1, 0, 0, 1, 3, 4}}; }
  void write(const TestTensors& tensors) {
    folder_.write("model.safetensors", safetensors_bytes(tensors));
  }
  Result<StaticTable> read(const std::vector<int32_t>& skipped = {}) {
    return read_static_folder(files_of(folder_), skipped, fingerprint_);
  }
  ErrorCode code() {
    const auto table = read();
    if (table) return ErrorCode::internal;
    EXPECT_NE(table.error().message().find("model.safetensors"), std::string::npos);
    return table.error().code();
  }

  TemporaryFolder folder_;
  std::string fingerprint_;
};

TEST_F(StaticFolder, IsRead) {
  EXPECT_TRUE(is_static_folder(folder_.path()));
  const auto table = read({1});
  ASSERT_TRUE(table) << table.error().text();
  EXPECT_TRUE(table->normalize);
  const StaticModel model(*table);
  EXPECT_EQ(embed(model, {2, 1}), (std::vector<float>{0.6f, 0.8f}));
  const std::string before = fingerprint_;
  folder_.write("config.json", R"({"model_type":"model2vec"})");
  ASSERT_TRUE(read());
  EXPECT_NE(fingerprint_, before);
  EXPECT_FALSE(read()->normalize);
}

TEST_F(StaticFolder, WeightsOfTokensCount) {
  write(
      {{"embeddings", {"F16", {3, 2}, {1, 0, 0, 1, 3, 4}}}, {"weights", {"F32", {3}, {2, 1, 0}}}});
  const auto table = read();
  ASSERT_TRUE(table) << table.error().text();
  EXPECT_EQ(from_half(table->values[0]), 2.0f);
  EXPECT_EQ(from_half(table->values[5]), 0.0f);
}

TEST_F(StaticFolder, AMappingLeadsTokensToRows) {
  std::string bytes = R"({"embeddings":{"dtype":"I8","shape":[2,2],"data_offsets":[0,4]},)"
                      R"("mapping":{"dtype":"I64","shape":[3],"data_offsets":[4,28]}})";
  while (bytes.size() % 8 != 0) bytes += ' ';
  const uint64_t size = bytes.size();
  bytes.insert(0, reinterpret_cast<const char*>(&size), 8);
  const int8_t rows[] = {1, 0, 0, -2};
  int64_t mapping[] = {1, 0, 1};
  bytes.append(reinterpret_cast<const char*>(rows), 4);
  bytes.append(reinterpret_cast<const char*>(mapping), 24);
  folder_.write("model.safetensors", bytes);
  const auto table = read();
  ASSERT_TRUE(table) << table.error().text();
  EXPECT_EQ(table->rows, 3U);
  EXPECT_EQ(from_half(table->values[1]), -2.0f);
  EXPECT_EQ(from_half(table->values[2]), 1.0f);
  mapping[2] = 2;
  bytes.replace(bytes.size() - 24, 24, reinterpret_cast<const char*>(mapping), 24);
  folder_.write("model.safetensors", bytes);
  EXPECT_EQ(code(), ErrorCode::damaged);
}

TEST_F(StaticFolder, DamageIsNamed) {
  write({{"embeddings", table()}, {"weights", {"F32", {2}, {1, 1}}}});
  EXPECT_EQ(code(), ErrorCode::damaged);
  write({{"embeddings", {"F32", {6}, {1, 0, 0, 1, 3, 4}}}});
  EXPECT_EQ(code(), ErrorCode::damaged);
  write({{"embeddings", {"F32", {1, 2}, {1, std::nanf("")}}}});
  EXPECT_EQ(code(), ErrorCode::damaged);
  write({{"embeddings", {"F32", {1, 2}, {1, 1e9f}}}});
  EXPECT_EQ(code(), ErrorCode::damaged);
  write({{"other", table()}});
  EXPECT_EQ(code(), ErrorCode::damaged);
  EXPECT_FALSE(is_static_folder(folder_.path()));
  write({{"embeddings", table()}});
  folder_.write("config.json", R"({"normalize":"yes"})");
  EXPECT_FALSE(read());
}

}  // namespace
}  // namespace headrace::embed
