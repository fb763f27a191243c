#include "sources/records.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

struct Collected {
  std::vector<RawDocument> records;
  std::vector<DocumentError> problems;
  RecordHandlers handlers() {
    return {[this](RawDocument&& record) -> Status {
              records.push_back(std::move(record));
              return {};
            },
            [this](DocumentError problem) -> Status {
              problems.push_back(std::move(problem));
              return {};
            }};
  }
};

TEST(Jsonl, FieldsBecomeTextIdTitleAndMetadata) {
  Collected got;
  ASSERT_TRUE(
      read_jsonl("f.jsonl",
                 "\xEF\xBB\xBF{\"_id\":\"a\",\"title\":\"T\",\"text\":\"one\",\"n\":3,\"x\":1.5,"
                 "\"b\":true,\"tags\":[\"p\",2],\"o\":{\"k\":\"v\"},\"z\":null}\r\n\n"
                 "{\"id\":7,\"contents\":\"two\"}",
                 {}, got.handlers()));
  ASSERT_EQ(got.records.size(), 2u);
  const RawDocument& first = got.records[0];
  EXPECT_EQ(first.source, "f.jsonl#a");
  EXPECT_EQ(first.title, "T");
  EXPECT_EQ(first.bytes, "one");
  EXPECT_TRUE(first.is_text);
  EXPECT_EQ(first.metadata.at("n"), Value(int64_t{3}));
  EXPECT_EQ(first.metadata.at("x"), Value(1.5));
  EXPECT_EQ(first.metadata.at("b"), Value(true));
  EXPECT_EQ(first.metadata.at("tags"), Value(std::vector<std::string>{"p", "2"}));
  EXPECT_EQ(first.metadata.at("o.k"), Value(std::string("v")));
  EXPECT_EQ(first.metadata.at("id"), Value(std::string("a")));
  EXPECT_EQ(got.records[1].source, "f.jsonl#7");
  EXPECT_EQ(got.records[1].metadata.at("id"), Value(int64_t{7}));
}

TEST(Jsonl, BadLinesAreProblemsAndTheOthersAreKept) {
  Collected got;
  ASSERT_TRUE(read_jsonl(
      "f.jsonl", "{\"text\":\"a\"}\n{broken\n[1]\n{\"title\":\"no text\"}\n{\"text\":\"b\"}\n", {},
      got.handlers()));
  ASSERT_EQ(got.records.size(), 2u);
  EXPECT_EQ(got.records[1].source, "f.jsonl#line-5");
  EXPECT_EQ(got.records[1].metadata.at("id"), Value(std::string("line-5")));
  ASSERT_EQ(got.problems.size(), 3u);
  EXPECT_EQ(got.problems[0].source, "f.jsonl:2");
  EXPECT_NE(got.problems[0].error.message().find("f.jsonl:2: "), std::string::npos);
  EXPECT_FALSE(got.problems[0].error.hint().empty());
}

TEST(Jsonl, WhatPythonWritesIsTaken) {
  Collected got;
  ASSERT_TRUE(read_jsonl(
      "f.jsonl",
      "{\"text\":\"a NaN\",\"n\":NaN,\"p\":[Infinity],\"m\":-Infinity,\"h\":1e400,\"k\":1.5}\n"
      "{\"text\":\"b \\ud83d \\ud83d\\ude00 \\\\ud83d \\udc00\",\"n\":123456789012345678901234}\n"
      "{\"text\":\"c\",\"n\":Nothing}\n{\"text\":\"d\",\"n\":1e-400}\n",
      {}, got.handlers()));
  ASSERT_EQ(got.records.size(), 3u);
  const RawDocument& first = got.records[0];
  EXPECT_EQ(first.bytes, "a NaN");
  EXPECT_EQ(first.metadata.at("n"), Value());
  EXPECT_EQ(first.metadata.at("p"), Value(std::vector<std::string>{"Infinity"}));
  EXPECT_EQ(first.metadata.at("m"), Value(std::string("-Infinity")));
  EXPECT_EQ(first.metadata.at("h"), Value(std::string("1e400")));
  EXPECT_EQ(first.metadata.at("k"), Value(1.5));
  EXPECT_EQ(got.records[1].bytes, "b \xEF\xBF\xBD \xF0\x9F\x98\x80 \\ud83d \xEF\xBF\xBD");
  EXPECT_EQ(got.records[1].metadata.at("n"), Value(std::string("123456789012345678901234")));
  EXPECT_EQ(got.records[2].bytes, "d");
  ASSERT_EQ(got.problems.size(), 1u);
}

