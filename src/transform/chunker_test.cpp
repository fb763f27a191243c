#include "transform/chunker.h"

#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"
#include "transform/sentence.h"

namespace headrace {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t';
}

// One token for each run without white space, and two special ones.
class WordTokenizer : public Tokenizer {
 public:
  void encode(std::string_view text, Encoding& out) const override {
    size_t i = 0;
    while (i < text.size()) {
      if (is_space(text[i])) {
        ++i;
        continue;
      }
      size_t end = i;
      while (end < text.size() && !is_space(text[end])) ++end;
      out.ids.push_back(
          static_cast<int32_t>(std::hash<std::string_view>{}(text.substr(i, end - i)) & 0xFFFF));
      out.begins.push_back(static_cast<uint32_t>(i));
      out.ends.push_back(static_cast<uint32_t>(end));
      i = end;
    }
  }
  void encode_with_special(std::string_view text, Encoding& out) const override {
    encode("", out);
    out.ids.push_back(0), out.begins.push_back(0), out.ends.push_back(0);
    encode(text, out);
    out.ids.push_back(0), out.begins.push_back(0), out.ends.push_back(0);
  }
  size_t encode_ids(std::string_view text, size_t, std::vector<int32_t>&) const override {
    Encoding encoding;
    encode_with_special(text, encoding);
    return encoding.ids.size();
  }
  size_t special_count() const override { return 2; }
  size_t vocabulary_size() const override { return 1; }
  std::string_view token(int32_t) const override { return {}; }
};

// A tokenizer whose counts depend on what stands around a cut: each token takes up to three
// characters, white space included, counted from the start of the text; every character that is not
// ASCII is one token for each of its bytes.
class ContextTokenizer : public WordTokenizer {
 public:
  void encode(std::string_view text, Encoding& out) const override {
    size_t i = 0;
    while (i < text.size()) {
      const CodePoint c = decode_code_point(text, i);
      if (c.length > 1) {
        for (uint32_t k = 0; k < c.length; ++k) push(out, i, i + c.length);
        i += c.length;
        continue;
      }
      size_t end = i;
      while (end < text.size() && end < i + 3 && static_cast<unsigned char>(text[end]) < 0x80)
        ++end;
      push(out, i, end);
      i = end;
    }
  }

 private:
  static void push(Encoding& out, size_t begin, size_t end) {
    out.ids.push_back(static_cast<int32_t>(end - begin));
    out.begins.push_back(static_cast<uint32_t>(begin));
    out.ends.push_back(static_cast<uint32_t>(end));
  }
};

class Builder {
 public:
  Builder& add(BlockKind kind, std::string_view text, uint8_t level = 0, int32_t page = 0) {
    if (!document.text.empty()) document.text += kind == BlockKind::table_row ? "\n" : "\n\n";
    const auto begin = static_cast<uint32_t>(document.text.size());
    document.text += text;
    document.lines = {{0, 1}};
    document.blocks.push_back(
        {begin, static_cast<uint32_t>(document.text.size()), kind, level, page});
    return *this;
  }
  Document document;
};

std::string words(int n, const std::string& word = "w") {
  std::string out;
  for (int i = 0; i < n; ++i) out += (i ? " " : "") + word + std::to_string(i);
  return out;
}

Chunker make(uint32_t tokens_max, uint32_t overlap,
             std::shared_ptr<const Tokenizer> t = std::make_shared<WordTokenizer>(),
             bool headings = false) {
  auto chunker = Chunker::create(
      std::move(t), {.tokens_max = tokens_max, .overlap = overlap, .heading_in_text = headings});
  EXPECT_TRUE(chunker.has_value());
  return std::move(*chunker);
}

