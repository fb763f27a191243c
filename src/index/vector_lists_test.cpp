// Vectors in lists: kernels against each other, estimates against exact products, recall on made
// data for every metric, filters, merges, damage.
#include "index/vector_lists.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "index/search_vectors.h"
#include "index/test_lists.h"
#include "index/vector_kernels.h"
#include "index/vectors_state.h"

namespace headrace::index {
namespace {

constexpr uint32_t kRows = 21'000;

class FastCodeKernels : public ::testing::TestWithParam<const CodeKernels* (*)()> {};
INSTANTIATE_TEST_SUITE_P(CodeKernels, FastCodeKernels,
                         ::testing::Values(&code_kernels_avx2, &code_kernels_avx512));

TEST_P(FastCodeKernels, AgreeWithPlainOnes) {
  const CodeKernels* const fast = GetParam()();
  if (fast == nullptr) GTEST_SKIP() << "this CPU does not have them";
  const CodeKernels& plain = code_kernels_scalar();
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const size_t pairs : {1UL, 3UL, 32UL, 256UL}) {
    std::vector<uint16_t> widths;
    size_t coded = 0;
    for (size_t g = 0; g < 2 * pairs; ++g) widths.push_back(static_cast<uint16_t>(random() % 4));
    for (const uint16_t width : widths) coded += width;
    std::vector<float> query(coded), book(coded * kCodeWords);
    for (float& x : query) x = normal(random);
    for (float& x : book) x = normal(random);
    std::vector<float> products(2 * pairs * kCodeWords);
    std::vector<uint8_t> a(products.size()), b(products.size());
    const CodeTable x = plain.make_table(query.data(), book.data(), widths.data(), widths.size(),
                                         products.data(), a.data());
    const CodeTable y = fast->make_table(query.data(), book.data(), widths.data(), widths.size(),
                                         products.data(), b.data());
    EXPECT_NEAR(x.scale, y.scale, 1e-4f);
    EXPECT_NEAR(x.offset, y.offset, 1e-2f);
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1);
    constexpr size_t kBlocks = 7;
    std::vector<uint8_t> blocks(kBlocks * code_block_bytes(pairs));
    for (size_t block = 0; block < kBlocks; ++block) {
      uint8_t* const at = blocks.data() + block * code_block_bytes(pairs);
      for (size_t i = 0; i < pairs * 32; ++i) at[i] = static_cast<uint8_t>(random());
      for (size_t i = 0; i < 2 * kCodesPerBlock; ++i) {
        const float value = normal(random);
        std::memcpy(at + pairs * 32 + i * 4, &value, 4);
      }
    }
    std::vector<uint32_t> places(kBlocks * 32), others(kBlocks * 32);
    std::vector<float> values(kBlocks * 32), other_values(kBlocks * 32);
    const float all = -1e30f;
    ASSERT_EQ(
        plain.scan(blocks.data(), kBlocks, pairs, a.data(), x, all, places.data(), values.data()),
        kBlocks * 32);
    ASSERT_EQ(fast->scan(blocks.data(), kBlocks, pairs, a.data(), x, all, others.data(),
                         other_values.data()),
              kBlocks * 32);
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(places[i], others[i]);
      EXPECT_NEAR(values[i], other_values[i], 1e-3f * (1 + std::fabs(values[i])));
    }
    const float floor = values[17];
    const size_t some = plain.scan(blocks.data(), kBlocks, pairs, a.data(), x, floor - 1e-3f,
                                   places.data(), values.data());
    EXPECT_NEAR(static_cast<double>(some),
                static_cast<double>(fast->scan(blocks.data(), kBlocks, pairs, a.data(), x,
                                               floor - 1e-3f, others.data(), other_values.data())),
                2);
    EXPECT_LT(some, kBlocks * 32);
  }
  for (const size_t dimension : {1UL, 7UL, 8UL, 31UL, 32UL, 100UL, 384UL}) {
    std::vector<int8_t> high(dimension);
    std::vector<int16_t> whole(dimension);
    std::vector<float> query(dimension);
    std::vector<uint8_t> low((dimension * 3 + 7) / 8 + 8);
    for (auto& h : high) h = static_cast<int8_t>(random());
    for (auto& w : whole) w = static_cast<int16_t>(random() % 8192) - 4096;
    for (auto& l : low) l = static_cast<uint8_t>(random());
    for (auto& x : query) x = normal(random);
    EXPECT_EQ(plain.dot_bytes(high.data(), whole.data(), dimension),
              fast->dot_bytes(high.data(), whole.data(), dimension));
    EXPECT_NEAR(plain.dot_split(high.data(), low.data(), query.data(), dimension),
                fast->dot_split(high.data(), low.data(), query.data(), dimension), 0.5f);
  }
  const uint16_t widths[] = {3, 0, 1, 5};
  std::vector<float> values(9), codebook(9 * kCodeWords), halves(4 * kCodeWords);
  for (int round = 0; round < 20; ++round) {
    for (float& x : values) x = normal(random);
    for (float& x : codebook) x = normal(random);
    for (float& x : halves) x = normal(random);
    uint8_t a[4];
    uint8_t b[4];
    plain.choose_words(values.data(), codebook.data(), halves.data(), widths, 4, a);
    fast->choose_words(values.data(), codebook.data(), halves.data(), widths, 4, b);
    EXPECT_EQ(std::vector(a, a + 4), std::vector(b, b + 4));
  }
}