TEST(Jsonl, ChosenColumns) {
  Collected got;
  ASSERT_TRUE(read_jsonl("f.jsonl", "{\"body\":\"b\",\"text\":\"t\",\"nr\":1}", {"body", "nr", ""},
                         got.handlers()));
  ASSERT_EQ(got.records.size(), 1u);
  EXPECT_EQ(got.records[0].bytes, "b");
  EXPECT_EQ(got.records[0].source, "f.jsonl#1");
  EXPECT_EQ(got.records[0].metadata.at("text"), Value(std::string("t")));
}

// Lists are of what they hold; a number that no type of ours can hold keeps its digits.
TEST(Jsonl, ListsAndNumbersKeepTheirTypes) {
  Collected got;
  ASSERT_TRUE(read_jsonl(
      "f.jsonl",
      R"({"text":"t","i":[1,null,-2],"r":[1,2.5],"b":[true,false],"s":["a",null,"b"],"m":["a",1,true],)"
      R"("e":[],"n":[null],"x":[9007199254740993,0.5],"big":[18446744073709551615,1],)"
      R"("u":9223372036854775808,"l":9223372036854775807,"d":[[1,2],{"k":1}]})",
      {}, got.handlers()));
  ASSERT_EQ(got.records.size(), 1u);
  const Metadata& said = got.records[0].metadata;
  using Texts = std::vector<std::string>;
  EXPECT_EQ(said.at("i"), Value(std::vector<int64_t>{1, -2}));
  EXPECT_EQ(said.at("r"), Value(std::vector<double>{1, 2.5}));
  EXPECT_EQ(said.at("b"), Value(std::vector<bool>{true, false}));
  EXPECT_EQ(said.at("s"), Value(Texts{"a", "b"}));
  EXPECT_EQ(said.at("m"), Value(Texts{"a", "1", "true"}));
  EXPECT_EQ(said.at("e"), Value(Texts{}));
  EXPECT_EQ(said.at("n"), Value(Texts{}));
  EXPECT_EQ(said.at("x"), Value(Texts{"9007199254740993", "0.5"}));
  EXPECT_EQ(said.at("big"), Value(Texts{"18446744073709551615", "1"}));
  EXPECT_EQ(said.at("u"), Value(std::string("9223372036854775808")));
  EXPECT_EQ(said.at("l"), Value(int64_t{9223372036854775807}));
  EXPECT_EQ(said.at("d"), Value(Texts{"[1,2]", R"({"k":1})"}));
}

TEST(Csv, WhatNoNumberHoldsStaysText) {
  Collected got;
  ASSERT_TRUE(read_csv_records("t.csv",
                               "text,a,b,c,d\nx,18446744073709551616,nan,Inf,-9223372036854775809\n"
                               "y,9223372036854775807,1e400,0.5,-7\n",
                               {}, got.handlers()));
  ASSERT_EQ(got.records.size(), 2u);
  const Metadata& first = got.records[0].metadata;
  EXPECT_EQ(first.at("a"), Value(std::string("18446744073709551616")));
  EXPECT_EQ(first.at("b"), Value(std::string("nan")));
  EXPECT_EQ(first.at("c"), Value(std::string("Inf")));
  EXPECT_EQ(first.at("d"), Value(std::string("-9223372036854775809")));
  const Metadata& second = got.records[1].metadata;
  EXPECT_EQ(second.at("a"), Value(int64_t{9223372036854775807}));
  EXPECT_EQ(second.at("b"), Value(std::string("1e400")));
  EXPECT_EQ(second.at("c"), Value(0.5));
  EXPECT_EQ(second.at("d"), Value(int64_t{-7}));
}