// What every cut must keep: exact slices, order, budget, and no word lost.
void expect_sound(const Document& document, const Chunker& chunker, const Tokenizer& tokenizer,
                  uint32_t tokens_max) {
  const std::vector<Row> rows = chunker.chunk(document);
  size_t covered = 0;
  size_t previous = 0;
  int line = 1;
  std::vector<size_t> begins = {0};
  for (size_t i = 0; i < document.text.size();) {
    i += decode_code_point(document.text, i).length;
    begins.push_back(i);
  }
  for (const Row& row : rows) {
    ASSERT_LT(row.span_begin, row.span_end);
    ASSERT_LT(row.span_end, begins.size());
    const size_t begin = begins[row.span_begin];
    const size_t end = begins[row.span_end];
    ASSERT_EQ(document.text.substr(begin, end - begin), row.text);
    ASSERT_EQ(row.byte_begin, begin);
    ASSERT_FALSE(is_space(row.text.front()));
    ASSERT_FALSE(is_space(row.text.back()));
    std::vector<int32_t> ids;
    ASSERT_LE(tokenizer.encode_ids(chunker.embedded_text(row), 0, ids), tokens_max);
    ASSERT_GT(end, covered) << "nothing new in the row";
    if (covered != 0) {
      ASSERT_GT(begin, previous);
    }
    if (begin > covered) {
      ASSERT_EQ(skip_white_space(document.text, covered, begin), begin) << "lost text";
    }
    for (size_t i = previous; i < begin; ++i) line += document.text[i] == '\n';
    ASSERT_EQ(row.line, document.lines.empty() ? 0 : line);
    covered = end;
    previous = begin;
  }
  const size_t all = document.text.size();
  ASSERT_EQ(skip_white_space(document.text, covered, all), all) << "lost text";
}

TEST(Chunker, EmptyDocumentHasNoRows) {
  Document document;
  EXPECT_TRUE(make(32, 4).chunk(document).empty());
  document.text = " \n\t ";
  EXPECT_TRUE(make(32, 4).chunk(document).empty());
}

TEST(Chunker, WrongOptionsAreErrors) {
  const auto t = std::make_shared<WordTokenizer>();
  EXPECT_FALSE(Chunker::create(nullptr, {}).has_value());
  EXPECT_FALSE(Chunker::create(t, {.tokens_max = 17, .overlap = 0}).has_value());
  EXPECT_FALSE(Chunker::create(t, {.tokens_max = 64, .overlap = 32}).has_value());
  EXPECT_TRUE(Chunker::create(t, {.tokens_max = 18, .overlap = 0}).has_value());
}

TEST(Chunker, SmallDocumentIsOneRow) {
  Builder b;
  b.add(BlockKind::heading, "Title", 1)
      .add(BlockKind::paragraph, "One two.")
      .add(BlockKind::paragraph, "Three.");
  b.document.source = "s";
  b.document.metadata["lang"] = std::string("en");
  const auto rows = make(64, 8).chunk(b.document);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].text, b.document.text);
  EXPECT_EQ(rows[0].heading, "Title");
  EXPECT_EQ(rows[0].line, 1);
  EXPECT_EQ(rows[0].page, 0);
  EXPECT_EQ(rows[0].source, "s");
  EXPECT_EQ(rows[0].key, row_key("s", 0));
  EXPECT_EQ(rows[0].metadata.size(), 1u);
}

TEST(Chunker, LinesAreThoseThatTheDocumentNotes) {
  Builder b;
  for (int i = 0; i < 6; ++i) b.add(BlockKind::paragraph, words(14));
  Document& document = b.document;
  document.lines = {{0, 5}};
  for (size_t i = 1; i < document.blocks.size(); ++i)
    document.lines.push_back({document.blocks[i].begin, static_cast<int32_t>(5 + 10 * i)});
  const auto rows = make(32, 0).chunk(document);
  ASSERT_GE(rows.size(), 3u);
  EXPECT_EQ(rows[0].line, 5);
  EXPECT_EQ(rows[0].further_lines, (std::vector<LineBegin>{{document.blocks[1].begin, 15}}));
  EXPECT_EQ(rows[1].line, 25);
}