TEST(VectorLists, KeepVectorsAndRows) {
  const auto rows = made_rows(kRows, 48, 2, true);
  Both both(rows, 48, Metric::cosine);
  ASSERT_NE(both.listed->state().lists, nullptr);
  EXPECT_FALSE(both.listed->wants_lists());
  EXPECT_TRUE(both.flat->wants_lists());
  ASSERT_EQ(both.listed->count(), kRows);
  EXPECT_TRUE(both.listed->check());
  std::vector<float> values(48);
  for (uint32_t row = 0; row < kRows; row += 97) {
    ASSERT_EQ(both.listed->row_at(row), row);
    ASSERT_TRUE(both.listed->vector(row, values));
    const float error = vector_kernels().l2_f32(values.data(), rows.data() + row * 48, 48);
    EXPECT_LT(std::sqrt(error), kSplitErrorMax / 2);
    const auto score = vector_score(both.fast, 0, row, {rows.data() + row * 48, 48});
    ASSERT_TRUE(score);
    EXPECT_NEAR(*score, 1, 0.01);
  }
  EXPECT_FALSE(both.listed->covers(kRows));
}

// Sections as every released version wrote them stay readable: 120 made rows, numbered 0, 2, 4 …
TEST(VectorLists, GoldenSectionsStayReadable) {
  constexpr uint32_t kDimension = 16;
  constexpr uint32_t kCount = 120;
  std::vector<float> rows(kCount * kDimension);
  for (uint32_t i = 0; i < kCount; ++i) {
    float squares = 0;
    for (uint32_t d = 0; d < kDimension; ++d) {
      float& x = rows[i * kDimension + d];
      x = static_cast<float>((i * 37 + d * 101 + i * i % 13 * d) % 97) / 97.0f - 0.5f;
      squares += x * x;
    }
    for (uint32_t d = 0; d < kDimension; ++d) rows[i * kDimension + d] /= std::sqrt(squares);
  }
  const auto beside = std::filesystem::path(__FILE__).parent_path() / "golden_vectors";
  const auto folder = std::filesystem::exists(beside) ? beside : "src/index/golden_vectors";
  for (const uint32_t version : {2U, 3U, 4U, 5U}) {
    SCOPED_TRACE(version);
    std::ifstream file(folder / ("lists-" + std::to_string(version)), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    ASSERT_FALSE(bytes.empty());
    auto set = VectorSet::open(bytes);
    ASSERT_TRUE(set) << set.error().message();
    EXPECT_TRUE(set->check());
    ASSERT_EQ(set->count(), kCount);
    VectorSpace space{kDimension, Metric::cosine, {{&*set}}, {}};
    const std::vector<std::vector<uint64_t>> all(1);
    resolve_filters(space, all);
    std::vector<float> values(kDimension);
    size_t own = 0;
    for (uint32_t i = 0; i < kCount; ++i) {
      const std::span<const float> row(rows.data() + size_t{i} * kDimension, kDimension);
      ASSERT_TRUE(set->vector(2 * i, values));
      EXPECT_LT(vector_kernels().l2_f32(values.data(), row.data(), kDimension), 1e-4f);
      auto tops = best_vectors(space, all, {{row}}, 1, 0.999);
      if (tops[0].take().at(0).row == 2 * i) ++own;
    }
    EXPECT_GE(own, kCount - 3);  // a few of the made rows are equal
  }
}

TEST(VectorLists, BatchesGiveWhatSingleQueriesGiveAndRecallOneIsExact) {
  constexpr uint32_t kDimension = 48;
  const auto rows = made_rows(kRows, kDimension, 8, true);
  Both both(rows, kDimension, Metric::cosine);
  const VectorLists& lists = *both.listed->state().lists;
  const std::vector<std::vector<uint64_t>> all(1);
  resolve_filters(both.fast, all);
  const auto queries = made_rows(300, kDimension, 9, true);
  std::vector<std::span<const float>> spans;
  for (size_t q = 0; q < 300; ++q) spans.push_back(std::span(queries).subspan(q * 48, 48));
  auto together = best_vectors(both.fast, all, spans, 7, 0.9);
  auto exact = best_vectors(both.fast, all, std::span(spans).first(20), 7, 1.0);
  for (size_t q = 0; q < spans.size(); q += 11) {
    auto alone = best_vectors(both.fast, all, {{spans[q]}}, 7, 0.9)[0].take();
    auto shared = together[q].take();
    ASSERT_EQ(alone.size(), shared.size());
    for (size_t i = 0; i < alone.size(); ++i) EXPECT_EQ(alone[i].row, shared[i].row);
  }
  for (size_t q = 0; q < exact.size(); ++q) {
    TopRows<float> truth(7);
    for (uint32_t place = 0; place < lists.count(); ++place) {
      truth.add(list_score(lists, place, spans[q].data(), 1), 0, lists.row(place));
    }
    auto wanted = truth.take();
    auto found = exact[q].take();
    ASSERT_EQ(found.size(), wanted.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].row, wanted[i].row);
  }
}

