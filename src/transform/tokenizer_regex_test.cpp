#include "transform/tokenizer_regex.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "transform/tokenizer_scan.h"
#include "transform/tokenizer_splitter.h"

namespace headrace {
namespace {

std::vector<std::string> matches(const std::string& pattern, const std::string& text) {
  const auto regex = TokenRegex::compile(pattern);
  EXPECT_TRUE(regex) << regex.error().text();
  std::vector<std::string> out;
  if (!regex) return out;
  regex->each_match(
      text, [&](size_t begin, size_t end) { out.push_back(text.substr(begin, end - begin)); });
  return out;
}

using Words = std::vector<std::string>;

TEST(TokenRegex, MatchesAsOnigurumaDoes) {
  EXPECT_EQ(matches("a|ab", "abab"), (Words{"a", "a"}));
  EXPECT_EQ(matches("(?:ab)+", "ababxab"), (Words{"abab", "ab"}));
  EXPECT_EQ(matches("(?:ab){2,3}", "abababab"), (Words{"ababab"}));
  EXPECT_EQ(matches("a+?b", "aab"), (Words{"aab"}));
  EXPECT_EQ(matches("a++ab", "aaab"), (Words{}));
  EXPECT_EQ(matches("\\s+(?!\\S)|\\s+", "a   b "), (Words{"  ", " ", " "}));
  EXPECT_EQ(matches("(?=b)b|[^b]", "abc"), (Words{"a", "b", "c"}));
  EXPECT_EQ(matches("(?i:'S|k)", "'s'\u017F\u212AK"), (Words{"'s", "'\u017F", "\u212A", "K"}));
  EXPECT_EQ(matches("[\\p{Lu}\\p{Nd}-]+", "aB-1\u0661\u00c9x"), (Words{"B-1\u0661\u00c9"}));
  EXPECT_EQ(matches("[^\\s\\p{L}]+", "a 1,\u6587"), (Words{"1,"}));
  EXPECT_EQ(matches("\\p{Han}+", "a\u6587\u5b57\u3042"), (Words{"\u6587\u5b57"}));
  EXPECT_EQ(matches("[\\u4e00-\\u9fa5]|\\x{e9}", "\u00e9\u6587a"), (Words{"\u00e9", "\u6587"}));
  EXPECT_EQ(matches("x*", "axx"), (Words{"", "xx"}));
}

TEST(TokenRegex, RefusesWhatItDoesNotKnow) {
  for (const char* pattern :
       {"(?<=a)b", "(a", "a)", "[a", "a{2,1}", "\\1", "\\b", "[[:alpha:]]", "[a&&b]", "\\p{Nope}",
        "a**", "(a*)*", "(?i)a", "(?i:\u00e9)", "+a", "\\", "(?:abcdefghijklmnopqrstu){999}"}) {
    const auto regex = TokenRegex::compile(pattern);
    ASSERT_FALSE(regex) << pattern;
    EXPECT_EQ(regex.error().code(), ErrorCode::unsupported);
  }
}

// By backtracking alone these would not end in the lifetime of a test.
TEST(TokenRegex, NoPatternTakesExponentialTime) {
  const std::string many(300'000, 'a');
  EXPECT_EQ(matches("(?:a|aa)+(?:a|aa)+(?:a|aa)+b", many.substr(0, 20'000)), Words{});
  EXPECT_EQ(matches("(a+)+$", many + "!"), Words{});
  EXPECT_EQ(matches("(a+)+$", many + "!a"), Words{"a"});
  EXPECT_EQ(matches("(a+?)+?$", many + "!"), Words{});
  EXPECT_EQ(matches("a++$", many + "!"), Words{});
  EXPECT_EQ(matches("(?=a*b)a", many), Words{});
  EXPECT_EQ(matches("(?=a*$)a", many).size(), many.size());
  EXPECT_EQ(matches("a(?!a*+b)", many).size(), many.size());
  EXPECT_EQ(matches("a(?=(?:a|b)*$)", many).size(), many.size());
  EXPECT_EQ(matches("\\s+$|x", std::string(300'000, ' ') + "x"), Words{"x"});
  std::string words;
  for (int i = 0; i < 60'000; ++i) words += "word ";
  EXPECT_EQ(matches("(\\w+\\s?)+$", words + "!"), Words{});
  EXPECT_EQ(matches("(\\w+\\s?)+$", words + "! a"), Words{"a"});
}

// Each turn of the group leaves open choices: there is an end to what they may take.
TEST(TokenRegex, OpenChoicesAreBounded) {
  const auto regex = TokenRegex::compile("(?:a|b)*");
  ASSERT_TRUE(regex);
  const std::string some(100'000, 'b');
  EXPECT_EQ(regex->match(some, 0), some.size());
  const std::string many(5'000'000, 'b');
  EXPECT_EQ(regex->match(many, 0), TokenRegex::kNone);
}

TEST(TokenRegex, RememberingChangesNoMatch) {
  constexpr const char* kAtoms[] = {
      "a",        "b",      "[ab]",    "\u00e9",  "\\w",        ".",        "$",
      "(?=ab)",   "(?!ba)", "(?=a+b)", "(?!.*b)", "(?=[ab]*$)", "(?=.+?b)", "(?=(?:a|ab)+\\n)",
      "(?!a++b)", "^"};
  constexpr const char* kCounts[] = {"",   "",   "+",  "*",     "?",   "+?",
                                     "*?", "??", "++", "{1,2}", "{2,}"};
  constexpr const char* kParts[] = {"a", "b", "ab", "\u00e9", "\n", " "};
  std::mt19937 random(3);
  const auto some = [&random](const auto& list) { return list[random() % std::size(list)]; };
  size_t tried = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string pattern;
    const auto sequence = [&](size_t most) {
      for (size_t i = 1 + random() % most; i > 0; --i)
        pattern.append(some(kAtoms)) += some(kCounts);
    };
    for (size_t i = 1 + random() % 3; i > 0; --i) {
      const bool group = random() % 2 == 0;
      if (group) pattern += "(";
      sequence(3);
      if (random() % 2 == 0) sequence((pattern += "|", 2));
      if (group) pattern.append(")") += some(kCounts);
    }
    const auto regex = TokenRegex::compile(pattern);
    if (!regex) continue;
    ++tried;
    std::string text;
    for (size_t i = random() % 14; i > 0; --i) text += some(kParts);
    TokenRegex::Search forgets(*regex, text);
    TokenRegex::Search remembers(*regex, text, false);
    for (size_t at = 0; at <= text.size(); ++at) {
      if (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) continue;
      ASSERT_EQ(remembers.match(at), forgets.match(at))
          << pattern << " in " << text << " at " << at;
    }
  }
  EXPECT_GT(tried, 1'000u);
}

TEST(BytePattern, AgreesWithTheRegularExpression) {
  constexpr const char* kParts[] = {"a",
                                    "Bc",
                                    "1",
                                    "234567",
                                    " ",
                                    "  ",
                                    "\n",
                                    "\r",
                                    "\t",
                                    "'",
                                    "s",
                                    "S",
                                    "ll",
                                    "LL",
                                    "Re",
                                    "!",
                                    "?.",
                                    "\u00e9",
                                    "\u0301",
                                    "\u00a0",
                                    "\u3000",
                                    "\u0661",
                                    "\u6587",
                                    "\u017F",
                                    "d",
                                    "\u00bd",
                                    "-/",
                                    "\u2028",
                                    "ABC",
                                    "/",
                                    "\u00c9\u01c5",
                                    "\u02b0",
                                    "longerwordthansixteenbytes"};
  const std::string llama =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  std::string qwen = llama;
  qwen.replace(qwen.find("{1,3}"), 5, "");
  const std::string o200k =
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  std::mt19937 random(2);
  for (const std::string& pattern : {std::string(kByteLevelPattern), llama, qwen, o200k}) {
    const auto regex = TokenRegex::compile(pattern);
    ASSERT_TRUE(regex);
    const auto known = BytePattern::known(pattern);
    ASSERT_TRUE(known) << pattern;
    for (int round = 0; round < 12'000; ++round) {
      std::string text;
      const size_t parts = 1 + random() % (round < 3000 ? 12 : 100);
      // Mostly ASCII, so that blocks reach far.
      for (size_t i = 0; i < parts; ++i) {
        std::string part;
        do {
          part = kParts[random() % std::size(kParts)];
        } while (round % 2 == 1 && random() % 32 != 0 && !is_ascii(part));
        text += part;
      }
      for (size_t at = 0; at < text.size();) {
        const size_t next = known->next(text, at);
        ASSERT_EQ(next, regex->match(text, at)) << text << " at " << at;
        if (text.size() - at >= BytePattern::kBlock) {
          uint64_t starts = known->starts(text.data() + at);
          ASSERT_EQ(starts & 1, 1u);
          size_t word = at;
          for (starts &= starts - 1; starts != 0; starts &= starts - 1) {
            const size_t to = at + static_cast<size_t>(std::countr_zero(starts));
            ASSERT_EQ(known->next(text, word), to) << text.substr(at, 64) << " at " << word - at;
            word = to;
          }
        }
        at = next;
      }
    }
  }
}

}  // namespace
}  // namespace headrace
