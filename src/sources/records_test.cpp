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
  EXPECT_EQ(got.records[1].source, "f.jsonl#5");
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
  EXPECT_EQ(first.metadata.at("m"), Value());
  EXPECT_EQ(first.metadata.at("h"), Value());
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

TEST(Csv, WithoutATextColumnTheRemedyIsNamed) {
  Collected got;
  ASSERT_TRUE(read_csv_records("t.csv", "a,b\n1,2\n", {}, got.handlers()));
  ASSERT_EQ(got.problems.size(), 1u);
  EXPECT_NE(got.problems[0].error.hint().find("--text-column"), std::string::npos);
}

}  // namespace
}  // namespace headrace
