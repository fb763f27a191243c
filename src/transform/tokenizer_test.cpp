#include "transform/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "transform/tokenizer_config.h"
#include "transform/tokenizer_packed_trie.h"
#include "transform/tokenizer_trie.h"

namespace headrace {
namespace {

constexpr const char* kMinimal =
    R"({"version":"1.0","added_tokens":[],"normalizer":null,
        "pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":null,
        "model":{"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##",
                 "max_input_chars_per_word":100,"vocab":{"?":0,"a":1}}})";

// kMinimal with one part replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string out = kMinimal;
  const size_t at = out.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return out.replace(at, from.size(), to);
}

ErrorCode code_of(const std::string& json, const std::string& word) {
  const auto config = parse_tokenizer_config(json, "t.json");
  if (config) {
    ADD_FAILURE() << "accepted: " << json.substr(0, 300);
    return ErrorCode::internal;
  }
  EXPECT_TRUE(config.error().text().starts_with("t.json")) << config.error().text();
  EXPECT_NE(config.error().text().find(word), std::string::npos) << config.error().text();
  return config.error().code();
}

TEST(TokenizerConfig, ReadsAMinimalFile) {
  const auto config = parse_tokenizer_config(kMinimal, "t.json");
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_EQ(config->vocabulary.size(), 2u);
  EXPECT_TRUE(config->normalizers.empty());
}

TEST(TokenizerConfig, WhatIsTooLongLosesItsBeginningWhereTheFilesSaySo) {
  const std::string left =
      with(R"("normalizer":null)", R"("normalizer":null,"truncation":{"direction":"Left"})");
  EXPECT_TRUE(parse_tokenizer_config(left, "t.json")->cuts_beginning);
  EXPECT_FALSE(parse_tokenizer_config(kMinimal, "t.json")->cuts_beginning);
}

TEST(TokenizerConfig, RefusesWhatItCannotDoByName) {
  EXPECT_EQ(code_of(with("WordPiece", "Quantum"), "Quantum"), ErrorCode::unsupported);
  EXPECT_EQ(code_of(with(R"("normalizer":null)", R"("normalizer":{"type":"Sillify"})"), "Sillify"),
            ErrorCode::unsupported);
  EXPECT_EQ(code_of(with("BertPreTokenizer", "Magic"), "Magic"), ErrorCode::unsupported);
  EXPECT_EQ(code_of(with(R"("post_processor":null)", R"("post_processor":{"type":"Mystery"})"),
                    "Mystery"),
            ErrorCode::unsupported);
  EXPECT_EQ(code_of(with("\"1.0\"", "\"9.9\""), "9.9"), ErrorCode::unsupported);
}

