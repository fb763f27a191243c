// Filters over values of every type, at the edges of what they can hold.
#include <gtest/gtest.h>

#include <limits>

#include "index/filter.h"

namespace headrace::index {
namespace {

class Table {
 public:
  Row& add() {
    Row& row = rows_.emplace_back();
    row.position = static_cast<uint32_t>(rows_.size() - 1);
    row.source = "s" + std::to_string(row.position);
    return row;
  }
  Table& with(const std::string& name, std::vector<Value> values) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (i == rows_.size()) add();
      rows_[i].metadata[name] = std::move(values[i]);
    }
    return *this;
  }

  // The numbers of the rows that match, such as "0 2", or what is wrong.
  std::string find(std::string_view expression) const {
    ColumnsBuilder builder;
    for (const Row& row : rows_) builder.add(row.position, row);
    StringSink sink;
    if (!builder.finish(sink)) return "not built";
    const std::string bytes = sink.take();
    const auto columns = Columns::open(bytes);
    if (!columns) return columns.error().text();
    if (const Status status = columns->check(); !status) return status.error().text();
    const auto filter = Filter::parse(expression);
    if (!filter) return filter.error().text();
    const auto matching = filter->evaluate(*columns);
    if (!matching) return matching.error().text();
    std::string found;
    for (uint32_t row = 0; row < rows_.size(); ++row) {
      if (matching->test(row)) found += (found.empty() ? "" : " ") + std::to_string(row);
    }
    return found;
  }

 private:
  std::vector<Row> rows_;
};

using Texts = std::vector<std::string>;
using Integers = std::vector<int64_t>;
using Numbers = std::vector<double>;
using Flags = std::vector<bool>;

TEST(FilterLists, ListsOfNumbersAreMetByAnyItem) {
  const Table table =
      Table().with("n", {Integers{1, 3}, Integers{}, Numbers{2.5, 3}, Value(),
                         Integers{-7, int64_t{1} << 60}, Texts{"3", "x"}, int64_t{3}});
  EXPECT_EQ(table.find("n = 3"), "0 2 5 6");
  EXPECT_EQ(table.find("n contains 3"), "0 2 5 6");
  EXPECT_EQ(table.find("n in (2.5, -7)"), "2 4");
  EXPECT_EQ(table.find("n = 1152921504606846976"), "4");
  EXPECT_EQ(table.find("n contains 1152921504606846977"), "");
  EXPECT_EQ(table.find("n != 3"), "1 4");
  EXPECT_EQ(table.find("n is null"), "3");
  // However the value is written.
  EXPECT_EQ(table.find("n contains '3'"), "0 2 5");
  EXPECT_EQ(table.find("n = '2.5'"), "2");
  EXPECT_EQ(table.find("n contains 'x'"), "5");
}

TEST(FilterLists, ListsOfBooleans) {
  const Table table =
      Table().with("b", {Flags{true, false}, Flags{false}, Flags{}, true, Texts{"true"}});
  EXPECT_EQ(table.find("b contains true"), "0 3 4");
  EXPECT_EQ(table.find("b = false"), "0 1");
  EXPECT_EQ(table.find("b in (true)"), "0 3 4");
  EXPECT_EQ(table.find("b contains 'true'"), "0 4");
  EXPECT_EQ(table.find("not b contains true"), "1 2");
}

TEST(FilterLists, ListsHaveNoOrder) {
  const Table table = Table().with("n", {Integers{1, 3}});
  EXPECT_NE(table.find("n > 2").find("lists of numbers"), std::string::npos);
  EXPECT_NE(table.find("n between 1 and 2").find("no order"), std::string::npos);
  EXPECT_NE(table.find("n = 'x'").find("lists of numbers"), std::string::npos);
}

