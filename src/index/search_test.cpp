// Queries, filters, deletes, sorting, groups and facets against a naive model, case by case from a
// seed: a failure names it.
#include "index/search.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "index/search_model.h"

namespace headrace::index {
namespace {

using model::ModelRow;
using model::Occurrence;
using model::Truth;
using model::truth_and;
using model::truth_not;
using model::truth_or;

constexpr std::string_view kWords[] = {
    "index",  "indexes", "scan",          "table", "tables", "max_connections",
    "vacuum", "the",     "running",       "run",   "query",  "queries",
    "café",   "wal",     "buffer",        "key",   "東京都", "database",
    "of",     "lock",    "locks_per_run", "don't", "2.5",    "tree"};

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(engine_() % n); }
  bool chance(uint32_t percent) { return below(100) < percent; }
  // Words as a language has them: a few of them everywhere.
  std::string_view word() {
    const uint32_t n = std::size(kWords);
    return kWords[std::min(below(n), std::min(below(n), below(n)))];
  }
  std::string words(uint32_t most) {
    std::string text;
    for (uint32_t i = below(most + 1); i > 0; --i) text += fmt::format("{} ", word());
    if (!text.empty()) text.pop_back();
    return text;
  }

 private:
  std::mt19937_64 engine_;
};

std::string date(uint32_t day) {
  return fmt::format("2024-{:02}-{:02}", day / 28 % 12 + 1, day % 28 + 1);
}

std::vector<ModelRow> make_rows(Random& random, uint32_t count) {
  auto analyzer = Analyzer::create("en");
  std::vector<ModelRow> rows(count);
  for (uint32_t i = 0; i < count; ++i) {
    Row& row = rows[i].row;
    row.source = fmt::format("doc{:02}", random.below(count / 3 + 1));
    row.position = i;
    row.key = row_key(row.source, i);
    if (random.chance(50)) row.title = random.words(4);
    row.text = random.chance(20) ? row.title + " " + random.words(20) : random.words(30);
    Metadata& metadata = row.metadata;
    if (random.chance(80)) metadata["lang"] = std::string(random.chance(50) ? "de" : "en");
    if (random.chance(80)) metadata["year"] = int64_t{2000 + random.below(20)};
    if (random.chance(70)) metadata["rating"] = random.below(50) / 10.0;
    if (random.chance(70)) metadata["open"] = random.chance(50);
    if (random.chance(60)) {
      std::vector<std::string> tags;
      for (uint32_t t = random.below(4); t > 0; --t)
        tags.push_back(fmt::format("t{}", random.below(5)));
      metadata["tags"] = tags;
    }
    if (random.chance(70)) {
      const std::string day = date(random.below(300));
      metadata["date"] =
          random.chance(50) ? day : fmt::format("{}T{:02}:30:00+02:00", day, random.below(24));
    }
    rows[i].deleted = random.chance(15);
    model::analyze_row(**analyzer, rows[i]);
  }
  return rows;
}

// A condition as text, and what it says of a row.
struct TestFilter {
  std::string text;
  std::function<Truth(const ModelRow&)> holds;
};

const Value* value_of(const ModelRow& row, const std::string& name) {
  const auto found = row.row.metadata.find(name);
  return found == row.row.metadata.end() ? nullptr : &found->second;
}

template <typename T>
TestFilter compare(Random& random, const std::string& column, T bound, const std::string& shown,
                   std::function<T(const Value&)> read) {
  static constexpr std::string_view kOps[] = {"=", "!=", "<", "<=", ">", ">="};
  const uint32_t op = random.below(6);
  return {fmt::format("{} {} {}", column, kOps[op], shown), [=](const ModelRow& row) -> Truth {
            const Value* value = value_of(row, column);
            if (value == nullptr) return std::nullopt;
            const T x = read(*value);
            switch (op) {
              case 0:
                return x == bound;
              case 1:
                return x != bound;
              case 2:
                return x < bound;
              case 3:
                return x <= bound;
              case 4:
                return x > bound;
              default:
                return x >= bound;
            }
          }};
}

double number_in(const Value& value) {
  const auto* integer = std::get_if<int64_t>(&value);
  return integer != nullptr ? static_cast<double>(*integer) : std::get<double>(value);
}