TEST(VectorLists, EstimatesAreUnbiasedAndExactAlongResiduals) {
  constexpr uint32_t kDimension = 96;
  const auto rows = made_rows(kRows, kDimension, 3, true);
  Both both(rows, kDimension, Metric::cosine);
  const VectorLists& lists = *both.listed->state().lists;
  const VectorEpoch epoch = lists.whole_epoch();
  // Queries that are rows: the estimate of the row itself is exact but for the table's rounding.
  const std::span<const float> queries = std::span(rows).first(5 * kDimension);
  size_t own = 0;
  double error_sum = 0;
  double square_sum = 0;
  double product_squares = 0;
  size_t count = 0;
  std::vector<float> padded(padded_length(kDimension));
  std::vector<float> rotated(padded_length(epoch.basis_size));
  std::vector<float> products(epoch.widths.size() * kCodeWords);
  std::vector<uint8_t> table(products.size());
  for (size_t q = 0; q < 5; ++q) {
    const float* const query = queries.data() + q * kDimension;
    std::copy_n(query, kDimension, padded.data());
    epoch.rotate(padded.data(), 1, rotated.data());
    const CodeTable kind =
        code_kernels().make_table(rotated.data(), epoch.codebook.data(), epoch.widths.data(),
                                  epoch.widths.size(), products.data(), table.data());
    for (uint32_t list = 0; list < epoch.list_count; ++list) {
      const uint32_t blocks = lists.block_begin(list + 1) - lists.block_begin(list);
      const uint32_t size = lists.list_end(list) - lists.list_begin(list);
      std::vector<uint32_t> places(blocks * kCodesPerBlock);
      std::vector<float> values(places.size());
      const size_t found =
          code_kernels().scan(lists.block(lists.block_begin(list)), blocks, epoch.pairs(),
                              table.data(), kind, -1e30f, places.data(), values.data());
      ASSERT_EQ(found, size);  // never the places that fill a block up
      const float centre = vector_kernels().dot_f32(epoch.centroid(list).data(), rotated.data(),
                                                    padded_length(epoch.basis_size));
      for (size_t i = 0; i < found; ++i) {
        const uint32_t row = lists.row(lists.list_begin(list) + places[i]);
        const float exact =
            vector_kernels().dot_f32(query, rows.data() + size_t{row} * kDimension, kDimension);
        const double error = static_cast<double>(values[i]) + centre - exact;
        if (row == q) {
          EXPECT_NEAR(error, 0, 0.05);
          ++own;
        }
        error_sum += error;
        square_sum += error * error;
        product_squares += static_cast<double>(exact - centre) * (exact - centre);
        ++count;
      }
    }
  }
  const auto n = static_cast<double>(count);
  EXPECT_LT(std::fabs(error_sum / n), 0.01);
  EXPECT_EQ(own, 5U);
  // For rows far from the query an estimate may be off by as much as the residual says at all.
  EXPECT_LT(square_sum / n, 2.5 * product_squares / n);
}

