// The best rows over many windows and segments against looking every row up.
#include "index/bm25_windows.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <random>
#include <string>

#include "base/check.h"
#include "index/query.h"
#include "index/section.h"
#include "runtime/thread_pool.h"

namespace headrace::index {
namespace {

constexpr uint32_t kWords = 40;

std::string word(uint32_t number) {
  return "w" + std::to_string(number);
}

struct Segment {
  std::string bytes;
  std::unique_ptr<Postings> postings;
  std::vector<uint64_t> allowed;
};

// Words from rare to common; rows are short, so that many score the same.
Segment make_segment(std::mt19937& random, uint32_t rows, bool narrowed) {
  PostingsBuilder builder("none");
  for (uint32_t row = 0; row < rows; ++row) {
    std::string text;
    for (uint32_t i = 1 + random() % 6; i > 0; --i) {
      const uint32_t number = random() % (1 + random() % (1 + random() % kWords));
      for (uint32_t times = random() % 30 == 0 ? 12 : 1; times > 0; --times) {
        text += word(number) + " ";
      }
    }
    // Words of their own for a few neighbours.
    if (row % 9000 < 20) text += "rare" + std::to_string(row % 7);
    builder.add(row, "", text);
  }
  Segment segment;
  StringSink sink;
  HR_CHECK(builder.finish(sink), "postings are written");
  segment.bytes = sink.take();
  auto postings = Postings::open(segment.bytes);
  HR_CHECK(postings, "postings can be read");
  segment.postings = std::make_unique<Postings>(std::move(*postings));
  if (narrowed) {
    segment.allowed.resize(rows / 64 + 1);
    for (uint64_t& bits : segment.allowed) bits = random() & random();
  }
  return segment;
}

class Bm25Windows : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    std::mt19937 random(11);
    for (const uint32_t rows : {700u, 60'000u, 25'000u}) {
      segments_.push_back(make_segment(random, rows, GetParam()));
      views_.push_back({rows, segments_.back().postings.get(), nullptr, nullptr, {}});
    }
    for (const Segment& segment : segments_) allowed_.push_back(segment.allowed);
  }

  Bm25Query prepare(const std::string& text) const {
    return *Bm25Query::prepare(views_, *plan_query(views_, plain_query(text), 0));
  }

  std::vector<Bm25Query::Top::Entry> looked_up(const Bm25Query& query, size_t k) const {
    Bm25Query::Top top(k);
    for (uint32_t segment = 0; segment < segments_.size(); ++segment) {
      std::vector<uint32_t> rows(views_[segment].row_count);
      std::iota(rows.begin(), rows.end(), 0u);
      std::vector<uint32_t> scores(rows.size());
      HR_CHECK(query.score_rows(segment, rows, scores), "postings can be read");
      for (const uint32_t row : rows) {
        const std::vector<uint64_t>& bits = allowed_[segment];
        if (!bits.empty() && ((bits[row / 64] >> (row % 64)) & 1) == 0) continue;
        if (scores[row] > 0) top.add(scores[row], segment, row);
      }
    }
    return top.take();
  }

  std::vector<Segment> segments_;
  std::vector<SegmentView> views_;
  std::vector<std::vector<uint64_t>> allowed_;
};

void expect_same(const std::vector<Bm25Query::Top::Entry>& found,
                 const std::vector<Bm25Query::Top::Entry>& expected, const std::string& query) {
  ASSERT_EQ(found.size(), expected.size()) << query;
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].score, expected[i].score) << query << " at " << i;
    ASSERT_EQ(found[i].segment, expected[i].segment) << query << " at " << i;
    ASSERT_EQ(found[i].row, expected[i].row) << query << " at " << i;
  }
}

TEST_P(Bm25Windows, OneThreadAndTwoFindTheBestRows) {
  std::mt19937 random(5);
  ThreadPool pool(2);
  for (int round = 0; round < 60; ++round) {
    std::string text = round % 3 == 0 ? "rare" + std::to_string(random() % 7) : "";
    for (uint32_t i = random() % 5 + (text.empty() ? 1 : 0); i > 0; --i) {
      text += " " + word(random() % kWords);
    }
    const Bm25Query query = prepare(text);
    const size_t k = round % 2 == 0 ? 10 : 100;
    const auto expected = looked_up(query, k);
    Bm25Query::Top top(k);
    Bm25Search alone(segments_.size());
    ASSERT_TRUE(query.add_best(allowed_, alone, top));
    expect_same(top.take(), expected, text);

    std::array<Bm25Query::Top, 3> tops = {Bm25Query::Top(k), Bm25Query::Top(k), Bm25Query::Top(k)};
    Bm25Search shared(segments_.size());
    pool.parallel_for(3, [&](size_t i) { EXPECT_TRUE(query.add_best(allowed_, shared, tops[i])); });
    for (size_t i = 1; i < tops.size(); ++i) {
      for (const auto& entry : tops[i].take()) tops[0].add(entry.score, entry.segment, entry.row);
    }
    expect_same(tops[0].take(), expected, text);
  }
}

INSTANTIATE_TEST_SUITE_P(AllRowsAndSome, Bm25Windows, testing::Bool());

}  // namespace
}  // namespace headrace::index