// Days of March-based years are enough of a calendar for dates of one year.
double seconds_in(const std::string& text) {
  static constexpr int kBefore[] = {0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335};
  const int month = std::stoi(text.substr(5, 2));
  const int day = std::stoi(text.substr(8, 2));
  double seconds = (kBefore[month - 1] + day - 1) * 86400.0;
  if (text.size() > 10) seconds += std::stoi(text.substr(11, 2)) * 3600 + 30 * 60 - 2 * 3600;
  return seconds;
}

TestFilter leaf(Random& random) {
  switch (random.below(11)) {
    case 0: {
      const uint32_t year = 2000 + random.below(20);
      return compare<double>(random, "year", year, fmt::format("{}", year), number_in);
    }
    case 1: {
      const std::string bound = random.chance(50) ? "de" : "en";
      return compare<std::string>(random, "lang", bound, "'" + bound + "'",
                                  [](const Value& v) { return std::get<std::string>(v); });
    }
    case 2: {
      const uint32_t day = random.below(300);
      return compare<double>(random, "date", seconds_in(date(day)), "'" + date(day) + "'",
                             [](const Value& v) { return seconds_in(std::get<std::string>(v)); });
    }
    case 3: {
      const bool negated = random.chance(50);
      return {fmt::format("tags {}in ('t1', 't3')", negated ? "not " : ""),
              [=](const ModelRow& row) -> Truth {
                const Value* value = value_of(row, "tags");
                if (value == nullptr) return std::nullopt;
                const auto& tags = std::get<std::vector<std::string>>(*value);
                const bool any = std::ranges::any_of(
                    tags, [](const std::string& tag) { return tag == "t1" || tag == "t3"; });
                return any != negated;
              }};
    }
    case 4:
      return {"tags contains 't2'", [](const ModelRow& row) -> Truth {
                const Value* value = value_of(row, "tags");
                if (value == nullptr) return std::nullopt;
                return std::ranges::count(std::get<std::vector<std::string>>(*value), "t2") > 0;
              }};
    case 5: {
      static const std::string kColumns[] = {"year", "lang", "tags", "open", "rating", "nowhere"};
      const std::string column = kColumns[random.below(6)];
      const bool negated = random.chance(50);
      return {fmt::format("{} is {}null", column, negated ? "not " : ""),
              [=](const ModelRow& row) -> Truth {
                return (value_of(row, column) == nullptr) != negated;
              }};
    }
    case 6: {
      const uint32_t low = 2000 + random.below(20);
      const uint32_t high = 2000 + random.below(20);
      const bool negated = random.chance(50);
      return {fmt::format("year {}between {} and {}", negated ? "not " : "", low, high),
              [=](const ModelRow& row) -> Truth {
                const Value* value = value_of(row, "year");
                if (value == nullptr) return std::nullopt;
                const double x = number_in(*value);
                return (x >= low && x <= high) != negated;
              }};
    }
    case 7: {
      const char digit = static_cast<char>('0' + random.below(3));
      return {fmt::format("source like 'doc{}%'", digit),
              [=](const ModelRow& row) -> Truth { return row.row.source[3] == digit; }};
    }
    case 8: {
      const bool wanted = random.chance(50);
      return {fmt::format("open = {}", wanted ? "true" : "false"),
              [=](const ModelRow& row) -> Truth {
                const Value* value = value_of(row, "open");
                return value == nullptr ? Truth() : Truth(std::get<bool>(*value) == wanted);
              }};
    }
    case 9: {
      const double bound = random.below(50) / 10.0;
      return compare<double>(random, "rating", bound, fmt::format("{}", bound), number_in);
    }
    default:
      return {"nowhere = 5", [](const ModelRow&) -> Truth { return std::nullopt; }};
  }
}

TestFilter make_filter(Random& random, int depth) {
  if (depth == 0 || random.chance(30)) {
    return leaf(random);
  }
  const TestFilter a = make_filter(random, depth - 1);
  const TestFilter b = make_filter(random, depth - 1);
  switch (random.below(3)) {
    case 0:
      return {fmt::format("({} and {})", a.text, b.text),
              [=](const ModelRow& row) { return truth_and(a.holds(row), b.holds(row)); }};
    case 1:
      return {fmt::format("({} or {})", a.text, b.text),
              [=](const ModelRow& row) { return truth_or(a.holds(row), b.holds(row)); }};
    default:
      return {fmt::format("not ({})", a.text),
              [=](const ModelRow& row) { return truth_not(a.holds(row)); }};
  }
}