TEST(VectorLists, RecallHoldsForEveryMetric) {
  constexpr uint32_t kDimension = 64;
  for (const Metric metric : {Metric::cosine, Metric::ip, Metric::l2}) {
    SCOPED_TRACE(metric_name(metric));
    const auto rows = made_rows(kRows, kDimension, 5, metric == Metric::cosine);
    Both both(rows, kDimension, metric);
    const auto queries = made_rows(150, kDimension, 6, false);
    const double found = recall_of(both, queries, 10, 0.9);
    EXPECT_GE(found, 0.9);
    // No more than a little beyond what was asked for.
    EXPECT_LE(found, metric == Metric::cosine ? 0.975 : 1.0);
    EXPECT_GE(recall_of(both, queries, 10, 0.95), 0.95);
    EXPECT_GE(recall_of(both, queries, 10, 0.99), 0.98);
    EXPECT_GE(recall_of(both, queries, 1, 0.95), 0.95);
    EXPECT_GE(recall_of(both, queries, 50, 0.95), 0.95);
    EXPECT_GE(recall_of(both, queries, 300, 0.95), 0.95);
    EXPECT_GE(recall_of(both, queries, 10, 1.0), 0.995);  // storage rounds to 1/1000
  }
}

// Rows in clusters whose members differ by a part of their length, under the Euclidean metric far
// from the origin: what planes keep must be as fine as what tells neighbours apart.
std::vector<float> tight_rows(size_t count, uint32_t dimension, uint32_t seed, Metric metric) {
  constexpr size_t kCenters = 70;
  const std::vector<float> centers = made_centers(kCenters, dimension, 12);
  std::normal_distribution<float> normal;
  std::mt19937 draw(seed);
  std::vector<float> rows(count * dimension);
  for (size_t i = 0; i < count; ++i) {
    const float* const center = centers.data() + (draw() % kCenters) * dimension;
    float* const row = rows.data() + i * dimension;
    float squares = 0;
    for (uint32_t d = 0; d < dimension; ++d) {
      row[d] = center[d] + 0.15f * normal(draw) + (metric == Metric::l2 ? 4.0f : 0.0f);
      squares += row[d] * row[d];
    }
    if (metric != Metric::cosine) continue;
    for (uint32_t d = 0; d < dimension; ++d) row[d] /= std::sqrt(squares);
  }
  return rows;
}

TEST(VectorLists, RecallHoldsInTightClusters) {
  constexpr uint32_t kDimension = 64;
  for (const Metric metric : {Metric::cosine, Metric::ip, Metric::l2}) {
    SCOPED_TRACE(metric_name(metric));
    Both both(tight_rows(kRows, kDimension, 5, metric), kDimension, metric);
    ASSERT_NE(both.listed->state().lists, nullptr);
    const auto queries = tight_rows(400, kDimension, 6, metric);
    constexpr double kChance = 0.01;  // of 4,000 answers
    for (const double recall : {0.9, 0.95, 0.99}) {
      EXPECT_GE(recall_of(both, queries, 10, recall), recall - kChance) << recall;
    }
    EXPECT_GE(recall_of(both, queries, 10, 1.0), 0.998);
  }
}

