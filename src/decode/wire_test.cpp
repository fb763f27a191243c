#include "decode/wire.h"

#include <gtest/gtest.h>

#include "decode/pdf_pages.h"

namespace headrace {
namespace {

Document sample() {
  Document document;
  document.source = "a.html";
  document.title = "Titel mit Ä";
  document.text = "Heading\n\nA paragraph, süß.";
  document.blocks = {{0, 7, BlockKind::heading, 2, 0}, {9, 28, BlockKind::paragraph, 0, 3}};
  document.media_type = "text/html";
  document.language = "de";
  document.metadata = {
      {"nothing", std::monostate{}}, {"yes", true},
      {"pages", int64_t{-5}},        {"score", 2.5},
      {"author", "Jemand"},          {"tags", std::vector<std::string>{"a", "", "c"}}};
  document.metadata["author"] = std::string("Jemand");
  document.metadata["years"] = std::vector<int64_t>{1, -2};
  document.metadata["parts"] = std::vector<double>{0.5};
  document.metadata["flags"] = std::vector<bool>{true, false};
  document.lines = {{0, 4}, {9, 17}};
  document.links = {{0, "b.html"}, {0, "c.html"}, {22, "https://x.org/süß"}};
  return document;
}

TEST(Wire, ADocumentSurvivesItsJourney) {
  const Document document = sample();
  const auto back = unpack_document(pack_document(document));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->source, document.source);
  EXPECT_EQ(back->title, document.title);
  EXPECT_EQ(back->text, document.text);
  EXPECT_EQ(back->media_type, document.media_type);
  EXPECT_EQ(back->language, document.language);
  EXPECT_EQ(back->metadata, document.metadata);
  EXPECT_EQ(back->lines, document.lines);
  ASSERT_EQ(back->blocks.size(), 2u);
  EXPECT_EQ(back->blocks[0].kind, BlockKind::heading);
  EXPECT_EQ(back->blocks[0].level, 2);
  EXPECT_EQ(back->blocks[1].begin, 9u);
  EXPECT_EQ(back->blocks[1].end, 28u);
  EXPECT_EQ(back->blocks[1].page, 3);
  ASSERT_EQ(back->links.size(), 3u);
  EXPECT_EQ(back->links[2].at, 22u);
  EXPECT_EQ(back->links[2].target, "https://x.org/süß");
}

TEST(Wire, AnEmptyDocumentToo) {
  EXPECT_TRUE(unpack_document(pack_document(Document())));
}

TEST(Wire, EveryTruncationIsDamaged) {
  const std::string packed = pack_document(sample());
  for (size_t n = 0; n < packed.size(); ++n) {
    const auto back = unpack_document(packed.substr(0, n));
    ASSERT_FALSE(back) << n;
    EXPECT_EQ(back.error().code(), ErrorCode::damaged);
  }
  EXPECT_FALSE(unpack_document(packed + "x"));
}

TEST(Wire, BlocksThatLieAreDamaged) {
  const auto with = [](std::vector<Block> blocks) {
    Document document = sample();
    document.blocks = std::move(blocks);
    return unpack_document(pack_document(document)).has_value();
  };
  EXPECT_TRUE(with({{0, 7}, {7, 7}, {9, 28}}));
  EXPECT_FALSE(with({{0, 29}})) << "past the end";
  EXPECT_FALSE(with({{5, 3}})) << "backwards";
  EXPECT_FALSE(with({{0, 7}, {6, 9}})) << "overlapping";
  EXPECT_FALSE(with({{0, 24}})) << "inside a character";
  EXPECT_FALSE(with({{0, 7, static_cast<BlockKind>(99)}}));
  EXPECT_FALSE(with({{0, 7, BlockKind::paragraph, 0, -1}}));
}

TEST(Wire, LinksThatLieAreDamaged) {
  const auto with = [](std::vector<Link> links) {
    Document document = sample();
    document.links = std::move(links);
    return unpack_document(pack_document(document)).has_value();
  };
  EXPECT_TRUE(with({}));
  EXPECT_FALSE(with({{5, "a"}, {4, "b"}})) << "not in order";
  EXPECT_FALSE(with({{29, "a"}})) << "past the end";
  EXPECT_FALSE(with({{24, "a"}})) << "inside a character";
  EXPECT_FALSE(with({{0, std::string(5000, 'a')}})) << "longer than any";
}

TEST(Wire, AnotherVersionIsNamed) {
  std::string packed = pack_document(sample());
  EXPECT_EQ(packed.substr(0, 4), "COD\x03");
  packed[3] = '1';  // of the first
  const auto back = unpack_document(packed);
  ASSERT_FALSE(back);
  EXPECT_NE(back.error().message().find("another version"), std::string::npos);
}

TEST(Wire, TextMustBeUtf8WithoutNul) {
  Document document;
  document.text = "a\xff";
  EXPECT_FALSE(unpack_document(pack_document(document)));
  document.text = std::string("a\0b", 3);
  EXPECT_FALSE(unpack_document(pack_document(document)));
  // Names are repaired instead.
  document.text = "fine";
  document.title = std::string("a\xff\0", 3);
  EXPECT_EQ(unpack_document(pack_document(document))->title, "a\xEF\xBF\xBD ");
}

TEST(Wire, CountsThatLieReserveNothing) {
  std::string packed = pack_document(Document());
  // The number of blocks is the fifth uint32 from the end of five empty strings and the magic.
  packed.replace(4 + 5 * 4, 4, "\xff\xff\xff\x7f");
  EXPECT_FALSE(unpack_document(packed));
}

PdfPages sample_pages() {
  PdfPages pages;
  pages.page_count = 3;
  pages.title = "T";
  pages.author = "A";
  pages.created = "D:2023";
  PdfBlock block;
  block.text = "text";
  block.kind = PdfBlockKind::code;
  block.bold = true;
  block.lines = 2;
  block.size_pt = 11.5f;
  block.top = 0.25f;
  block.bottom = 0.5f;
  pages.pages = {{1, false, false, {block, block}}, {3, true, true, {}}};
  return pages;
}

TEST(PdfPages, SurviveTheirJourney) {
  const std::string packed = pack_pdf_pages(sample_pages());
  const auto back = unpack_pdf_pages(packed);
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->page_count, 3u);
  EXPECT_EQ(back->created, "D:2023");
  ASSERT_EQ(back->pages.size(), 2u);
  EXPECT_TRUE(back->pages[1].has_pictures);
  EXPECT_TRUE(back->pages[1].has_drawings);
  ASSERT_EQ(back->pages[0].blocks.size(), 2u);
  EXPECT_EQ(back->pages[0].blocks[1].text, "text");
  EXPECT_EQ(back->pages[0].blocks[1].kind, PdfBlockKind::code);
  EXPECT_FLOAT_EQ(back->pages[0].blocks[1].size_pt, 11.5f);
  for (size_t n = 0; n < packed.size(); ++n) EXPECT_FALSE(unpack_pdf_pages(packed.substr(0, n)));
}

TEST(PdfPages, ImpossiblePagesAreDamaged) {
  PdfPages pages = sample_pages();
  pages.pages[0].number = 4;
  EXPECT_FALSE(unpack_pdf_pages(pack_pdf_pages(pages)));
  pages.pages[0].number = 0;
  EXPECT_FALSE(unpack_pdf_pages(pack_pdf_pages(pages)));
}

TEST(PdfRange, SurvivesItsJourney) {
  const auto back = unpack_pdf_range(pack_pdf_range({16, 100}));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->first, 16u);
  EXPECT_EQ(back->count, 100u);
  EXPECT_FALSE(unpack_pdf_range("x"));
}

}  // namespace
}  // namespace headrace
