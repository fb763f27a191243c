// A merge of columns gives, byte for byte, what building from the rows that stay would give.
#include <gtest/gtest.h>

#include <random>

#include "index/columns.h"

namespace headrace::index {
namespace {

Row random_row(std::mt19937& random, uint32_t position) {
  const auto one_of = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  Row row;
  row.source = "file " + std::to_string(one_of(40));
  row.position = position;
  if (one_of(3) == 0) row.title = "title " + std::to_string(one_of(1000));
  if (one_of(50) == 0) row.page = static_cast<int32_t>(1 + one_of(9));
  if (one_of(4) == 0) row.start_s = one_of(1000) / 8.0;
  row.metadata["id"] = "id" + std::to_string(random());
  if (one_of(2) == 0) row.metadata["flag"] = one_of(2) == 0;
  if (one_of(2) == 0) {
    row.metadata["number"] = static_cast<int64_t>(random()) - (int64_t{1} << 31);
  } else {
    row.metadata["number"] = one_of(100) / 16.0;
  }
  if (one_of(90) == 0) row.metadata["rare"] = std::numeric_limits<int64_t>::min() + one_of(2);
  if (one_of(90) == 0) row.metadata["rare"] = std::numeric_limits<int64_t>::max();
  if (one_of(3) == 0) {
    std::vector<std::string> list(one_of(4));
    for (std::string& text : list) text = "tag" + std::to_string(one_of(20));
    row.metadata["tags"] = list;
  }
  if (one_of(3) == 0) {
    std::vector<int64_t> list(one_of(4));
    for (int64_t& item : list) item = int64_t{one_of(2000)} - 1000;
    row.metadata["years"] = list;
  } else if (one_of(3) == 0) {
    row.metadata["years"] = std::vector<double>{0.5, one_of(9) / 4.0};
  }
  if (one_of(40) == 0) row.metadata["none"] = std::vector<int64_t>();
  if (one_of(5) == 0) row.metadata["flags"] = std::vector<bool>(one_of(4), one_of(2) == 0);
  return row;
}

std::string built(const std::vector<Row>& rows) {
  ColumnsBuilder builder;
  for (uint32_t row = 0; row < rows.size(); ++row) builder.add(row, rows[row]);
  StringSink sink;
  EXPECT_TRUE(builder.finish(sink));
  return sink.take();
}

struct Part {
  std::string bytes;
  std::vector<uint32_t> row_map;
};

std::string merged(const std::vector<Part>& parts, Status& status) {
  std::vector<Columns> columns;
  for (const Part& part : parts) {
    auto opened = Columns::open(part.bytes);
    EXPECT_TRUE(opened);
    columns.push_back(std::move(*opened));
  }
  std::vector<MergeInput<Columns>> inputs;
  for (size_t i = 0; i < parts.size(); ++i) inputs.push_back({&columns[i], parts[i].row_map});
  StringSink sink;
  status = merge_columns(inputs, sink);
  return sink.take();
}

TEST(ColumnsMerge, GivesWhatTheRowsThatStayWouldGive) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    std::vector<Part> parts;
    std::vector<Row> kept;
    for (size_t part = 0; part < 1 + seed % 5; ++part) {
      std::vector<Row> rows;
      Part& added = parts.emplace_back();
      for (uint32_t i = 0; i < random() % 700; ++i) {
        rows.push_back(random_row(random, i));
        if (random() % 3 == 0) {
          added.row_map.push_back(kDroppedRow);
        } else {
          added.row_map.push_back(static_cast<uint32_t>(kept.size()));
          kept.push_back(rows.back());
        }
      }
      added.bytes = built(rows);
    }
    Status status;
    const std::string bytes = merged(parts, status);
    ASSERT_TRUE(status) << status.error().text();
    EXPECT_EQ(bytes, built(kept)) << "seed " << seed;
  }
}

// Texts whose order was damaged would make a dictionary that no search can trust.
TEST(ColumnsMerge, DamagedTextsAreNotMerged) {
  std::vector<Row> rows(2);
  rows[0].metadata["name"] = std::string("aaaa");
  rows[1].metadata["name"] = std::string("bbbb");
  rows[1].position = 1;
  Part part{built(rows), {0, 1}};
  part.bytes.replace(part.bytes.find("aaaabbbb"), 4, "zzzz");
  Status status;
  merged({part}, status);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::damaged);
  EXPECT_NE(status.error().message().find("'name'"), std::string::npos);
}

}  // namespace
}  // namespace headrace::index