TEST(Chunker, LinksAreThoseOfTheRowsText) {
  Builder b;
  for (int i = 0; i < 40; ++i) b.add(BlockKind::paragraph, "Words before, link here, more words.");
  const std::string& text = b.document.text;
  for (size_t at = text.find("link"), i = 0; at != std::string::npos;
       at = text.find("link", at + 1))
    b.document.links.push_back({static_cast<uint32_t>(at), "to" + std::to_string(i++)});
  for (const uint32_t overlap : {0u, 10u}) {
    const auto rows = make(32, overlap).chunk(b.document);
    ASSERT_GT(rows.size(), 4u);
    size_t found = 0;
    for (const Row& row : rows) {
      std::vector<std::string> expected;
      for (const Link& link : b.document.links)
        if (link.at >= row.span_begin && link.at < row.span_end) expected.push_back(link.target);
      EXPECT_EQ(std::get<std::vector<std::string>>(row.metadata.at("links")), expected);
      found += expected.size();
    }
    EXPECT_TRUE(overlap == 0 ? found == 40 : found > 40);
  }
}

TEST(Chunker, CodeBehindADefinitionHasNotItsHeading) {
  Builder b;
  b.add(BlockKind::heading, "class A", 1)
      .add(BlockKind::heading, "def m", 3)
      .add(BlockKind::code, words(40))
      .add(BlockKind::code, words(30, "x"), 3)
      .add(BlockKind::code, words(20, "y"), 1);
  const auto rows = make(64, 8).chunk(b.document);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].heading, "class A > def m");
  EXPECT_EQ(rows[1].heading, "class A");
  EXPECT_TRUE(rows[2].text.starts_with("y0"));
  EXPECT_EQ(rows[2].heading, "");
}

TEST(Chunker, MajorHeadingsBeginRowsAndPathsAreKept) {
  Builder b;
  b.add(BlockKind::heading, "Book", 1)
      .add(BlockKind::heading, "One", 2)
      .add(BlockKind::paragraph, words(20));
  b.add(BlockKind::heading, "Two", 2).add(BlockKind::paragraph, words(20));
  b.add(BlockKind::heading, "Deep", 3).add(BlockKind::paragraph, words(4));
  const auto rows = make(64, 8).chunk(b.document);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].heading, "Book > One");
  EXPECT_TRUE(rows[1].text.starts_with("Two"));
  EXPECT_TRUE(rows[1].text.ends_with("w3"));
  EXPECT_EQ(rows[1].heading, "Book > Two");
}

TEST(Chunker, TitleIsNotRepeatedInThePath) {
  Builder b;
  b.document.title = "Book";
  b.add(BlockKind::heading, "Book", 1)
      .add(BlockKind::heading, "One", 2)
      .add(BlockKind::paragraph, "text");
  const Chunker chunker = make(64, 8);
  const auto rows = chunker.chunk(b.document);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].heading, "One");
  EXPECT_EQ(chunker.embedded_text(rows[0]), rows[0].text);  // begins with the title already
}

TEST(Chunker, HeadingStaysWithItsText) {
  Builder b;
  b.add(BlockKind::paragraph, words(26))
      .add(BlockKind::heading, "H", 4)
      .add(BlockKind::paragraph, words(20));
  for (const auto& row : make(32, 0).chunk(b.document))
    EXPECT_FALSE(row.text.ends_with("H")) << row.text;
}

TEST(Chunker, CutsAtSentencesThenWords) {
  Builder b;
  b.add(BlockKind::paragraph, words(20) + ". Next sentence here with " + words(30, "v") + ". End.");
  const auto rows = make(32, 0).chunk(b.document);
  ASSERT_GE(rows.size(), 2u);
  EXPECT_TRUE(rows[0].text.ends_with("w19."));
  EXPECT_TRUE(rows[1].text.starts_with("Next"));
}