TEST(FilterNumbers, WholeNumbersAreExact) {
  constexpr int64_t kOdd = (int64_t{1} << 53) + 1;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  const Table table = Table().with("n", {kOdd - 1, kOdd, kOdd + 1, kMost, kLeast, 0x1p53});
  EXPECT_EQ(table.find("n = 9007199254740993"), "1");
  EXPECT_EQ(table.find("n = 9007199254740992"), "0 5");
  EXPECT_EQ(table.find("n in (9007199254740993, 9223372036854775807)"), "1 3");
  EXPECT_EQ(table.find("n > 9007199254740993"), "2 3");
  EXPECT_EQ(table.find("n < 9007199254740993"), "0 4 5");
  EXPECT_EQ(table.find("n = -9223372036854775808"), "4");
  EXPECT_EQ(table.find("n > 9223372036854775807"), "");
  EXPECT_EQ(table.find("n >= 1e19"), "");
  EXPECT_EQ(table.find("n < 1e19"), "0 1 2 3 4 5");
}

// A column may be a number here and a text there; each is compared with what it can be.
TEST(FilterNumbers, ColumnsOfTwoTypes) {
  const Table table = Table().with("v", {int64_t{5}, std::string("5"), std::string("x"), 5.5,
                                         std::numeric_limits<double>::infinity()});
  EXPECT_EQ(table.find("v = 5"), "0");
  EXPECT_EQ(table.find("v = '5'"), "1");
  EXPECT_EQ(table.find("v > 5"), "3 4");
  EXPECT_EQ(table.find("v in (5, 'x')"), "0 2");
}

TEST(FilterTimes, ZonesAreTheSameMoment) {
  const Table table = Table().with(
      "t", {std::string("2024-05-01T10:00:00+02:00"), std::string("2024-05-01T08:00:00Z"),
            std::string("2024-05-01T09:00:00"), std::string("2024-05-01")});
  EXPECT_EQ(table.find("t = '2024-05-01T08:00:00Z'"), "0 1");
  EXPECT_EQ(table.find("t < '2024-05-01T11:00:00+0200'"), "0 1 3");
}

// Hits show a title that is not there as ""; filters say the same.
TEST(FilterTexts, NoTitleIsAnEmptyTitle) {
  Table table;
  table.add().title = "One";
  table.add();
  table.add().heading = "H";
  EXPECT_EQ(table.find("title = ''"), "1 2");
  EXPECT_EQ(table.find("title is null"), "1 2");
  EXPECT_EQ(table.find("title is not null"), "0");
  EXPECT_EQ(table.find("title != ''"), "0");
  EXPECT_EQ(table.find("title != 'One'"), "1 2");
  EXPECT_EQ(table.find("title in ('', 'One')"), "0 1 2");
  EXPECT_EQ(table.find("title like 'O%'"), "0");
  EXPECT_EQ(table.find("title not like 'O%'"), "1 2");
  EXPECT_EQ(table.find("title > '2024-01-01'"), "0");
  EXPECT_EQ(table.find("heading = ''"), "0 1");
  EXPECT_EQ(table.find("via = ''"), "");
}

TEST(FilterTexts, WhatIsNoColumnIsSaid) {
  Table table;
  table.add();
  EXPECT_NE(table.find("text like '%x%'").find("'text' at character 1 is no column"),
            std::string::npos);
  EXPECT_NE(table.find("span is null").find("no column"), std::string::npos);
  // Unless it is one.
  EXPECT_EQ(Table().with("text", {std::string("x")}).find("text = 'x'"), "0");
}

TEST(FilterTexts, NamesOfEveryKind) {
  const Table table = Table()
                          .with("a\"b", {int64_t{1}, int64_t{2}})
                          .with("", {int64_t{1}})
                          .with("größe.内", {int64_t{1}})
                          .with("and", {int64_t{1}})
                          .with("a b", {int64_t{1}});
  EXPECT_EQ(table.find("\"a\"\"b\" = 2"), "1");
  EXPECT_EQ(table.find("\"\" = 1"), "0");
  EXPECT_EQ(table.find("größe.内 = 1"), "0");
  EXPECT_EQ(table.find("\"and\" = 1"), "0");
  EXPECT_EQ(table.find("\"a b\" is null"), "1");
}

}  // namespace
}  // namespace headrace::index