TEST(Csv, RowsWithQuotesTypesAndDelimiters) {
  Collected got;
  ASSERT_TRUE(read_csv_records(
      "t.csv", "id;text;year;code\n1;\"a \"\"quoted\"\";\nline\";2020;007\n2;plain;;x\n3;short\n",
      {}, got.handlers()));
  ASSERT_EQ(got.records.size(), 2u);
  EXPECT_EQ(got.records[0].bytes, "a \"quoted\";\nline");
  EXPECT_EQ(got.records[0].source, "t.csv#1");
  EXPECT_EQ(got.records[0].metadata.at("year"), Value(int64_t{2020}));
  EXPECT_EQ(got.records[0].metadata.at("code"), Value(std::string("007")));
  EXPECT_EQ(got.records[1].metadata.at("year"), Value());
  ASSERT_EQ(got.problems.size(), 1u);
  EXPECT_NE(got.problems[0].error.message().find("t.csv:5: "), std::string::npos);
}

// Whatever the order; and a record that has none takes no other record's name.
TEST(Jsonl, IdComesBeforeUnderscoreId) {
  Collected got;
  ASSERT_TRUE(
      read_jsonl("f.jsonl",
                 "{\"text\":\"a\"}\n{\"_id\":\"u\",\"id\":1,\"text\":\"b\"}\n"
                 "{\"id\":\"2\",\"text\":\"c\",\"_id\":\"v\"}\n{\"_id\":\"w\",\"text\":\"d\"}\n"
                 "{\"id\":null,\"_id\":\"x\",\"text\":\"e\"}\n",
                 {}, got.handlers()));
  ASSERT_EQ(got.records.size(), 5u);
  const auto said = [&](size_t n, const char* name) { return got.records[n].metadata.at(name); };
  EXPECT_EQ(got.records[0].source, "f.jsonl#line-1");
  EXPECT_TRUE(got.records[0].is_numbered);
  EXPECT_EQ(got.records[1].source, "f.jsonl#1");
  EXPECT_EQ(said(1, "id"), Value(int64_t{1}));
  EXPECT_EQ(said(1, "_id"), Value(std::string("u")));
  EXPECT_EQ(got.records[2].source, "f.jsonl#2");
  EXPECT_EQ(said(2, "_id"), Value(std::string("v")));
  EXPECT_EQ(got.records[3].source, "f.jsonl#w");
  EXPECT_EQ(said(3, "id"), Value(std::string("w")));
  EXPECT_FALSE(got.records[3].metadata.contains("_id"));
  EXPECT_EQ(got.records[4].source, "f.jsonl#x");
  EXPECT_FALSE(got.records[4].is_numbered);
}

TEST(Jsonl, AFieldIdThatIsNotTheIdIsKept) {
  Collected got;
  ASSERT_TRUE(read_jsonl("f.jsonl", R"({"nr":7,"id":"other","text":"t","_id":5})", {"", "nr", ""},
                         got.handlers()));
  ASSERT_EQ(got.records.size(), 1u);
  EXPECT_EQ(got.records[0].source, "f.jsonl#7");
  EXPECT_EQ(got.records[0].metadata.at("id"), Value(int64_t{7}));
  EXPECT_EQ(got.records[0].metadata.at("_id"), Value(int64_t{5}));
  EXPECT_EQ(got.records[0].metadata.at("__id"), Value(std::string("other")));
}

TEST(Csv, WithoutATextColumnTheRemedyIsNamed) {
  Collected got;
  ASSERT_TRUE(read_csv_records("t.csv", "a,b\n1,2\n", {}, got.handlers()));
  ASSERT_EQ(got.problems.size(), 1u);
  EXPECT_NE(got.problems[0].error.hint().find("--text-column"), std::string::npos);
}

}  // namespace
}  // namespace headrace