TEST(Chunker, OverlapBeginsAtASentence) {
  Builder b;
  std::string text;
  for (int i = 0; i < 40; ++i) text += "Sentence number " + std::to_string(i) + " is here. ";
  b.add(BlockKind::paragraph, text);
  const auto rows = make(32, 8).chunk(b.document);
  ASSERT_GE(rows.size(), 4u);
  for (size_t i = 1; i < rows.size(); ++i) {
    EXPECT_TRUE(rows[i].text.starts_with("Sentence"));
    EXPECT_LT(rows[i].span_begin, rows[i - 1].span_end);
    const auto shared = rows[i - 1].text.substr(rows[i - 1].text.size() -
                                                (rows[i - 1].span_end - rows[i].span_begin));
    Encoding tokens;
    WordTokenizer{}.encode(shared, tokens);
    EXPECT_LE(tokens.ids.size(), 8u);
    EXPECT_GE(tokens.ids.size(), 4u);
  }
}

TEST(Chunker, NoOverlapAcrossASection) {
  Builder b;
  b.add(BlockKind::heading, "A", 1).add(BlockKind::paragraph, words(25));
  b.add(BlockKind::heading, "B", 1).add(BlockKind::paragraph, words(25, "x"));
  const auto rows = make(32, 8).chunk(b.document);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[1].text.starts_with("B"));
}

TEST(Chunker, TableRowsAndCodeLinesStayWhole) {
  Builder b;
  for (int i = 0; i < 30; ++i)
    b.add(BlockKind::table_row, "row" + std::to_string(i) + " | " + words(5));
  for (const auto& row : make(32, 8).chunk(b.document)) {
    EXPECT_TRUE(row.text.starts_with("row"));
    EXPECT_TRUE(row.text.ends_with("w4"));
  }
  Builder c;
  std::string code;
  for (int i = 0; i < 50; ++i) code += "line " + words(4) + " end;\n";
  c.add(BlockKind::code, code);
  const auto rows = make(32, 8).chunk(c.document);
  EXPECT_GE(rows.size(), 10u);
  for (const auto& row : rows) {
    EXPECT_TRUE(row.text.starts_with("line")) << row.text;
    EXPECT_TRUE(row.text.ends_with("end;")) << row.text;
  }
}

TEST(Chunker, PageIsThatOfTheFirstCharacter) {
  Builder b;
  b.add(BlockKind::paragraph, words(20), 0, 1).add(BlockKind::paragraph, words(20), 0, 2);
  b.add(BlockKind::paragraph, words(20), 0, 3);
  const auto rows = make(32, 0).chunk(b.document);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].page, 1);
  EXPECT_EQ(rows[1].page, 2);
  EXPECT_EQ(rows[2].page, 3);
}

TEST(Chunker, FurtherPagesOfARowBeginWhereTheirTextDoes) {
  Builder b;
  b.add(BlockKind::paragraph, "one.", 0, 1).add(BlockKind::paragraph, "two.", 0, 2);
  b.add(BlockKind::paragraph, "again two.", 0, 2).add(BlockKind::paragraph, "four.", 0, 4);
  const auto rows = make(32, 0).chunk(b.document);
  ASSERT_EQ(rows.size(), 1u);
  const std::string& text = rows[0].text;
  EXPECT_EQ(rows[0].page, 1);
  EXPECT_EQ(rows[0].further_pages,
            (std::vector<PageBegin>{{static_cast<uint32_t>(text.find("two.")), 2},
                                    {static_cast<uint32_t>(text.find("four.")), 4}}));
}

TEST(Chunker, TitleCountsAndIsCutToAQuarter) {
  Builder b;
  b.document.title = words(50, "title");
  b.add(BlockKind::paragraph, words(200));
  const Chunker chunker = make(64, 8);
  const auto rows = chunker.chunk(b.document);
  ASSERT_GT(rows.size(), 3u);
  for (const auto& row : rows) {
    EXPECT_TRUE(chunker.embedded_text(row).starts_with("title0 title1"));
    std::vector<int32_t> ids;
    EXPECT_LE(WordTokenizer{}.encode_ids(chunker.embedded_text(row), 0, ids), 64u);
  }
  expect_sound(b.document, chunker, WordTokenizer{}, 64);
}