TEST(TokenizerConfig, RefusesDamagedFiles) {
  EXPECT_EQ(code_of("", "JSON"), ErrorCode::damaged);
  EXPECT_EQ(code_of("[]", "object"), ErrorCode::damaged);
  EXPECT_EQ(code_of("{}", "model"), ErrorCode::damaged);
  EXPECT_EQ(code_of(std::string(kMinimal).substr(0, 200), "JSON"), ErrorCode::damaged);
  EXPECT_EQ(code_of(with("{\"?\":0,\"a\":1}", "[1,2]"), "vocab"), ErrorCode::damaged);
  EXPECT_EQ(code_of(with("{\"?\":0,\"a\":1}", "{}"), "empty"), ErrorCode::damaged);
  EXPECT_EQ(code_of(with("\"a\":1", "\"a\":0"), "two tokens"), ErrorCode::damaged);
  EXPECT_EQ(code_of(with("\"a\":1", "\"?\":1"), "twice"), ErrorCode::damaged);
  EXPECT_EQ(code_of(with("\"a\":1", "\"a\":-1"), "id"), ErrorCode::damaged);
  EXPECT_EQ(code_of(with("\"a\":1", "\"a\":1.5"), "id"), ErrorCode::damaged);
  EXPECT_EQ(code_of(with("\"a\":1", "\"a\":99999999999"), "id"), ErrorCode::damaged);
  EXPECT_EQ(code_of(with("\"?\":0,", ""), "unknown token"), ErrorCode::damaged);
  EXPECT_EQ(code_of(with(":100,", ":\"x\","), "max_input_chars_per_word"), ErrorCode::damaged);
  EXPECT_EQ(code_of(with(":100,", ":99999999999,"), "max_input_chars_per_word"),
            ErrorCode::unsupported);
  EXPECT_EQ(code_of(with("\"added_tokens\":[]", "\"added_tokens\":[1]"), "added_tokens"),
            ErrorCode::damaged);
  EXPECT_EQ(code_of(std::string(100'000, '['), "JSON"), ErrorCode::damaged);
}

TEST(TokenizerLoad, NamesAMissingFile) {
  const auto missing = Tokenizer::load("/nowhere/at/all");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::not_found);
  EXPECT_NE(missing.error().message().find("/nowhere/at/all"), std::string::npos);
  EXPECT_FALSE(Tokenizer::load("/dev/null"));
}

TEST(WithoutModel, SplitsRunsAndMarks) {
  const auto tokenizer = Tokenizer::without_model();
  const std::string text = "Hello42, w\xC3\xB6rld \xE2\x82\xAC\n\xFF";
  Encoding got;
  tokenizer->encode_with_special(text, got);
  EXPECT_EQ(got.begins, (std::vector<uint32_t>{0, 4, 5, 7, 9, 10, 12, 16, 20}));
  EXPECT_EQ(got.ends, (std::vector<uint32_t>{4, 5, 7, 8, 10, 12, 15, 19, 21}));
  std::vector<int32_t> ids;
  EXPECT_EQ(tokenizer->encode_ids(text, 2, ids), 9u);
  EXPECT_EQ(ids.size(), 2u);
  EXPECT_EQ(tokenizer->special_count(), 0u);
}

TEST(WithoutModel, CountsWhatTheGuideSays) {
  const auto count = [](std::string_view text) {
    std::vector<int32_t> ids;
    return Tokenizer::without_model()->encode_ids(text, 0, ids);
  };
  for (const auto& [text, tokens] : std::vector<std::pair<std::string, size_t>>{
           {"", 0},          {" \n\t\x7F", 0},  {"word", 1},        {"words", 2},
           {"longwords", 3}, {"Word", 1},       {"Words", 2},       {"XML", 1},
           {"HTTP", 2},      {"HTTPserver", 3}, {"getInputMap", 4}, {"12", 1},
           {"2024", 2},      {"9b6c", 4},       {"a_b", 3},         {"f(x);", 5},
           {"---", 3},       {"日本語", 3},     {"при", 3},         {"e\xCC\x81", 2},
           {"é", 1},         {"가", 2},         {"각", 3}}) {
    EXPECT_EQ(count(text), tokens) << text;
  }
}

TEST(Offsets, BecomeCodePoints) {
  // a ö € 😀 bad b
  const std::string text =
      "a\xC3\xB6\xE2\x82\xAC\xF0\x9F\x98\x80\xFF"
      "b";
  std::vector<uint32_t> begins = {0, 0, 1, 3, 6, 10, 11};
  std::vector<uint32_t> ends = {0, 1, 3, 6, 10, 11, 12};
  offsets_to_code_points(text, begins, ends);
  EXPECT_EQ(begins, (std::vector<uint32_t>{0, 0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(ends, (std::vector<uint32_t>{0, 1, 2, 3, 4, 5, 6}));
  std::vector<uint32_t> again = {12, 0, 6, 6, 3};
  std::vector<uint32_t> none;
  offsets_to_code_points(text, again, none);
  EXPECT_EQ(again, (std::vector<uint32_t>{6, 0, 3, 3, 2}));
}

// Whatever lies between two offsets, forwards and back, and at the text's end.
TEST(Offsets, AreCountedInCodePoints) {
  std::mt19937 chance(2);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    const size_t count = chance() % 60;
    for (size_t i = 0; i < count; ++i) {
      constexpr std::array<char32_t, 8> kKinds = {'a', 'b', ' ', 0xE9, 0x4E2D, 0x1F600, 0x7FF, 'z'};
      append_code_point(kKinds[chance() % kKinds.size()], text);
    }
    if (round % 4 == 0) text += "\xC3";  // no valid UTF-8: counted otherwise, with the same result
    std::vector<uint32_t> begins;
    for (int i = 0; i < 40; ++i) {
      begins.push_back(static_cast<uint32_t>(code_point_floor(text, chance() % (text.size() + 1))));
    }
    std::vector<uint32_t> ends = begins;
    std::sort(ends.begin(), ends.end());
    std::vector<uint32_t> wanted;
    std::vector<uint32_t> wanted_ends;
    const auto counted = [&](uint32_t offset) {
      return static_cast<uint32_t>(count_code_points(std::string_view(text).substr(0, offset)));
    };
    for (const uint32_t offset : begins) wanted.push_back(counted(offset));
    for (const uint32_t offset : ends) wanted_ends.push_back(counted(offset));
    offsets_to_code_points(text, begins, ends);
    ASSERT_EQ(begins, wanted) << text;
    ASSERT_EQ(ends, wanted_ends) << text;
  }
}

TEST(ByteTrie, FindsTheLongest) {
  ByteTrie trie;
  EXPECT_TRUE(trie.insert("ab", 1));
  EXPECT_TRUE(trie.insert("abcd", 2));
  EXPECT_TRUE(trie.insert(std::string_view("\0x", 2), 3));
  EXPECT_EQ(trie.longest("abcx", 4).length, 2u);
  EXPECT_EQ(trie.longest("abcdx", 5).value, 2);
  EXPECT_EQ(trie.longest("xabcd", 5).length, 0u);
  EXPECT_EQ(trie.longest("\0xx", 3).value, 3);
  EXPECT_EQ(trie.longest("abcd", 3).value, 1);
}

TEST(PackedTrie, FindsTheLongest) {
  PackedTrie trie;
  EXPECT_EQ(trie.longest("ab", 2).length, 0u);
  ASSERT_TRUE(trie.build({{"ab", 9},
                          {"abcd", 2},
                          {std::string_view("\0x", 2), 3},
                          {"", 7},
                          {"ab", 1},
                          {"\xFF\xFE", 4}}));
  EXPECT_EQ(trie.longest("abcx", 4).length, 2u);
  EXPECT_EQ(trie.longest("abcx", 4).value, 1);
  EXPECT_EQ(trie.longest("abcdx", 5).value, 2);
  EXPECT_EQ(trie.longest("xabcd", 5).length, 0u);
  EXPECT_EQ(trie.longest("a", 1).length, 0u);
  EXPECT_EQ(trie.longest("\0xx", 3).value, 3);
  EXPECT_EQ(trie.longest("\0\0", 2).length, 0u);
  EXPECT_EQ(trie.longest("ab\0", 3).length, 2u);
  EXPECT_EQ(trie.longest("\xFF\xFE\xFD", 3).value, 4);
  EXPECT_EQ(trie.longest("abcd", 3).value, 1);
}

// Against a list that is looked through.
TEST(PackedTrie, HoldsManyKeys) {
  std::mt19937 chance(1);
  std::map<std::string, int32_t, std::less<>> known;
  for (int32_t i = 0; i < 20'000; ++i) {
    // Some nodes have every child, most have one.
    std::string key;
    const size_t size = 1 + chance() % 12;
    for (size_t j = 0; j < size; ++j) {
      key += static_cast<char>(j == 1 && chance() % 2 == 0 ? chance() : 'a' + chance() % 4);
    }
    known[key] = i;
  }
  std::vector<PackedTrie::Entry> entries;
  for (const auto& [key, value] : known) entries.push_back({key, value});
  PackedTrie trie;
  ASSERT_TRUE(trie.build(entries));
  for (const auto& [key, value] : known) {
    for (const std::string& text : {key, key + "a", key + '\0', key.substr(1), key + key}) {
      size_t size = text.size();
      while (size > 0 && !known.contains(std::string_view(text).substr(0, size))) --size;
      const PackedTrie::Match found = trie.longest(text.data(), text.size());
      ASSERT_EQ(found.length, size) << text;
      if (size > 0) ASSERT_EQ(found.value, known.find(text.substr(0, size))->second) << text;
    }
  }
}

}  // namespace
}  // namespace headrace