// A query as text, and what it asks for.
struct TestQuery {
  std::string text;
  std::vector<std::string> scoring;                     // terms, repeated as often as they count
  std::map<std::string, std::set<std::string>> groups;  // by prefix
  std::vector<std::function<bool(const ModelRow&)>> conditions;
  bool asks = false;  // for rows, not only against some
};

std::vector<Occurrence> analyzed(Analyzer& analyzer, std::string_view text) {
  uint32_t end = 0;
  return model::occurrences(analyzer, text, 0, end);
}

void add_clause(Random& random, Analyzer& analyzer, const model::Scores& scores, TestQuery& query) {
  const uint32_t need = random.below(3);  // wanted, required, excluded
  const std::string sign = need == 0 ? "" : need == 1 ? "+" : "-";
  const bool title = random.chance(20);
  const std::string field = title ? "title:" : "";
  const auto add = [&](bool restricts, std::function<bool(const ModelRow&)> holds) {
    if (!restricts) return;
    query.conditions.push_back([=](const ModelRow& row) { return holds(row) != (need == 2); });
  };
  if (random.chance(25)) {  // a prefix
    static constexpr std::string_view kPrefixes[] = {"ta", "ind", "loc", "max_con", "zz", "da"};
    const std::string prefix(kPrefixes[random.below(6)]);
    query.text += fmt::format("{}{}{}* ", sign, field, prefix);
    const std::string mark = title ? std::string(1, kTitleMark) : "";
    const auto begins = [=](const ModelRow& row) {
      return std::ranges::any_of(title ? row.title : row.text, [&](const Occurrence& found) {
        return found.term.starts_with(prefix);
      });
    };
    add(need != 0, begins);
    if (need == 2) return;
    query.asks = true;
    for (const auto& [term, df] : scores.all()) {
      if (term.starts_with(mark + prefix)) query.groups[field + prefix].insert(term);
    }
    return;
  }
  const bool quoted = random.chance(60);
  const std::string words = quoted ? random.words(3) : std::string(random.word());
  const std::vector<Occurrence> phrase = analyzed(analyzer, words);
  if (phrase.empty()) return;
  const bool plain_number = words == "2.5" && need == 2 && !quoted && !title;
  query.text += quoted ? fmt::format("{}{}\"{}\" ", sign, field, words)
                       : fmt::format("{}{}{} ", sign, field, words);
  if (!plain_number) {
    add(quoted || need != 0, [=](const ModelRow& row) {
      return model::has_phrase(title ? row.title : row.text, phrase);
    });
    if (need == 2) return;
  }
  query.asks = true;
  for (const Occurrence& word : phrase) {
    query.scoring.push_back(title ? kTitleMark + word.term : word.term);
  }
}

TestQuery make_query(Random& random, Analyzer& analyzer, const model::Scores& scores) {
  TestQuery query;
  for (uint32_t i = random.below(4); i > 0; --i) {
    const std::string_view word = random.word();
    query.text += fmt::format("{} ", word);
    for (const Occurrence& found : analyzed(analyzer, word)) query.scoring.push_back(found.term);
    query.asks = true;
  }
  for (uint32_t i = random.below(3); i > 0; --i) add_clause(random, analyzer, scores, query);
  return query;
}

double model_score(const TestQuery& query, const model::Scores& scores, const ModelRow& row) {
  double sum = 0;
  std::set<std::string> seen;
  for (const std::string& term : query.scoring) {
    sum += scores.score(row, term, scores.df(term));
    seen.insert(term);
  }
  for (const auto& [prefix, terms] : query.groups) {
    uint64_t df = 0;
    for (const std::string& term : terms) df += seen.contains(term) ? 0 : scores.df(term);
    for (const std::string& term : terms) {
      if (!seen.contains(term)) sum += scores.score(row, term, df);
    }
  }
  return sum;
}

struct Expected {
  const ModelRow* row = nullptr;
  double score = 0;
};

std::string places(std::span<const ScoredRow> rows) {
  std::string text;
  for (const ScoredRow& row : rows)
    text += fmt::format("{}:{} ({}) ", row.segment, row.row, row.score);
  return text;
}

class SearchAgainstModel : public ::testing::TestWithParam<uint32_t> {};