TEST(Chunker, HeadingsAreEmbeddedWhereThatIsAskedFor) {
  Builder b;
  b.document.title = "Book";
  b.add(BlockKind::heading, "Keys", 1);
  b.add(BlockKind::paragraph, words(30));
  b.add(BlockKind::heading, words(40, "section"), 2);
  b.add(BlockKind::paragraph, words(200));
  const Chunker chunker = make(64, 8, std::make_shared<WordTokenizer>(), true);
  const auto rows = chunker.chunk(b.document);
  ASSERT_GT(rows.size(), 4u);
  EXPECT_EQ(rows.front().heading, "Keys");
  EXPECT_TRUE(chunker.embedded_text(rows.front()).starts_with("Book\nKeys"));
  const std::string last = chunker.embedded_text(rows.back());
  EXPECT_TRUE(last.starts_with("Book\nKeys > section0 section1"));
  EXPECT_EQ(last.find("section16"), std::string::npos);
  EXPECT_EQ(make(64, 8).embedded_text(rows.back()), "Book\n" + rows.back().text);
  expect_sound(b.document, chunker, WordTokenizer{}, 64);
}

TEST(Chunker, TextWithoutBlocksIsParagraphs) {
  Document document;
  document.text = words(20) + "\n\n" + words(20, "x") + "\n\n" + words(20, "y");
  const auto rows = make(32, 0).chunk(document);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(rows[1].text.starts_with("x0"));
}

TEST(Chunker, HostileBlocksAreHarmless) {
  Document document;
  document.text = "é one two three four five 日本語";
  document.blocks = {{1, 3, BlockKind::heading, 9, 1},
                     {200, 100, BlockKind::code, 0, 2},
                     {2, 0xFFFFFFFF, BlockKind::table_row, 255, -5},
                     {0, 4, BlockKind::quote, 0, 0}};
  expect_sound(document, make(18, 4), WordTokenizer{}, 18);
}

TEST(Chunker, HugeWordsAndLinesAreCut) {
  Document document;
  document.text = std::string(5 << 20, 'x');  // one token, which is too large all the same
  const Chunker chunker = make(64, 8);
  expect_sound(document, chunker, WordTokenizer{}, 64);
  EXPECT_GT(chunker.chunk(document).size(), 1000u);
  Document bytes;
  bytes.text = std::string(1 << 20, 'x');
  expect_sound(bytes, make(64, 8, std::make_shared<ContextTokenizer>()), ContextTokenizer{}, 64);
}

// 30 MB in one line: the work for it grows with its length, seen by the bytes handed to the
// tokenizer.
class CountingTokenizer : public WordTokenizer {
 public:
  void encode(std::string_view text, Encoding& out) const override {
    bytes += text.size();
    WordTokenizer::encode(text, out);
  }
  mutable size_t bytes = 0;
};

TEST(Chunker, OneLongLineIsReadOnce) {
  const auto tokenizer = std::make_shared<CountingTokenizer>();
  const Chunker chunker = make(256, 32, tokenizer);
  Document document;
  for (int i = 0; document.text.size() < (30 << 20); ++i)
    document.text += "some words, " + std::to_string(i) + " ";
  tokenizer->bytes = 0;
  const auto rows = chunker.chunk(document);
  EXPECT_GT(rows.size(), 10000u);
  EXPECT_LT(tokenizer->bytes, document.text.size() + 1000);
  EXPECT_EQ(rows.back().span_end, document.text.size() - 1);
}

