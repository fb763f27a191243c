#include "index/query.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "index/search.h"

namespace headrace::index {
namespace {

// "words | need kind text | …", with runs of spaces as one.
std::string shown(std::string_view text) {
  const Query query = parse_query(text);
  std::string words;
  for (const char c : query.words) {
    if (c != ' ' || (!words.empty() && words.back() != ' ')) words += c;
  }
  while (words.ends_with(' ')) words.pop_back();
  for (const QueryClause& clause : query.clauses) {
    static constexpr std::string_view kNeeds[] = {"?", "+", "-"};
    words += fmt::format(" | {}{}[{}]{}", kNeeds[static_cast<int>(clause.need)],
                         clause.title ? "title:" : "", clause.text,
                         clause.kind == QueryClause::Kind::prefix ? "*" : "");
  }
  return words;
}

TEST(Query, Operators) {
  EXPECT_EQ(shown("plain words"), "plain words");
  EXPECT_EQ(shown("a \"exact phrase\" b"), "a b | +[exact phrase]");
  EXPECT_EQ(shown("+must -not word"), "word | +[must] | -[not]");
  EXPECT_EQ(shown("pre* word"), "word | ?[pre]*");
  EXPECT_EQ(shown("+pre* -other*"), " | +[pre]* | -[other]*");
  EXPECT_EQ(shown("title:word title:\"two words\" -title:no"),
            " | ?title:[word] | +title:[two words] | -title:[no]");
  EXPECT_EQ(shown("-\"a phrase\" (+x1)"), "( | -[a phrase] | +[x1)]");
  EXPECT_EQ(shown("\u201Ctypographic quotes\u201D"), " | +[typographic quotes]");
  EXPECT_EQ(shown("+foo-bar"), " | +[foo-bar]");
}

TEST(Query, WhatPeopleWriteStaysWords) {
  for (const std::string_view text : {"how do I use state-of-the-art models?",
                                      "what does don't mean",
                                      "a 5'10\" tall person",
                                      "ls -l and --help",
                                      "-5 degrees",
                                      "2 + 2 - 1",
                                      "C++ vs C",
                                      "A* search",
                                      "SELECT * FROM t",
                                      "**bold** text",
                                      "an \"unclosed quote",
                                      "\"\" empty",
                                      "rock 'n' roll",
                                      "e-mail a-b",
                                      "what is x=\"y\"z",
                                      "-",
                                      "+",
                                      "\"",
                                      "title: the thing",
                                      "subtitle:x",
                                      "http://a.b/c?d=e",
                                      "+ spaced",
                                      "\"?!\"",
                                      "foo*bar",
                                      "- a list",
                                      "50% -30%?"}) {
    EXPECT_TRUE(parse_query(text).clauses.empty()) << text;
    EXPECT_EQ(parse_query(text).words, text);
    EXPECT_EQ(query_meaning(text), text);
  }
}

TEST(Query, MeaningLeavesOperatorsOut) {
  EXPECT_EQ(query_meaning("how \"dead tuples\" +vacuum -full autovac* work"),
            "how dead tuples vacuum autovac work");
  EXPECT_EQ(query_meaning("-only"), "-only");
}

TEST(Query, HostileTexts) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "\"a -\" +b* ";
  EXPECT_FALSE(parse_query(text).clauses.empty());
  const std::string quotes(100000, '"');
  EXPECT_TRUE(parse_query(quotes).clauses.empty());
  EXPECT_TRUE(parse_query("\xff\xfe\"\xff\" -\xc3").clauses.empty());
}

// A megabyte of them: looked through once for each, it would take minutes.
TEST(Query, QuotesThatNeverClose) {
  for (const std::string_view part : {"\"a b ", "\u201Ca b ", "title:\"a b ", "+\"! "}) {
    std::string text;
    while (text.size() < 1'000'000) text += part;
    EXPECT_EQ(parse_query(text).words.size(), text.size());
  }
  std::string far;
  while (far.size() < 1'000'000) far += "\u201C! ";
  EXPECT_TRUE(parse_query(far + "\u201D").clauses.empty());
  const Query query = parse_query("\"one two\" \u201Cfour five\u201D \"three\"x \"six\"");
  ASSERT_EQ(query.clauses.size(), 3U);
  EXPECT_EQ(query.clauses[1].text, "four five");
  EXPECT_EQ(query.clauses[2].text, "three\"x \"six");
}

std::string marked(std::string_view query, std::string_view text) {
  std::string shown;
  size_t at = 0;
  for (const MatchRange& range : highlight(query, text, "en")) {
    shown += text.substr(at, range.begin - at);
    shown += "[" + std::string(text.substr(range.begin, range.end - range.begin)) + "]";
    at = range.end;
  }
  return shown + std::string(text.substr(at));
}

TEST(Query, HighlightsAgreeWithTheAnalyzer) {
  EXPECT_EQ(marked("running cafe", "He runs to the Café, ran on"),
            "He [runs] to the [Café], ran on");
  EXPECT_EQ(marked("+conf* -table", "Configure the table configs"),
            "[Configure] the table [configs]");
  EXPECT_EQ(marked("\"two words\"", "words of two"), "[words] of [two]");
  EXPECT_EQ(marked("京都", "東京都に住む"), "東[京都]に住む");
}

}  // namespace
}  // namespace headrace::index