TEST(VectorLists, MergingAgainAndAgainAddsNoError) {
  constexpr uint32_t kDimension = 64;
  Both both(tight_rows(kRows, kDimension, 5, Metric::cosine), kDimension, Metric::cosine);
  std::vector<uint32_t> kept(kRows);
  uint32_t count = kRows;
  for (int round = 0; round < 3; ++round) {
    // In the middle of each round one row goes, so that nothing is only copied.
    for (uint32_t row = 0; row < count; ++row) kept[row] = row - (row > count / 2 ? 1 : 0);
    kept[count / 2] = kDroppedRow;
    kept.resize(count);
    for (auto [set, bytes] : {std::pair(both.flat.get(), &both.flat_bytes),
                              std::pair(both.listed.get(), &both.listed_bytes)}) {
      const MergeInput<VectorSet> input{set, kept};
      StringSink sink;
      ASSERT_TRUE(merge_vectors({&input, 1}, {.lists = set == both.listed.get()}, sink));
      std::string merged = sink.take();
      *set = std::move(*VectorSet::open(merged));
      *bytes = std::move(merged);
      *set = std::move(*VectorSet::open(*bytes));
    }
    --count;
  }
  both.fast = Both::space(*both.listed);
  both.exact = Both::space(*both.flat);
  EXPECT_GE(recall_of(both, tight_rows(200, kDimension, 6, Metric::cosine), 10, 1.0), 0.997);
}

TEST(VectorLists, RecallHoldsForQueriesFromElsewhere) {
  constexpr uint32_t kDimension = 64;
  const auto rows = made_rows(kRows, kDimension, 5, true);
  Both both(rows, kDimension, Metric::cosine);
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  std::vector<float> queries(100 * kDimension);
  for (float& x : queries) x = normal(random);
  EXPECT_GE(recall_of(both, queries, 10, 0.95), 0.95);
}

TEST(VectorLists, FilteredRecallAndCompleteness) {
  constexpr uint32_t kDimension = 32;
  const size_t count = 60'000;
  const auto rows = made_rows(count, kDimension, 5, true);
  Both both(rows, kDimension, Metric::cosine);
  const auto queries = made_rows(60, kDimension, 6, true);
  std::mt19937 random(3);
  for (const uint32_t share : {1U, 10U, 100U, 400U, 900U}) {
    SCOPED_TRACE(share);
    std::vector<uint64_t> allowed((count + 63) / 64);
    for (size_t row = 0; row < count; ++row) {
      if (random() % 1000 < share) allowed[row / 64] |= uint64_t{1} << (row % 64);
    }
    EXPECT_GE(recall_of(both, queries, 10, 0.95, allowed), share <= 100 ? 0.99 : 0.95);
  }
  const std::vector<uint64_t> none(1);
  const std::vector<std::vector<uint64_t>> filter = {none};
  resolve_filters(both.fast, filter);
  const std::span<const float> query(queries.data(), kDimension);
  EXPECT_TRUE(best_vectors(both.fast, filter, {&query, 1}, 10, 0.95)[0].take().empty());
}

TEST(VectorLists, AllDimensionsAndEqualRows) {
  for (const uint32_t dimension : {1U, 2U, 3U, 17U}) {
    SCOPED_TRACE(dimension);
    const auto rows = made_rows(kListedVectorsMin, dimension, 5, false);
    Both both(rows, dimension, Metric::l2);
    const auto queries = made_rows(30, dimension, 6, false);
    if (both.listed->state().lists == nullptr) continue;
    EXPECT_GE(recall_of(both, queries, 10, 0.95), dimension < 3 ? 0.0 : 0.95);
    EXPECT_TRUE(both.listed->check());
  }
  std::vector<float> same(kListedVectorsMin * 8, 1.0f);
  Both both(same, 8, Metric::cosine);
  const std::vector<std::vector<uint64_t>> filter(1);
  resolve_filters(both.fast, filter);
  const std::span<const float> query(same.data(), 8);
  EXPECT_EQ(best_vectors(both.fast, filter, {&query, 1}, 10, 0.95)[0].take().size(), 10U);
}