std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> pieces = {"word",
                                                  "a",
                                                  "Sentence.",
                                                  "ends!",
                                                  "Dr.",
                                                  "3.14",
                                                  "(x)",
                                                  "naïve",
                                                  "日本",
                                                  "語。",
                                                  "文字列、",
                                                  "😀",
                                                  "👨‍👩‍👧",
                                                  "e\xCC\x81",
                                                  "ไทย",
                                                  "hello,",
                                                  "\xEF\xBF\xBD",
                                                  "foo_bar(baz);",
                                                  "…",
                                                  "«q»",
                                                  "한국어",
                                                  "supercalifragilistic"};
  static const std::vector<std::string> gaps = {" ", " ",  " ",        "  ",          "\n",
                                                "",  "\t", "\xC2\xA0", "\xE3\x80\x80"};
  std::string text;
  const int n = static_cast<int>(random() % 120) + 1;
  for (int i = 0; i < n; ++i) {
    text += pieces[random() % pieces.size()];
    text += gaps[random() % gaps.size()];
  }
  if (random() % 20 == 0) text += std::string(random() % 3000, 'z');
  for (size_t more = random() % 20 == 0 ? random() % 500 : 0; more > 0; --more) text += "각";
  return text;
}

Document random_document(std::mt19937& random) {
  Builder b;
  if (random() % 2) b.document.title = random_text(random).substr(0, random() % 40);
  b.document.title = to_valid_utf8(b.document.title);
  const int n = static_cast<int>(random() % 12);
  for (int i = 0; i < n; ++i) {
    const auto kind = static_cast<BlockKind>(random() % 7);
    b.add(kind, kind == BlockKind::heading ? "Heading " + std::to_string(i) : random_text(random),
          static_cast<uint8_t>(random() % 7), static_cast<int32_t>(i / 3));
    if (random() % 5 == 0) b.document.blocks.pop_back();
    if (random() % 5 == 0) b.document.text += std::string(random() % 200, ' ');
  }
  return std::move(b.document);
}

TEST(Chunker, RandomDocumentsAreSound) {
  const std::vector<std::shared_ptr<const Tokenizer>> tokenizers = {
      std::make_shared<WordTokenizer>(), std::make_shared<ContextTokenizer>(),
      Tokenizer::without_model()};
  for (uint32_t seed = 0; seed < 600; ++seed) {
    std::mt19937 random(seed);
    const Document document = random_document(random);
    const uint32_t tokens_max = 18 + random() % 100;
    const uint32_t overlap = random() % ((tokens_max - 1) / 2);
    for (const auto& tokenizer : tokenizers) {
      SCOPED_TRACE(seed);
      for (const bool headings : {false, true})
        expect_sound(document, make(tokens_max, overlap, tokenizer, headings), *tokenizer,
                     tokens_max);
      if (HasFatalFailure()) return;
    }
  }
}

// Counts as the tokenizer without a model does, but only by encoding.
class EncodingTokenizer : public Tokenizer {
 public:
  void encode(std::string_view text, Encoding& out) const override { plain_->encode(text, out); }
  void encode_with_special(std::string_view text, Encoding& out) const override {
    plain_->encode_with_special(text, out);
  }
  size_t encode_ids(std::string_view text, size_t limit, std::vector<int32_t>& out) const override {
    return plain_->encode_ids(text, limit, out);
  }
  size_t special_count() const override { return 0; }
  size_t vocabulary_size() const override { return 0; }
  std::string_view token(int32_t) const override { return {}; }

 private:
  std::shared_ptr<const Tokenizer> plain_ = Tokenizer::without_model();
};