TEST_P(SearchAgainstModel, GivesTheSame) {
  Random random(GetParam());
  const uint32_t row_count = 1 + random.below(GetParam() % 8 == 0 ? 900 : 120);
  std::vector<ModelRow> rows = make_rows(random, row_count);
  std::vector<uint32_t> sizes;
  for (uint32_t i = random.below(3); i > 0; --i) sizes.push_back(random.below(row_count + 1));
  sizes.push_back(row_count);
  const model::Segments segments(rows, sizes, random.chance(50));
  const model::Scores scores(rows);
  auto analyzer = Analyzer::create("en");
  for (int round = 0; round < 40; ++round) {
    const TestQuery query = make_query(random, **analyzer, scores);
    const bool filtered = random.chance(60);
    const TestFilter test_filter = make_filter(random, 3);
    SCOPED_TRACE(
        fmt::format("query [{}] filter [{}]", query.text, filtered ? test_filter.text : ""));
    SearchRequest request;
    request.mode = SearchMode::text;
    request.text = query.text;
    request.k = 1 + random.below(30);
    std::optional<Filter> filter;
    if (filtered) {
      auto parsed = Filter::parse(test_filter.text);
      ASSERT_TRUE(parsed) << parsed.error().message();
      filter = std::move(*parsed);
      request.filter = &*filter;
    }
    std::vector<Expected> expected;
    for (const ModelRow& row : rows) {
      if (row.deleted || (filtered && test_filter.holds(row) != Truth(true))) continue;
      const bool meets =
          std::ranges::all_of(query.conditions, [&](const auto& holds) { return holds(row); });
      const double score = model_score(query, scores, row);
      if (meets && (score > 0 || !query.asks)) expected.push_back({&row, query.asks ? score : 0});
    }
    const bool nothing = query.text.empty();
    // By score.
    {
      const auto answer = search(segments.views(), request);
      ASSERT_TRUE(answer) << answer.error().message();
      auto order = expected;
      if (query.asks) {
        std::ranges::stable_sort(
            order, [](const Expected& a, const Expected& b) { return a.score > b.score; });
      } else {
        std::ranges::reverse(order);
      }
      ASSERT_EQ(answer->size(), std::min<size_t>(request.k, order.size())) << places(*answer);
      for (size_t i = 0; i < answer->size(); ++i) {
        const ScoredRow& got = (*answer)[i];
        // Rows of equal scores, but for rounding, may stand in another order.
        const auto same = std::ranges::find_if(order, [&](const Expected& e) {
          return e.row->segment == got.segment && e.row->number == got.row;
        });
        ASSERT_NE(same, order.end()) << places(*answer);
        ASSERT_NEAR(got.score, same->score, 1e-4 * std::max(1.0, same->score));
        ASSERT_NEAR(got.score, order[i].score, 1e-4 * std::max(1.0, order[i].score));
        if (!query.asks) {
          ASSERT_EQ(same - order.begin(), static_cast<ptrdiff_t>(i));
        }
      }
    }
    // By a column, in groups or not, with facets.
    {
      const bool descending = random.chance(50);
      const bool grouped = random.chance(40);
      request.sort = "year";
      request.descending = descending;
      request.group_by = grouped ? "source" : "";
      request.facets = {"lang", "tags"};
      const auto answer = search_answer(segments.views(), request);
      const bool known =
          std::ranges::any_of(
              rows, [](const ModelRow& row) { return row.row.metadata.contains("year"); }) &&
          std::ranges::any_of(
              rows, [](const ModelRow& row) { return row.row.metadata.contains("lang"); }) &&
          std::ranges::any_of(
              rows, [](const ModelRow& row) { return row.row.metadata.contains("tags"); });
      if (!known) continue;
      ASSERT_TRUE(answer) << answer.error().message();
      auto order = expected;
      const auto year = [](const Expected& e) {
        const Value* value = value_of(*e.row, "year");
        return value == nullptr ? std::optional<double>() : number_in(*value);
      };
      std::ranges::stable_sort(order, [&](const Expected& a, const Expected& b) {
        const auto x = year(a), y = year(b);
        if (x.has_value() != y.has_value()) return x.has_value();
        return x && (descending ? *x > *y : *x < *y);
      });
      std::map<std::string, uint64_t> langs, tags;
      for (const Expected& e : expected) {
        if (const Value* v = value_of(*e.row, "lang")) ++langs[std::get<std::string>(*v)];
        if (const Value* v = value_of(*e.row, "tags")) {
          const auto& list = std::get<std::vector<std::string>>(*v);
          for (const std::string& tag : std::set<std::string>(list.begin(), list.end()))
            ++tags[tag];
        }
      }
      if (grouped) {
        std::set<std::string> seen;
        std::erase_if(order,
                      [&](const Expected& e) { return !seen.insert(e.row->row.source).second; });
      }
      ASSERT_EQ(answer->rows.size(), std::min<size_t>(request.k, order.size()));
      for (size_t i = 0; i < answer->rows.size(); ++i) {
        ASSERT_EQ(answer->rows[i].segment, order[i].row->segment);
        ASSERT_EQ(answer->rows[i].row, order[i].row->number);
      }
      ASSERT_EQ(answer->facets.size(), 2u);
      ASSERT_EQ(answer->facets[0].rows, expected.size());
      for (const auto& [facet, counts] :
           {std::pair(answer->facets[0], langs), std::pair(answer->facets[1], tags)}) {
        ASSERT_EQ(facet.values.size(), counts.size());
        ASSERT_EQ(facet.distinct, counts.size());
        for (const FacetCounts::Count& count : facet.values) {
          ASSERT_EQ(counts.at(std::get<std::string>(count.value)), count.rows);
        }
      }
    }
    // The best row of each source.
    if (query.asks && !nothing) {
      request.sort.clear();
      request.facets.clear();
      request.group_by = "source";
      const auto answer = search_answer(segments.views(), request);
      ASSERT_TRUE(answer) << answer.error().message();
      std::map<std::string, double> best;
      for (const Expected& e : expected) {
        double& score = best[e.row->row.source];
        score = std::max(score, e.score);
      }
      ASSERT_EQ(answer->rows.size(), std::min<size_t>(request.k, best.size()));
      for (const ScoredRow& row : answer->rows) {
        const auto at = std::ranges::find_if(expected, [&](const Expected& e) {
          return e.row->segment == row.segment && e.row->number == row.row;
        });
        ASSERT_NE(at, expected.end());
        ASSERT_NEAR(row.score, best.at(at->row->row.source), 1e-4 * std::max(1.0, at->score));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SearchAgainstModel, ::testing::Range(1u, 101u));

// Three rows as version 1 wrote them.
TEST(Postings, VersionOneStaysReadable) {
  const std::string hex =
      "4852504f010000000002000203030103030303030005616c70686101020004626574610203000564656c"
      "74610101000567616d6d61030305065f64656c7461010100036f6e65010100067365636f6e6401010506"
      "0108000000000000003e0000000000000005000000616c70686103000000000000000c00000000000000"
      "070000000000000052000000000000005500000000000000690000000000000005000000000000000300"
      "000001000000656e00000000000000000000000000000100000000000000010000004852504f";
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  const auto postings = Postings::open(bytes);
  ASSERT_TRUE(postings) << postings.error().message();
  EXPECT_TRUE(postings->check());
  EXPECT_EQ(postings->row_count(), 3u);
  EXPECT_EQ(postings->total_terms(), 12u);
  EXPECT_EQ(postings->document_frequency("gamma"), 3u);
  EXPECT_EQ(postings->document_frequency("gamma_delta"), 1u);
  EXPECT_FALSE(postings->has_positions());
  SegmentView view;
  view.row_count = 3;
  view.postings = &*postings;
  SearchRequest request;
  request.mode = SearchMode::text;
  request.text = "beta +gamma -alpha";
  const auto found = search({&view, 1}, request);
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].row, 1u);
  request.text = "\"beta gamma\"";
  const auto phrase = search({&view, 1}, request);
  ASSERT_FALSE(phrase);
  EXPECT_NE(phrase.error().hint().find("optimize"), std::string::npos);
  // Merged with rows of today it stays without positions, and readable.
  PostingsBuilder builder("en");
  builder.add(0, "Title", "beta gamma");
  StringSink sink;
  ASSERT_TRUE(builder.finish(sink));
  const std::string today = sink.take();
  const auto opened = Postings::open(today);
  ASSERT_TRUE(opened);
  const std::vector<uint32_t> first = {0, 1, 2}, second = {3};
  const MergeInput<Postings> inputs[] = {{&*postings, first}, {&*opened, second}};
  StringSink merged_sink;
  ASSERT_TRUE(merge_postings(inputs, merged_sink));
  const std::string merged_bytes = merged_sink.take();
  const auto merged = Postings::open(merged_bytes);
  ASSERT_TRUE(merged);
  EXPECT_TRUE(merged->check());
  EXPECT_FALSE(merged->has_positions());
  EXPECT_EQ(merged->document_frequency("gamma"), 4u);
}

}  // namespace
}  // namespace headrace::index