TEST(VectorLists, MergeDropsRowsAndKeepsRecall) {
  constexpr uint32_t kDimension = 48;
  const auto old_rows = made_rows(kRows * 2, kDimension, 5, true);
  const auto new_rows = made_rows(kRows, kDimension, 15, true);
  Both before(old_rows, kDimension, Metric::cosine);
  const std::string fresh_bytes = flat_section(new_rows, kDimension, Metric::cosine);
  const VectorSet fresh = std::move(*VectorSet::open(fresh_bytes));
  // Half of the old rows go, as many new ones come.
  std::vector<uint32_t> kept(kRows * 2, kDroppedRow);
  std::vector<float> expected;
  uint32_t next = 0;
  for (uint32_t row = 0; row < kRows * 2; row += 2) {
    kept[row] = next++;
    expected.insert(expected.end(), old_rows.begin() + row * kDimension,
                    old_rows.begin() + (row + 1) * kDimension);
  }
  std::vector<uint32_t> appended(kRows);
  for (uint32_t& row : appended) row = next++;
  expected.insert(expected.end(), new_rows.begin(), new_rows.end());
  const MergeInput<VectorSet> inputs[] = {{before.listed.get(), kept}, {&fresh, appended}};
  StringSink sink;
  ASSERT_TRUE(merge_vectors(inputs, {.lists = true}, sink));
  const std::string bytes = sink.take();
  Both after(expected, kDimension, Metric::cosine);
  *after.listed = std::move(*VectorSet::open(bytes));
  ASSERT_NE(after.listed->state().lists, nullptr);
  EXPECT_TRUE(after.listed->check());
  EXPECT_EQ(after.listed->count(), next);
  // The epoch went on: segments of the space share it.
  EXPECT_EQ(after.listed->state().lists->whole_epoch().basis,
            before.listed->state().lists->whole_epoch().basis);
  EXPECT_GE(recall_of(after, made_rows(100, kDimension, 6, true), 10, 0.95), 0.95);
  // And back to a plain set, when too few are left for lists.
  std::vector<uint32_t> few(kRows * 2, kDroppedRow);
  few[5] = 0;
  few[9] = 1;
  const MergeInput<VectorSet> last[] = {{before.listed.get(), few}};
  StringSink small;
  ASSERT_TRUE(merge_vectors(last, {.lists = true}, small));
  const std::string small_bytes = small.take();
  const VectorSet two = std::move(*VectorSet::open(small_bytes));
  std::vector<float> values(kDimension);
  ASSERT_TRUE(two.vector(1, values));
  EXPECT_LT(vector_kernels().l2_f32(values.data(), old_rows.data() + 9 * kDimension, kDimension),
            1e-4f);
}

TEST(VectorLists, TheirMakingCanBeCalledOff) {
  constexpr uint32_t kDimension = 16;
  const std::string bytes =
      flat_section(made_rows(kListedVectorsMin, kDimension, 5, true), kDimension, Metric::cosine);
  const VectorSet flat = std::move(*VectorSet::open(bytes));
  const std::vector<uint32_t> map = same_rows(kListedVectorsMin);
  const MergeInput<VectorSet> input{&flat, map};
  const std::atomic<bool> cancelled = true;
  StringSink sink;
  const Status status = merge_vectors({&input, 1}, {.lists = true, .cancelled = &cancelled}, sink);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::cancelled);
}

TEST(VectorLists, DamageIsRefusedOrHarmless) {
  constexpr uint32_t kDimension = 16;
  const auto rows = made_rows(kListedVectorsMin, kDimension, 5, true);
  Both both(rows, kDimension, Metric::cosine);
  const std::string& whole = both.listed_bytes;
  for (size_t size = 0; size < whole.size(); size += 1 + size / 3) {
    EXPECT_FALSE(VectorSet::open(std::string_view(whole).substr(0, size))) << size;
  }
  const auto refused = [&](size_t at, char value) {
    std::string changed = whole;
    changed[at] = value;
    return !VectorSet::open(changed);
  };
  EXPECT_TRUE(refused(0, 'x'));
  EXPECT_TRUE(refused(whole.size() - 1, 'x'));
  EXPECT_TRUE(refused(whole.size() - 8, 9));     // version
  EXPECT_TRUE(refused(whole.size() - 12, 1));    // features
  EXPECT_TRUE(refused(whole.size() - 192, 99));  // dimension
  // Bits changed anywhere: an error at open, or answers that may be wrong, but never a crash.
  std::mt19937 random(8);
  const std::vector<std::vector<uint64_t>> filter(1);
  for (int i = 0; i < 60; ++i) {
    std::string changed = whole;
    const size_t at = i % 2 == 0 ? whole.size() - 1 - random() % 200 : random() % whole.size();
    changed[at] = static_cast<char>(random());
    auto opened = VectorSet::open(changed);
    if (!opened) continue;
    VectorSpace space = Both::space(*opened);
    resolve_filters(space, filter);
    std::span<const float> query(rows.data(), kDimension);
    if (opened->dimension() != kDimension) continue;
    static_cast<void>(best_vectors(space, filter, {&query, 1}, 10, 0.95));
    static_cast<void>(opened->check());
  }
}

}  // namespace
}  // namespace headrace::index