TEST(Chunker, WhatSurelyFitsIsCutAsIfItsTokensWereCounted) {
  const auto counted = std::make_shared<EncodingTokenizer>();
  size_t single = 0;
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const Document document = random_document(random);
    const uint32_t tokens_max = 18 + random() % 300;
    const auto rows = make(tokens_max, 4, Tokenizer::without_model()).chunk(document);
    const auto wanted = make(tokens_max, 4, counted).chunk(document);
    ASSERT_EQ(rows.size(), wanted.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      ASSERT_EQ(rows[i].text, wanted[i].text);
      ASSERT_EQ(rows[i].heading, wanted[i].heading);
      ASSERT_EQ(rows[i].span_begin, wanted[i].span_begin);
      ASSERT_EQ(rows[i].span_end, wanted[i].span_end);
      ASSERT_EQ(rows[i].line, wanted[i].line);
      ASSERT_EQ(rows[i].page, wanted[i].page);
    }
    single += rows.size() == 1;
  }
  EXPECT_GT(single, 100U);
}

TEST(Chunker, TwoSectionsThatFitTogetherStayTwoRows) {
  Builder b;
  b.add(BlockKind::paragraph, "A paragraph of a few words that stands before the next section.", 0,
        0);
  b.add(BlockKind::heading, "Next", 1, 0);
  b.add(BlockKind::paragraph, "What it says.", 0, 0);
  for (const auto& tokenizer :
       {Tokenizer::without_model(),
        std::shared_ptr<const Tokenizer>(std::make_shared<EncodingTokenizer>())})
    EXPECT_EQ(make(64, 4, tokenizer).chunk(b.document).size(), 2U);
}

TEST(Tokenizer, WithoutAModelWhatSurelyFitsDoesFit) {
  const auto tokenizer = Tokenizer::without_model();
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = random_text(random);
    Encoding encoding;
    tokenizer->encode(text, encoding);
    if (encoding.ids.empty()) continue;
    ASSERT_FALSE(tokenizer->surely_fits(text, encoding.ids.size() - 1)) << text;
  }
  EXPECT_TRUE(tokenizer->surely_fits("as many words as this", 6));
}

TEST(Sentence, EndsAreFound) {
  const auto ends = [](std::string_view text) {
    std::vector<std::string> sentences;
    size_t begin = 0;
    while (const size_t end = first_sentence_end(text, begin, text.size())) {
      sentences.emplace_back(text.substr(begin, end - begin));
      begin = skip_white_space(text, end, text.size());
      if (begin >= text.size()) break;
    }
    return sentences;
  };
  using List = std::vector<std::string>;
  EXPECT_EQ(ends("One. Two! Three?"), (List{"One.", "Two!", "Three?"}));
  EXPECT_EQ(ends("Dr. Smith paid 3.14 dollars. Then he left."),
            (List{"Dr. Smith paid 3.14 dollars.", "Then he left."}));
  EXPECT_EQ(ends("See e.g. the J. K. Rowling books. \"Yes.\" He said."),
            (List{"See e.g. the J. K. Rowling books.", "\"Yes.\"", "He said."}));
  EXPECT_EQ(ends("これは文です。次の文。「はい。」終わり。"),
            (List{"これは文です。", "次の文。", "「はい。」", "終わり。"}));
  EXPECT_EQ(ends("Wait... what? no."), (List{"Wait... what? no."}));
  EXPECT_EQ(ends("1. First item. 2019. Next"), (List{"1. First item.", "2019."}));
  EXPECT_EQ(ends("यह है। वह है।"), (List{"यह है।", "वह है।"}));
}

TEST(Sentence, LastBordersAreFound) {
  const std::string_view text = "One two. Three, four five";
  EXPECT_EQ(last_sentence_end(text, 0, text.size()), 8u);
  EXPECT_EQ(last_clause_end(text, 0, text.size()), 15u);
  EXPECT_EQ(last_word_end(text, 0, text.size() - 1), 20u);
  EXPECT_EQ(first_word_end(text, 0, text.size()), 3u);
  EXPECT_EQ(last_sentence_end(text, 8, text.size()), 0u);
  EXPECT_EQ(last_word_end("日本", 0, 3), 3u);
  EXPECT_EQ(last_line_end("ab\ncd\nef", 0, 7), 5u);
}

}  // namespace
}  // namespace headrace
