#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "transform/tokenizer.h"
#include "transform/tokenizer_config.h"
#include "transform/wordpiece.h"
#include "transform/wordpiece_golden.h"
#include "transform/wordpiece_scan.h"

namespace headrace {
namespace {

constexpr const char* kVocabulary[] = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "un",  "##aff", "##able",
    "##s",   "caf",   "##e",   "cafe",  "a",      "b",   "##b", "c",   "##c", "1",     "##2",
    ".",     ",",     "!",     "'",     "#",      "<",   "-",   "中",  "文",  "é",     "##é",
    "и",     "##й",   "##и",   "한",    "##1",    "ᄒ",  "##ᅡ", "##ᆫ", "e",   "i",     "##i",
    "##̇",    "word",  "hello", "##᭄",   "᭄",      "##́",  "◌"};

constexpr const char* kBertUncased =
    R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,)"
    R"("strip_accents":null,"lowercase":true})";

std::string json(const std::string& normalizer = kBertUncased, const std::string& added = "") {
  std::string vocabulary;
  std::string special;
  int id = 0;
  for (const char* token : kVocabulary) {
    const std::string number = std::to_string(id);
    vocabulary += std::string(id ? "," : "") + "\"" + token + "\":" + number;
    if (id < 5) {
      special += std::string(id ? "," : "") + R"({"id":)" + number + R"(,"content":")" + token +
                 R"(","special":true,"normalized":false})";
    }
    ++id;
  }
  return R"({"version":"1.0","truncation":{"max_length":4},"padding":null,"added_tokens":[)" +
         special + added + R"(],"normalizer":)" + normalizer +
         R"(,"pre_tokenizer":{"type":"BertPreTokenizer"},
        "post_processor":{"type":"TemplateProcessing","single":[
          {"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
          {"SpecialToken":{"id":"[SEP]","type_id":0}}],
          "special_tokens":{"[CLS]":{"ids":[2]},"[SEP]":{"ids":[3]}}},
        "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
          "max_input_chars_per_word":20,"vocab":{)" +
         vocabulary + "}}}";
}

std::shared_ptr<const Tokenizer> build(const std::string& text) {
  auto config = parse_tokenizer_config(text, "test.json");
  EXPECT_TRUE(config) << config.error().text();
  if (!config) return nullptr;
  auto tokenizer = WordPieceTokenizer::build(*std::move(config));
  EXPECT_TRUE(tokenizer) << tokenizer.error().text();
  return tokenizer ? *tokenizer : nullptr;
}

std::string normalizer(bool lowercase, const char* strip_accents) {
  return std::string(R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,)") +
         R"("strip_accents":)" + strip_accents + R"(,"lowercase":)" +
         (lowercase ? "true}" : "false}");
}

template <size_t N>
void expect_golden(const Tokenizer& tokenizer, const Golden (&goldens)[N]) {
  for (const Golden& golden : goldens) {
    const std::string_view text(golden.text, golden.size);
    Encoding got;
    tokenizer.encode(text, got);
    EXPECT_EQ(got.ids, golden.ids) << text;
    std::vector<std::pair<uint32_t, uint32_t>> offsets;
    for (size_t i = 0; i < got.begins.size(); ++i) offsets.emplace_back(got.begins[i], got.ends[i]);
    EXPECT_EQ(offsets, golden.offsets) << text;
    std::vector<int32_t> ids;
    EXPECT_EQ(tokenizer.encode_ids(text, 0, ids), golden.ids.size() + 2);
    ASSERT_EQ(ids.size(), golden.ids.size() + 2);
    EXPECT_EQ(std::vector<int32_t>(ids.begin() + 1, ids.end() - 1), golden.ids) << text;
  }
}

