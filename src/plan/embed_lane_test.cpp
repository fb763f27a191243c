#include "plan/embed_lane.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <latch>

#include "env/simulated_file_system.h"
#include "plan/space_filler.h"
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

// The most texts that the model had at once, of 600 that all waited while it did the first.
size_t most_at_once(const std::string& kind) {
  Fixture given(600, 1 << 10);
  CountingModel model(0, kind);
  std::latch all_wait(1);
  model.during = [&] { all_wait.wait(); };
  EmbedLane lane(model, *given.writer, "default", given.pool, 16 << 20, given.progress,
                 given.cancel);
  for (const auto& [key, text] : given.waiting) EXPECT_TRUE(lane.add(key, text));
  all_wait.count_down();
  EXPECT_TRUE(lane.finish());
  EXPECT_EQ(given.covered(), 600U);
  return model.most_at_once;
}

TEST(EmbedLane, WindowsOfWhatIsComputedHereAreSmall) {
  EXPECT_LE(most_at_once("encoder"), 64 * kThreads);
}

TEST(EmbedLane, OthersTakeManyRowsAtOnce) {
  EXPECT_GE(most_at_once("openai"), 300U);
}

TEST(SpaceFiller, OffersDoNotWaitAndWhatHadNoRoomFollows) {
  Fixture given(600, 1 << 10);
  const auto model = std::make_shared<CountingModel>(0, "encoder");
  std::latch held(1);
  model->during = [&] { held.wait(); };
  ThreadPool pool(kThreads);
  SpaceFiller filler(*given.writer, pool, 32 << 10, given.progress, given.cancel);
  filler.add("default", model);
  filler.start();
  for (const auto& [key, text] : given.waiting) ASSERT_TRUE(filler.offer(key, text));
  EXPECT_TRUE(filler.behind()) << "600 KiB do not fit";
  EXPECT_EQ(given.covered(), 0U);
  const Chunker chunker = Chunker::create(Tokenizer::without_model(), {}).value();
  ASSERT_TRUE(filler.catch_up_behind(chunker));
  EXPECT_TRUE(filler.behind()) << "nothing is given twice while the model is at it";
  held.count_down();
  while (filler.behind()) ASSERT_TRUE(filler.catch_up_behind(chunker));
  ASSERT_TRUE(filler.finish());
  EXPECT_EQ(given.covered(), 600U);
  for (const auto& [text, times] : model->computed()) EXPECT_EQ(times, 1) << text.substr(0, 8);
}

}  // namespace
}  // namespace headrace
