// The past: which states are kept, that they can be read, and that no clock can disturb the
// present.
#include "index/history.h"

#include <gtest/gtest.h>

#include <map>

#include "index/store_model.h"

namespace headrace::index::testing {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kStart = 1'780'000'000 * kSecond;

DocumentWrite document(const std::string& source, const std::string& text) {
  DocumentWrite write;
  write.source = source;
  Row row;
  row.key = row_key(source, 0);
  row.source = source;
  row.text = text;
  write.rows.push_back(std::move(row));
  return write;
}

std::string texts(const Snapshot& snapshot) {
  std::string all;
  for (const auto& [source, document] : read_state(snapshot).documents)
    all += source + "=" + document.rows.at(0).text + " ";
  return all;
}

struct Base {
  SimulatedFileSystem files;
  std::unique_ptr<Writer> writer;

  explicit Base(const History& history = {}) {
    files.set_now_ns(kStart);
    WriterOptions options;
    options.background = false;
    writer = std::move(*Writer::open(files, kFolder, options));
    EXPECT_TRUE(writer->set_history(history));
  }
  // The number of the manifest that holds it.
  uint64_t write(const std::string& source, const std::string& text) {
    EXPECT_TRUE(writer->put(document(source, text)));
    EXPECT_TRUE(writer->flush());
    return writer->snapshot()->info().manifest;
  }
  std::string at(const std::string& moment) {
    const auto snapshot = snapshot_at(files, kFolder, moment);
    return snapshot ? texts(**snapshot) : snapshot.error().text();
  }
};

TEST(StoreHistory, NothingIsKeptUnlessAskedFor) {
  Base base;
  const uint64_t first = base.write("a", "one");
  base.write("a", "two");
  EXPECT_EQ(past_states(base.files, kFolder)->size(), 1U);
  EXPECT_NE(base.at(std::to_string(first)).find("has kept no state"), std::string::npos);
}

TEST(StoreHistory, TheLastStatesAreKeptByCount) {
  Base base({2, 0});
  const uint64_t first = base.write("a", "one");
  const uint64_t second = base.write("b", "two");
  const uint64_t third = base.write("a", "three");
  ASSERT_TRUE(base.writer->remove("b"));
  ASSERT_TRUE(base.writer->flush());
  EXPECT_EQ(base.at(std::to_string(second)), "a=one b=two ");
  EXPECT_EQ(base.at(std::to_string(third)), "a=three b=two ");
  EXPECT_EQ(texts(*base.writer->snapshot()), "a=three ");
  EXPECT_NE(base.at(std::to_string(first)).find("has kept no state"), std::string::npos);
  EXPECT_EQ(past_states(base.files, kFolder)->size(), 3U);
  EXPECT_TRUE(verify(base.files, kFolder)->ok());
  // Less is kept from here on.
  ASSERT_TRUE(base.writer->set_history({}));
  EXPECT_EQ(past_states(base.files, kFolder)->size(), 1U);
  EXPECT_EQ(texts(*base.writer->snapshot()), "a=three ");
}

TEST(StoreHistory, AStateIsFoundByTime) {
  Base base({0, 3600});
  base.files.set_now_ns(kStart + 100 * kSecond);
  base.write("a", "one");
  base.files.set_now_ns(kStart + 200 * kSecond);
  base.write("a", "two");
  const std::string day = "2026-05-28T20:";  // kStart is 20:26:40
  EXPECT_EQ(base.at(day + "28:21Z"), "a=one ");
  EXPECT_EQ(base.at(day + "29:59Z"), "a=one ");
  EXPECT_EQ(base.at(day + "30:00Z"), "a=two ");
  EXPECT_NE(base.at("2020-01-01").find("has kept no state"), std::string::npos);
  EXPECT_NE(base.at("yesterday").find("neither a number nor a time"), std::string::npos);
  // An hour later the old ones go with the next state.
  base.files.set_now_ns(kStart + 3750 * kSecond);
  base.write("a", "three");
  EXPECT_NE(base.at(day + "29:59Z").find("has kept no state"), std::string::npos);
  EXPECT_EQ(base.at(day + "30:00Z"), "a=two ");
}

TEST(StoreHistory, AllOfTheSnapshotStaysWhenTheWriterKeepsLess) {
  Base base({3, 0});
  const uint64_t first = base.write("a", "one");
  base.write("a", "two");
  const auto past = snapshot_at(base.files, kFolder, std::to_string(first));
  ASSERT_TRUE(past);
  ASSERT_TRUE(base.writer->set_history({}));
  ASSERT_TRUE(base.writer->optimize());
  EXPECT_EQ(texts(**past), "a=one ");
}

// Whatever the clock says, later writes win, and readers see what was acknowledged.
TEST(StoreHistory, AClockThatJumpsChangesNoOrder) {
  Base base({100, 0});
  std::map<uint64_t, std::string> states;
  const int64_t jumps[] = {0, 500, -100'000'000, 7, 900'000'000, -900'000'000, 1, -1'780'000'000};
  int64_t now = 0;
  for (const int64_t jump : jumps) {
    now += jump;
    base.files.set_now_ns(kStart + now * kSecond);
    const std::string text = "text " + std::to_string(jump);
    const uint64_t number = base.write("a", text);
    EXPECT_TRUE(states.empty() || number > states.rbegin()->first);
    states[number] = "a=" + text + " ";
    ASSERT_TRUE(base.writer->put(document("b", text)));
    ASSERT_TRUE(base.writer->commit());
    auto reader = Reader::open(base.files, kFolder);
    ASSERT_TRUE(reader);
    EXPECT_EQ(texts(**(*reader)->snapshot()), "a=" + text + " b=" + text + " ");
    ASSERT_TRUE(base.writer->remove("b"));
    ASSERT_TRUE(base.writer->commit());
  }
  for (const auto& [number, text] : states) EXPECT_EQ(base.at(std::to_string(number)), text);
  base.writer.reset();
  auto again = Writer::open(base.files, kFolder, {});
  ASSERT_TRUE(again);
  EXPECT_EQ(texts(*(*again)->snapshot()), states.rbegin()->second);
}

TEST(StoreHistory, KeptStatesSurviveAPowerCutAnywhere) {
  Base base({2, 0});
  std::map<uint64_t, std::string> states;
  std::string now;
  base.files.before_change([&](uint64_t number) {
    const auto cut = base.files.after_power_cut(number);
    const auto past = past_states(*cut, kFolder);
    ASSERT_TRUE(past) << past.error().text();
    size_t known = 0;
    for (const PastState& state : *past) {
      const auto snapshot = snapshot_at(*cut, kFolder, std::to_string(state.manifest));
      ASSERT_TRUE(snapshot) << snapshot.error().text();
      if (!states.contains(state.manifest)) continue;  // the one being written
      EXPECT_EQ(texts(**snapshot), states[state.manifest]);
      ++known;
    }
    EXPECT_GE(known, std::min<size_t>(2, states.size()));
  });
  for (int i = 0; i < 8; ++i) {
    const std::string source = "s" + std::to_string(i % 3);
    const uint64_t number = base.write(source, "v" + std::to_string(i));
    states[number] = texts(*base.writer->snapshot());
  }
  ASSERT_TRUE(base.writer->optimize());
  base.files.before_change({});
  EXPECT_EQ(past_states(base.files, kFolder)->size(), 3U);
}

}  // namespace
}  // namespace headrace::index::testing
