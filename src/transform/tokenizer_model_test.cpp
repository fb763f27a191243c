// Models behind every kind of pre-tokenizer; what is expected is what `tokenizers` 0.23 gives.
#include "transform/tokenizer_model.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "transform/tokenizer_general.h"
#include "transform/tokenizer_samples.h"
#include "transform/wordpiece.h"

namespace headrace {
namespace {

Result<std::shared_ptr<const Tokenizer>> load(const std::string& json) {
  auto config = parse_tokenizer_config(json, "t.json");
  if (!config) return std::unexpected(config.error());
  if (WordPieceTokenizer::takes(*config)) return WordPieceTokenizer::build(*std::move(config));
  return GeneralTokenizer::build(*std::move(config));
}

struct Tokens {
  std::vector<int32_t> ids;
  std::vector<std::pair<uint32_t, uint32_t>> offsets;  // in bytes
  bool operator==(const Tokens&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Tokens& tokens) {
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    out << fmt::format("{} ({}, {}) ", tokens.ids[i], tokens.offsets[i].first,
                       tokens.offsets[i].second);
  }
  return out;
}

Tokens encode(const std::string& json, std::string_view text) {
  const auto tokenizer = load(json);
  EXPECT_TRUE(tokenizer) << tokenizer.error().text();
  Tokens out;
  if (!tokenizer) return out;
  Encoding got;
  (*tokenizer)->encode(text, got);
  out.ids = got.ids;
  for (size_t i = 0; i < got.ids.size(); ++i) out.offsets.emplace_back(got.begins[i], got.ends[i]);
  return out;
}

std::string refusal(const std::string& json) {
  const auto tokenizer = load(json);
  EXPECT_FALSE(tokenizer);
  if (tokenizer) return "";
  EXPECT_EQ(tokenizer.error().code(), ErrorCode::unsupported);
  return tokenizer.error().text();
}

const std::string kWords = R"("<unk>":0,"a":1,"b":2,"ab":3,"Ġ":4)";
const std::string kTrim =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";

std::string bpe(const std::string& settings, const std::string& vocabulary,
                const std::string& merges, const std::string& splits,
                const std::string& post = "null") {
  return samples::plain(fmt::format(R"({{"type":"BPE",{}"vocab":{{{}}},"merges":[{}]}})", settings,
                                    vocabulary, merges),
                        splits, "null", post);
}

std::string with_bytes(std::string vocabulary, int next) {
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary += fmt::format(R"(,"<0x{:02X}>":{})", byte, next++);
  }
  return vocabulary;
}

TEST(BpeModel, BytesOfDecoratedSymbolsAreRefused) {
  const std::string words = with_bytes(R"("<unk>":0,"a":1)", 2);
  for (const std::string affix :
       {R"("end_of_word_suffix":"</w>")", R"("continuing_subword_prefix":"##")"}) {
    const std::string settings = R"("unk_token":"<unk>","byte_fallback":true,)" + affix + ",";
    EXPECT_NE(refusal(bpe(settings, words, "", "null")).find("byte_fallback"), std::string::npos);
    // Without tokens for its bytes a decorated symbol is unknown like any other.
    EXPECT_EQ(encode(bpe(settings, R"("<unk>":0,"a":1,"<0x62>":2)", "", "null"), "ab"),
              (Tokens{{1, 0}, {{0, 1}, {1, 2}}}));
  }
  // Nothing is put before the first symbol: its bytes alone are known.
  EXPECT_EQ(encode(bpe(R"("unk_token":"<unk>","byte_fallback":true,)"
                       R"("continuing_subword_prefix":"##",)",
                       R"("<unk>":0,"<0x62>":2)", "", "null"),
                   "bb"),
            (Tokens{{2, 0}, {{0, 1}, {1, 2}}}));
}

TEST(BpeModel, BytesWithoutATokenAreUnknown) {
  const std::string unknown = R"("unk_token":"<unk>",)";
  const std::string merge = R"(["a","b"])";
  const std::string& split = samples::kGpt2;
  EXPECT_EQ(encode(bpe(unknown, kWords, merge, split), "abXab a"),
            (Tokens{{3, 0, 3, 4, 1}, {{0, 2}, {2, 3}, {3, 5}, {5, 6}, {6, 7}}}));
  EXPECT_EQ(encode(bpe(unknown, kWords, merge, split), "\u00e9"),
            (Tokens{{0, 0}, {{0, 2}, {0, 2}}}));
  EXPECT_EQ(encode(bpe(unknown + R"("fuse_unk":true,)", kWords, merge, split), "abXYab a"),
            (Tokens{{3, 0, 3, 4, 1}, {{0, 2}, {2, 4}, {4, 6}, {6, 7}, {7, 8}}}));
  // Without a token for what is unknown it is left out, and what follows in the word moves.
  EXPECT_EQ(encode(bpe("", kWords, merge, split), "abXab a"),
            (Tokens{{3, 3, 4, 1}, {{0, 2}, {2, 4}, {5, 6}, {6, 7}}}));
  EXPECT_EQ(encode(bpe("", kWords, merge, split), "\u00e9a a"),
            (Tokens{{1, 4, 1}, {{0, 2}, {3, 4}, {4, 5}}}));
}

TEST(BpeModel, WhatIsLeftOutMovesAllThatFollows) {
  EXPECT_EQ(encode(bpe("", R"("b":0," ":1,"  ":2)", R"([" "," "])", "null"), "abab a"),
            (Tokens{{0, 0, 1}, {{0, 1}, {1, 2}, {2, 3}}}));
}

TEST(BpeModel, MergesOfWhatNoBytesStandForAreNeverMet) {
  std::string json = samples::byte_level(samples::kGpt2);
  const Tokens before = encode(json, "a  b");
  json.replace(json.find(R"("vocab":{)"), 9, R"("vocab":{" ":9000,"  ":9001,)");
  json.replace(json.find(R"("merges":[)"), 10, R"("merges":[[" "," "],)");
  EXPECT_EQ(encode(json, "a  b"), before);
}

TEST(BpeModel, TokensOfBytesMayBeDecorated) {
  EXPECT_EQ(encode(bpe(R"("unk_token":"<unk>","continuing_subword_prefix":"##",)",
                       R"("<unk>":0,"a":1,"##b":2,"Ġ":3,"##a":4,"ab":5)", R"(["a","##b"])",
                       samples::kGpt2),
                   "ab aa"),
            (Tokens{{5, 3, 4, 4}, {{0, 2}, {2, 3}, {3, 4}, {4, 5}}}));
  EXPECT_EQ(encode(bpe(R"("unk_token":"<unk>","end_of_word_suffix":"</w>",)",
                       R"("<unk>":0,"a":1,"b</w>":2,"Ġ":3,"a</w>":4,"©</w>":5,"Ã":6)", "",
                       samples::kGpt2),
                   "ab aa\u00e9 b"),
            (Tokens{{1, 2, 3, 1, 1, 6, 5, 3, 2},
                    {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 7}, {5, 7}, {7, 8}, {8, 9}}}));
}

TEST(TokenModel, OtherModelsSeeTheSymbolsOfBytes) {
  EXPECT_EQ(encode(samples::plain(R"({"type":"WordLevel","unk_token":"<unk>","vocab":{"<unk>":0,)"
                                  R"("hello":1,"Ġworld":2,"Ċ":3,"Ã©":4}})",
                                  samples::kGpt2),
                   "hello world\n\u00e9 w"),
            (Tokens{{1, 2, 3, 4, 0}, {{0, 5}, {5, 11}, {11, 12}, {12, 14}, {14, 16}}}));
  const std::string unigram = samples::plain(
      R"({"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<unk>",0],["a",-1],)"
      R"(["Ġ",-2],["Ã",-3],["©",-3],["Ċ",-2]]})",
      samples::kGpt2);
  EXPECT_EQ(encode(unigram, "a a"), (Tokens{{1, 2, 1}, {{0, 1}, {1, 2}, {2, 3}}}));
  EXPECT_EQ(encode(unigram, "\u00e9"), (Tokens{{3, 4}, {{0, 2}, {0, 2}}}));
  EXPECT_EQ(encode(unigram, "a\n"), (Tokens{{1, 5}, {{0, 1}, {1, 2}}}));
  const std::string word_piece = samples::plain(
      R"({"type":"WordPiece","unk_token":"<unk>","continuing_subword_prefix":"##",)"
      R"("max_input_chars_per_word":100,"vocab":{"<unk>":0,"a":1,"Ġ":2,"##a":3,"Ã":4,"##©":5}})",
      samples::kGpt2);
  EXPECT_EQ(encode(word_piece, "a a"), (Tokens{{1, 2, 3}, {{0, 1}, {1, 2}, {2, 3}}}));
  EXPECT_EQ(encode(word_piece, "\u00e9"), (Tokens{{4, 5}, {{0, 2}, {0, 2}}}));
}

// A token's own string says how much white space its offsets leave out, not the text it stands for.
TEST(TokenModel, OffsetsAreTrimmedByTheTokensText) {
  const std::string word = R"({"type":"Split","pattern":{"Regex":" ?\\p{L}+"},)"
                           R"("behavior":"Isolated","invert":false})";
  // The blank has no token: what follows it in the word moves, and begins with none.
  EXPECT_EQ(encode(bpe("", R"("a":0,"b":1,"ab":2)", R"("a b")", word, kTrim), "ab ab"),
            (Tokens{{2, 2}, {{0, 2}, {2, 4}}}));
  EXPECT_EQ(encode(bpe(R"("unk_token":"<unk>",)", kWords, "", word, kTrim), "a b"),
            (Tokens{{1, 0, 2}, {{0, 1}, {1, 2}, {2, 3}}}));
  EXPECT_EQ(encode(samples::plain(R"({"type":"WordLevel","unk_token":"<unk>","vocab":{"<unk>":0,)"
                                  R"("a":1," a":2}})",
                                  word, "null", kTrim),
                   "a a b"),
            (Tokens{{1, 2, 0}, {{0, 1}, {2, 3}, {3, 5}}}));
}

TEST(UnigramModel, OfEqualTokensTheLastCounts) {
  EXPECT_EQ(encode(samples::plain(
                       R"({"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<unk>",0],)"
                       R"(["a",-1],["b",-2],["<s>",-1],["a",-3],["<s>",-1]]})",
                       "null", "null", "null",
                       R"([{"id":3,"content":"<s>","special":true,"normalized":false}])"),
                   "a<s>b"),
            (Tokens{{4, 5, 2}, {{0, 1}, {1, 4}, {4, 5}}}));
}

TEST(AddedTokens, TheFirstOfThoseThatLookAlikeIsFound) {
  const std::string model = R"({"type":"WordLevel","unk_token":"<unk>","vocab":{"<unk>":0,"a":1}})";
  const std::string words = R"({"type":"WhitespaceSplit"})";
  EXPECT_EQ(encode(samples::plain(model, words,
                                  R"({"type":"Replace","pattern":{"Regex":"[0-9]"},"content":"0"})",
                                  "null",
                                  R"([{"id":2,"content":"tok0","normalized":true},)"
                                  R"({"id":3,"content":"tok3","normalized":true}])"),
                   "tok0 tok3 a"),
            (Tokens{{2, 2, 1}, {{0, 4}, {5, 9}, {10, 11}}}));
  // What is empty once normalized is nowhere.
  EXPECT_EQ(encode(samples::plain(model, words, R"({"type":"Strip"})", "null",
                                  R"([{"id":2,"content":"  ","normalized":true},)"
                                  R"({"id":3,"content":"b","normalized":true}])"),
                   "a  b"),
            (Tokens{{1, 3}, {{0, 1}, {3, 4}}}));
}

}  // namespace
}  // namespace headrace