TEST(WordPiece, MatchesTheReferenceUncased) {
  expect_golden(*build(json()), kUncased);
}
TEST(WordPiece, MatchesTheReferenceCased) {
  expect_golden(*build(json(normalizer(false, "null"))), kCased);
}
TEST(WordPiece, MatchesTheReferenceWithUnusualOptions) {
  expect_golden(*build(json(normalizer(false, "true"))), kStripOnly);
  expect_golden(*build(json(normalizer(true, "false"))), kLowerOnly);
  expect_golden(*build(json("null")), kNoNormalizer);
}
TEST(WordPiece, MatchesTheReferenceWithAddedTokens) {
  const std::string added =
      R"(,{"id":51,"content":"Hello","normalized":true},)"
      R"({"id":52,"content":"<x>","lstrip":true,"rstrip":true,"normalized":false},)"
      R"({"id":53,"content":"word","single_word":true,"normalized":false},)"
      R"({"id":54,"content":"<x>y","normalized":false})";
  const auto tokenizer = build(json(kBertUncased, added));
  // The golden ids come from a vocabulary whose added tokens follow the model's.
  expect_golden(*tokenizer, kAdded);
  EXPECT_EQ(tokenizer->vocabulary_size(), std::size(kVocabulary) + 3);  // "word" was known
}

TEST(WordPiece, AddsSpecialTokensWithoutOffsets) {
  const auto tokenizer = build(json());
  Encoding got;
  tokenizer->encode_with_special("the cat", got);
  EXPECT_EQ(got.ids, (std::vector<int32_t>{2, 5, 6, 3}));
  EXPECT_EQ(got.begins, (std::vector<uint32_t>{0, 0, 4, 0}));
  EXPECT_EQ(got.ends, (std::vector<uint32_t>{0, 3, 7, 0}));
  EXPECT_EQ(tokenizer->special_count(), 2u);
  EXPECT_EQ(tokenizer->token(5), "the");
  EXPECT_EQ(tokenizer->token(-1), "");
  EXPECT_EQ(tokenizer->token(1000), "");
}

TEST(WordPiece, CountsPastTheLimit) {
  const auto tokenizer = build(json());
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "the cat. ";
  for (const size_t limit : {size_t{1}, size_t{3}, size_t{256}, size_t{2999}, size_t{5000}}) {
    std::vector<int32_t> ids;
    EXPECT_EQ(tokenizer->encode_ids(text, limit, ids), 3002u);
    EXPECT_EQ(ids.size(), std::min<size_t>(limit, 3002));
    EXPECT_EQ(ids.front(), 2);
  }
}

TEST(WordPiece, ACutTextEndsWithItsSpecialTokens) {
  const auto tokenizer = build(json());
  std::string text;
  for (int i = 0; i < 100; ++i) text += "the cat. ";
  std::vector<int32_t> whole;
  tokenizer->encode_ids(text, 0, whole);
  for (const size_t limit : {2, 3, 17, 256, 301, 302, 303}) {
    std::vector<int32_t> ids{77};  // what was there stays
    EXPECT_EQ(tokenizer->encode_ids(text, limit, ids), 302u);
    std::vector<int32_t> want = whole;
    if (limit < whole.size()) {
      want.resize(limit - 1);
      want.push_back(whole.back());
    }
    want.insert(want.begin(), 77);
    EXPECT_EQ(ids, want) << limit;
  }
}

TEST(WordPiece, AppendsToWhatIsThere) {
  const auto tokenizer = build(json());
  Encoding got;
  tokenizer->encode("the", got);
  tokenizer->encode("cat", got);
  EXPECT_EQ(got.ids, (std::vector<int32_t>{5, 6}));
}

TEST(WordPiece, TakesBadBytesForReplacementCharacters) {
  const auto tokenizer = build(json());
  const auto cased_raw = build(json("null"));
  const std::string bad = "the\xFF\xC3 cat \xE2\x82sat\xF0\x9F";
  for (const Tokenizer* t : {tokenizer.get(), cased_raw.get()}) {
    Encoding of_bad;
    Encoding of_clean;
    t->encode(bad, of_bad);
    t->encode(to_valid_utf8(bad), of_clean);
    EXPECT_EQ(of_bad.ids, of_clean.ids);
  }
}

