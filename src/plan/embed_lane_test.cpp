#include "plan/embed_lane.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <latch>

#include "env/simulated_file_system.h"
#include "plan/test_vector_model.h"

namespace headrace {
namespace {

constexpr size_t kThreads = 2;

// A knowledge base with `rows` rows of `bytes` each.
struct Fixture {
  explicit Fixture(size_t rows, size_t bytes) {
    index::WriterOptions options;
    options.background = false;
    writer = std::move(index::Writer::open(disk, "kb", options).value());
    index::Space space;
    space.name = "default";
    space.model = "counting";
    space.fingerprint = "counting";
    space.dimension = 2;
    EXPECT_TRUE(writer->add_space(space));
    index::DocumentWrite document;
    document.source = "d";
    for (uint32_t n = 0; n < rows; ++n) {
      Row row;
      row.source = "d";
      row.position = n;
      row.key = row_key("d", n);
      row.text = fmt::format("{:0{}}", n, bytes);
      document.rows.push_back(row);
      waiting.emplace_back(row.key, row.text);
    }
    EXPECT_TRUE(writer->put(std::move(document)));
    EXPECT_TRUE(writer->commit());
  }
  uint64_t covered() const { return writer->snapshot()->info().spaces.at(0).rows; }

  SimulatedFileSystem disk;
  std::unique_ptr<index::Writer> writer;
  std::vector<std::pair<std::string, std::string>> waiting;
  ThreadPool pool{kThreads};
  Progress progress;
  CancelToken cancel;
};

TEST(EmbedLane, WindowsOfWhatIsComputedHereAreSmall) {
  Fixture given(600, 1 << 10);
  const CountingModel model(0, "encoder");
  EmbedLane lane(model, *given.writer, "default", given.pool, 16 << 20, given.progress,
                 given.cancel);
  for (const auto& [key, text] : given.waiting) ASSERT_TRUE(lane.add(key, text));
  ASSERT_TRUE(lane.finish());
  EXPECT_EQ(given.covered(), 600U);
  EXPECT_LE(model.most_at_once, 64 * kThreads);
}

TEST(EmbedLane, OthersTakeManyRowsAtOnce) {
  Fixture given(600, 1 << 10);
  CountingModel model(0, "openai");
  std::latch all_wait(1);
  model.during = [&] { all_wait.wait(); };
  EmbedLane lane(model, *given.writer, "default", given.pool, 16 << 20, given.progress,
                 given.cancel);
  for (const auto& [key, text] : given.waiting) ASSERT_TRUE(lane.add(key, text));
  all_wait.count_down();
  ASSERT_TRUE(lane.finish());
  EXPECT_EQ(given.covered(), 600U);
  EXPECT_GE(model.most_at_once, 300U);  // 600 in two or three windows, the first of what was there
}

}  // namespace
}  // namespace headrace