// The same text at every distance from a block's end, and as a part of a longer text, must give
// the same tokens: block scanning has no seams.
TEST(WordPiece, BlocksHaveNoSeams) {
  const auto tokenizer = build(json());
  const std::string words =
      "the unaffable cat, caf\xC3\xA9 sat! a.b 12 aaaaaaaaaaaaaaaa abbbbbbbbbbbbbbbbb c ";
  Encoding base;
  tokenizer->encode(words, base);
  for (size_t shift = 0; shift < 130; ++shift) {
    std::string text(shift, ' ');
    for (int i = 0; i < 4; ++i) text += words;
    Encoding got;
    tokenizer->encode(text, got);
    ASSERT_EQ(got.ids.size(), base.ids.size() * 4) << shift;
    for (size_t i = 0; i < got.ids.size(); ++i) {
      const size_t at = shift + i / base.ids.size() * words.size();
      ASSERT_EQ(got.ids[i], base.ids[i % base.ids.size()]);
      ASSERT_EQ(got.begins[i], at + base.begins[i % base.ids.size()]);
      ASSERT_EQ(got.ends[i], at + base.ends[i % base.ids.size()]);
    }
  }
}

TEST(WordPiece, ScansBlocksLikeOneByteAtATime) {
  char bytes[kScanBlockBytes];
  for (int first = 0; first < 256; ++first) {
    for (size_t i = 0; i < sizeof(bytes); ++i) bytes[i] = static_cast<char>(first + i * 7);
    const ScanBlock fast = classify_block(bytes);
    const ScanBlock slow = classify_block_scalar(bytes);
    EXPECT_EQ(fast.word, slow.word);
    EXPECT_EQ(fast.space, slow.space);
    EXPECT_EQ(fast.other, slow.other);
  }
}

TEST(WordPiece, LongWordsAndLongMarksStayLinear) {
  const auto tokenizer = build(json());
  for (const char* part :
       {"a", "\xC3\xA9", "\xCC\x81", "\xE1\xAD\x84", "\xE4\xB8\xAD", ".", "\xFF"}) {
    std::string text;
    while (text.size() < 1'000'000) text += part;
    Encoding got;
    tokenizer->encode(text, got);
    EXPECT_EQ(got.ids.size(), got.ends.size());
  }
}

TEST(WordPiece, IsTheSameFromManyThreads) {
  const auto tokenizer = build(json());
  const auto other = build(json(normalizer(false, "null")));
  const std::string text = "The unaffable cat sat on caf\xC3\xA9 'the' 12";
  Encoding expected;
  tokenizer->encode(text, expected);
  std::vector<Encoding> got(4);
  std::vector<std::future<void>> running;
  for (Encoding& mine : got) {
    running.push_back(std::async(std::launch::async, [&] {
      Encoding scratch;
      for (int i = 0; i < 100; ++i) {
        scratch.clear();
        other->encode(text, scratch);
        mine.clear();
        tokenizer->encode(text, mine);
      }
    }));
  }
  for (std::future<void>& done : running) done.get();
  for (const Encoding& mine : got) EXPECT_EQ(mine.ids, expected.ids);
}

TEST(WordPiece, ReadsTheRealModel) {
  const char* model = std::getenv("HEADRACE_TEST_MODEL");
  if (!model) GTEST_SKIP() << "HEADRACE_TEST_MODEL names no model folder";
  const auto tokenizer = Tokenizer::load(model);
  ASSERT_TRUE(tokenizer) << tokenizer.error().text();
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 30522u);
  Encoding got;
  (*tokenizer)->encode_with_special("Hello, world! Tokenization na\xC3\xAFve [MASK].", got);
  EXPECT_EQ(got.ids,
            (std::vector<int32_t>{101, 7592, 1010, 2088, 999, 19204, 3989, 15743, 103, 1012, 102}));
}

}  // namespace
}  // namespace headrace
