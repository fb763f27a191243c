// PDF through the real worker, which needs libpdfium: ctest sets HEADRACE_WORKER; the library is
// found as for any run (pip install pypdfium2).
#include "decode/pdf_decoder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "decode/pdf_missing.h"
#include "runtime/unique_fd.h"
#include "runtime/worker_location.h"

namespace headrace {
namespace {

// --- PDF files made by hand ------------------------------------------------------------------

struct Piece {
  double x, y, size;
  std::string text;
  int font = 1;  // 1 Helvetica, 2 Helvetica-Bold, 3 Courier
};

std::string content_of(const std::vector<Piece>& pieces) {
  std::string content = "BT\n";
  for (const Piece& piece : pieces) {
    std::string escaped;
    for (const char c : piece.text) {
      if (c == '(' || c == ')' || c == '\\') escaped += '\\';
      escaped += c;
    }
    content += "/F" + std::to_string(piece.font) + " " + std::to_string(piece.size) +
               " Tf 1 0 0 1 " + std::to_string(piece.x) + " " + std::to_string(piece.y) + " Tm (" +
               escaped + ") Tj\n";
  }
  return content + "ET\n";
}

// Objects 1 catalog, 2 pages, 3–5 fonts, 6 information, then two for each page.
std::string pdf_of_contents(const std::vector<std::string>& pages,
                            const std::string& page_entries = "", const std::string& info = "",
                            const std::string& trailer = "") {
  std::vector<std::string> objects = {"<</Type/Catalog/Pages 2 0 R>>"};
  std::string kids;
  for (size_t i = 0; i < pages.size(); ++i) kids += std::to_string(7 + 2 * i) + " 0 R ";
  objects.push_back("<</Type/Pages/Count " + std::to_string(pages.size()) + "/Kids[" + kids +
                    "]>>");
  for (const char* font : {"Helvetica", "Helvetica-Bold", "Courier"})
    objects.push_back(std::string("<</Type/Font/Subtype/Type1/BaseFont/") + font + ">>");
  objects.push_back("<<" + info + ">>");
  for (size_t i = 0; i < pages.size(); ++i) {
    objects.push_back("<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]" + page_entries +
                      "/Contents " + std::to_string(8 + 2 * i) +
                      " 0 R/Resources<</Font<</F1 3 0 R/F2 4 0 R/F3 5 0 R>>>>>>");
    const std::string& content = pages[i];
    objects.push_back("<</Length " + std::to_string(content.size()) + ">>stream\n" + content +
                      "endstream");
  }
  std::string out = "%PDF-1.4\n";
  std::vector<size_t> offsets;
  for (size_t i = 0; i < objects.size(); ++i) {
    offsets.push_back(out.size());
    out += std::to_string(i + 1) + " 0 obj\n" + objects[i] + "\nendobj\n";
  }
  const size_t xref = out.size();
  out += "xref\n0 " + std::to_string(objects.size() + 1) + "\n0000000000 65535 f \n";
  for (const size_t offset : offsets) {
    const std::string digits = std::to_string(offset);
    out += std::string(10 - digits.size(), '0') + digits + " 00000 n \n";
  }
  return out + "trailer<</Size " + std::to_string(objects.size() + 1) + "/Root 1 0 R/Info 6 0 R" +
         trailer + ">>\nstartxref\n" + std::to_string(xref) + "\n%%EOF\n";
}

std::string pdf_of(const std::vector<std::vector<Piece>>& pages, const std::string& info = "",
                   const std::string& trailer = "") {
  std::vector<std::string> contents;
  for (const std::vector<Piece>& page : pages) contents.push_back(content_of(page));
  return pdf_of_contents(contents, "", info, trailer);
}

// A column of lines, 12 pt apart.
void add_column(std::vector<Piece>& page, double x, double y,
                const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    page.push_back({x, y, 10, line});
    y -= 12;
  }
}

std::vector<std::string> sentences(const std::string& word, int lines) {
  std::vector<std::string> out;
  for (int i = 0; i < lines; ++i)
    out.push_back(word + std::to_string(i) + " runs on with words that fill the line " + word);
  return out;
}

// --- the worker ------------------------------------------------------------------------------

class Pdf : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("HEADRACE_WORKER") == nullptr)
      GTEST_SKIP() << "HEADRACE_WORKER does not name the worker (ctest does)";
    if (find_pdfium_library("").empty())
      GTEST_SKIP() << "no libpdfium.so here: pip install pypdfium2, or set HEADRACE_PDFIUM";
    auto pool = WorkerPool::create({.workers_max = 2});
    ASSERT_TRUE(pool) << pool.error().text();
    pool_ = std::move(*pool);
  }

  Document decode(const std::string& bytes) {
    auto decoded = decode_pdf(*pool_, bytes);
    EXPECT_TRUE(decoded) << decoded.error().text();
    return decoded ? std::move(decoded->document) : Document();
  }
  static std::string text_of(const Document& document, size_t i) {
    const Block& block = document.blocks.at(i);
    return document.text.substr(block.begin, block.end - block.begin);
  }

  std::unique_ptr<WorkerPool> pool_;
};

TEST_F(Pdf, GivesHeadingsParagraphsCodeAndPages) {
  std::vector<Piece> first = {
      {72, 720, 24, "The title"},
      {72, 680, 10, "This is the first line of a paragraph and it is broken"},
      {72, 668, 10, "into two lines here."},
      {72, 640, 14, "A section"},
      {72, 620, 10, "More text stands here, also long enough to be a line"},
      {72, 608, 10, "of a paragraph that goes on for a while."},
      {72, 580, 9, "if (x)", 3},
      {86, 569, 9, "return;", 3}};
  const Document document =
      decode(pdf_of({first, {{72, 700, 10, "Text of the second page."}}},
                    "/Author(Somebody)/CreationDate(D:20230120101112+01'00')"));
  ASSERT_EQ(document.blocks.size(), 6u) << document.text;
  EXPECT_EQ(document.title, "The title");
  EXPECT_EQ(document.blocks[0].kind, BlockKind::heading);
  EXPECT_EQ(document.blocks[0].level, 1);
  EXPECT_EQ(text_of(document, 1),
            "This is the first line of a paragraph and it is broken into two lines here.");
  EXPECT_EQ(document.blocks[2].kind, BlockKind::heading);
  EXPECT_EQ(document.blocks[2].level, 2);
  EXPECT_EQ(document.blocks[4].kind, BlockKind::code);
  EXPECT_EQ(text_of(document, 4).find("if (x)\n"), 0u);
  EXPECT_EQ(document.blocks[4].page, 1);
  EXPECT_EQ(document.blocks[5].page, 2);
  EXPECT_EQ(std::get<std::string>(document.metadata.at("author")), "Somebody");
  EXPECT_EQ(std::get<std::string>(document.metadata.at("date")), "2023-01-20T10:11:12+01:00");
  EXPECT_EQ(std::get<int64_t>(document.metadata.at("pages")), 2);
  EXPECT_EQ(document.media_type, "application/pdf");
}

TEST_F(Pdf, ReadsColumnsOneAfterTheOther) {
  // Written line by line across the page, as some programs do.
  std::vector<Piece> page = {{72, 740, 18, "A title across both of the columns of the page"}};
  const auto left = sentences("left", 12), right = sentences("right", 12);
  for (size_t i = 0; i < left.size(); ++i) {
    const double y = 700 - 12 * static_cast<double>(i);
    page.push_back({50, y, 9, left[i]});
    page.push_back({320, y, 9, right[i]});
  }
  const Document document = decode(pdf_of({page}));
  const size_t last_left = document.text.find("left11 "),
               first_right = document.text.find("right0 ");
  ASSERT_NE(last_left, std::string::npos);
  ASSERT_NE(first_right, std::string::npos);
  EXPECT_LT(last_left, first_right) << document.text;
  EXPECT_EQ(document.text.find("A title"), 0u);
}

TEST_F(Pdf, LinesThatRunDownThePageGoFromRightToLeft) {
  std::vector<Piece> lines;
  std::string turned;  // clockwise, as tables on their side are set
  for (int i = 0; i < 8; ++i) {
    const std::string text = "L" + std::to_string(i) + " of a wide table";
    lines.push_back({80, 700 - 14.0 * i, 10, text});
    turned += "/F1 10 Tf 0 -1 1 0 " + std::to_string(400 - 14 * i) + " 700 Tm (" + text + ") Tj\n";
  }
  const auto expect_in_order = [&](const std::string& pdf) {
    const std::string text = decode(pdf).text;
    for (int i = 1; i < 8; ++i) {
      EXPECT_LT(text.find("L" + std::to_string(i - 1)), text.find("L" + std::to_string(i))) << text;
    }
  };
  expect_in_order(pdf_of_contents({"BT\n" + turned + "ET\n"}));
  expect_in_order(pdf_of_contents({content_of(lines)}, "/Rotate 90"));
  expect_in_order(pdf_of_contents({content_of(lines)}, "/Rotate 180"));
  expect_in_order(pdf_of_contents({content_of(lines)}, "/Rotate 270"));
}

TEST_F(Pdf, RowsOfATableStayRows) {
  std::vector<Piece> page;
  for (int i = 0; i < 12; ++i) {
    const double y = 700 - 14.0 * i;
    page.push_back({72, y, 10, "name" + std::to_string(i)});
    page.push_back({300, y, 10, "value" + std::to_string(i)});
  }
  const Document document = decode(pdf_of({page}));
  EXPECT_LT(document.text.find("value3"), document.text.find("name4")) << document.text;
}

TEST_F(Pdf, JoinsBrokenWords) {
  std::vector<Piece> page;
  add_column(page, 72, 700,
             {"This line ends in the middle of a word, for exam-",
              "ple here, and that one after an upper-case UTF-", "8 word."});
  const Document document = decode(pdf_of({page}));
  EXPECT_NE(document.text.find("for example here"), std::string::npos) << document.text;
  EXPECT_NE(document.text.find("UTF-8 word"), std::string::npos) << document.text;
}

TEST_F(Pdf, DropsLinesThatRepeatOnMostPages) {
  std::vector<std::vector<Piece>> pages;
  for (int i = 1; i <= 6; ++i) {
    std::vector<Piece> page = {{72, 770, 8, "Journal of Examples"}};
    add_column(page, 72, 700,
               {"Text of page number " + std::to_string(i) + " begins here and goes on."});
    page.push_back({300, 20, 8, "Page " + std::to_string(i)});
    pages.push_back(page);
  }
  const Document document = decode(pdf_of(pages));
  EXPECT_EQ(document.text.find("Journal"), std::string::npos) << document.text;
  EXPECT_EQ(document.text.find("Page 3"), std::string::npos) << document.text;
  EXPECT_NE(document.text.find("page number 6"), std::string::npos);
  pages.resize(2);
  EXPECT_NE(decode(pdf_of(pages)).text.find("Journal"), std::string::npos) << "too few to tell";
}

TEST_F(Pdf, ManyPagesComeInOrderWhateverWorkerReadThem) {
  std::vector<std::vector<Piece>> pages;
  for (int i = 1; i <= 150; ++i)
    pages.push_back({{72, 700, 10, "Only line of page " + std::to_string(i) + "."}});
  const Document document = decode(pdf_of(pages));
  ASSERT_EQ(document.blocks.size(), 150u);
  for (size_t i = 0; i < 150; ++i) {
    EXPECT_EQ(document.blocks[i].page, static_cast<int32_t>(i + 1));
    EXPECT_EQ(text_of(document, i), "Only line of page " + std::to_string(i + 1) + ".");
  }
}

TEST_F(Pdf, BadFilesAreNamed) {
  const auto code = [&](const std::string& bytes) {
    const auto decoded = decode_pdf(*pool_, bytes);
    return decoded ? ErrorCode::internal : decoded.error().code();
  };
  EXPECT_EQ(code(""), ErrorCode::damaged);
  EXPECT_EQ(code("%PDF-1.4 and nothing else"), ErrorCode::damaged);
  EXPECT_EQ(code(std::string(100000, 'x')), ErrorCode::damaged);
  const std::string secret(64, '0');
  EXPECT_EQ(code(pdf_of({{{72, 700, 10, "secret"}}}, "",
                        "/ID[<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>]"
                        "/Encrypt<</Filter/Standard/V 1/R 2/P -44/O<" +
                            secret + ">/U<" + secret + ">>>")),
            ErrorCode::encrypted);
}

TEST_F(Pdf, WithoutTextItSaysWhatThePagesHold) {
  const auto error = [&](const std::string& bytes) {
    const auto decoded = decode_pdf(*pool_, bytes);
    return decoded ? Error(ErrorCode::internal, "it has text") : decoded.error();
  };
  const auto told = [&](const std::string& bytes) { return error(bytes).message(); };
  const std::string picture = "BI /W 1 /H 1 /BPC 8 /CS /G ID x EI\n";
  const std::string drawing = "10 10 m 100 100 l S 20 20 50 50 re f\n";
  const std::string scan = pdf_of_contents({"q 600 0 0 700 0 0 cm " + picture + "Q"});
  EXPECT_NE(told(scan).find("a scan"), std::string::npos) << told(scan);
  const std::string drawn = pdf_of_contents({drawing});
  EXPECT_EQ(error(drawn).code(), ErrorCode::unsupported);
  EXPECT_NE(told(drawn).find("drawings"), std::string::npos) << told(drawn);
  EXPECT_EQ(told(drawn).find("scan"), std::string::npos);
  const std::string blank = pdf_of_contents({"", ""});
  EXPECT_EQ(error(blank).code(), ErrorCode::unsupported);
  EXPECT_NE(told(blank).find("blank"), std::string::npos) << told(blank);
  // The table of where its parts are does not hold: what is found without it has no text.
  std::string damaged = drawn;
  damaged.insert(damaged.find("4 0 obj"), "%% one line too many\n");
  EXPECT_EQ(error(damaged).code(), ErrorCode::damaged) << told(damaged);
  EXPECT_EQ(told(damaged).find("scan"), std::string::npos);
}

TEST_F(Pdf, ATruncatedFileGivesWhatIsThere) {
  std::vector<std::vector<Piece>> pages;
  for (int i = 1; i <= 40; ++i)
    pages.push_back({{72, 700, 10, "Page " + std::to_string(i) + " text"}});
  const std::string whole = pdf_of(pages);
  for (const size_t keep : {whole.size() - 10, whole.size() * 3 / 4, whole.size() / 2}) {
    const auto decoded = decode_pdf(*pool_, whole.substr(0, keep));
    if (decoded) {
      EXPECT_NE(decoded->document.text.find("Page 1 text"), std::string::npos);
    } else {
      EXPECT_EQ(decoded.error().code(), ErrorCode::damaged);
    }
  }
}

TEST_F(Pdf, RandomDamageNeverHangsOrCrashesUs) {
  std::vector<Piece> page;
  add_column(page, 72, 700, sentences("word", 10));
  const std::string good = pdf_of({page, page});
  uint64_t random = 88172645463325252ULL;
  for (int round = 0; round < 60; ++round) {
    std::string bytes = good;
    for (int flips = 0; flips < 6; ++flips) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      bytes[random % bytes.size()] = static_cast<char>(random >> 32);
    }
    const auto decoded = decode_pdf(*pool_, bytes);
    EXPECT_TRUE(decoded || decoded.error().code() != ErrorCode::timed_out);
  }
  EXPECT_FALSE(decode(good).text.empty());
}

// The file's pages once, then as many as `count` claims.
std::string with_claimed_pages(std::string pdf, const std::string& count) {
  const std::string was = "/Count 2";
  pdf.replace(pdf.find(was), was.size(), "/Count " + count);
  return pdf;
}

TEST_F(Pdf, PagesThatAreOnlyClaimedAreOneProblem) {
  const std::vector<std::vector<Piece>> pages = {{{72, 700, 10, "First page."}},
                                                 {{72, 700, 10, "Second page."}}};
  const auto decoded = decode_pdf(*pool_, with_claimed_pages(pdf_of(pages), "90000"));
  ASSERT_TRUE(decoded) << decoded.error().text();
  EXPECT_NE(decoded->document.text.find("Second page."), std::string::npos);
  ASSERT_EQ(decoded->problems.size(), 1u);
  EXPECT_EQ(decoded->problems[0].error.message(), "pages 3 to 90000 of 90000 cannot be read");
}

TEST_F(Pdf, ALoopOfPagesEndsSoon) {
  std::string pdf =
      "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n"
      "<</Type/Pages/Kids[2 0 R]/Count 1000000>>\nendobj\n"
      "trailer<</Size 3/Root 1 0 R>>\n%%EOF\n";
  const auto decoded = decode_pdf(*pool_, pdf);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), ErrorCode::damaged);
}

// Draws itself ten times, each of which draws another ten times, and so on: never ends.
const char* const kEndless = "/X0 Do\n";

// `pages` pages of a line each; those in `endless` (from 1) never end.
std::string with_endless_pages(int pages, const std::set<int>& endless) {
  std::string out = "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n";
  std::string kids;
  for (int i = 0; i < pages; ++i) kids += std::to_string(100 + 2 * i) + " 0 R ";
  out += "2 0 obj\n<</Type/Pages/Count " + std::to_string(pages) + "/Kids[" + kids +
         "]>>\nendobj\n3 0 obj\n<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\nendobj\n";
  const auto add_stream = [&](int number, const std::string& keys, const std::string& content) {
    out += std::to_string(number) + " 0 obj\n<<" + keys + "/Length " +
           std::to_string(content.size()) + ">>stream\n" + content + "endstream\nendobj\n";
  };
  constexpr int kLevels = 20;
  const auto resources = [](int level) {
    return "/Resources<</Font<</F1 3 0 R>>/XObject<</X0 " + std::to_string(10 + level) + " 0 R>>>>";
  };
  for (int level = 0; level < kLevels; ++level) {
    std::string content;
    for (int i = 0; i < 10; ++i) content += level + 1 < kLevels ? kEndless : "0 0 m\n";
    add_stream(10 + level, "/Type/XObject/Subtype/Form/BBox[0 0 612 792]" + resources(level + 1),
               content);
  }
  for (int i = 0; i < pages; ++i) {
    out += std::to_string(100 + 2 * i) + " 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]" +
           resources(0) + "/Contents " + std::to_string(101 + 2 * i) + " 0 R>>\nendobj\n";
    add_stream(101 + 2 * i, "",
               endless.contains(i + 1)
                   ? kEndless
                   : content_of({{72, 700, 10, "Line of page " + std::to_string(i + 1) + "."}}));
  }
  return out + "trailer<</Size 1000/Root 1 0 R>>\n%%EOF\n";
}

TEST_F(Pdf, APageThatNeverEndsCostsItselfOnly) {
  for (const int bad : {1, 5, 31, 40}) {
    const auto decoded = decode_pdf(*pool_, with_endless_pages(40, {bad}), {.page_s = 0.4});
    ASSERT_TRUE(decoded) << decoded.error().text();
    EXPECT_EQ(decoded->document.blocks.size(), 39u);
    ASSERT_EQ(decoded->problems.size(), 1u);
    EXPECT_EQ(decoded->problems[0].error.code(), ErrorCode::timed_out);
    EXPECT_EQ(decoded->problems[0].error.message().find("page " + std::to_string(bad) +
                                                        " of 40 is lost: decoding gave nothing"),
              0u)
        << decoded->problems[0].error.message();
  }
}

TEST_F(Pdf, AfterAFewSuchPagesTheRestIsNotTried) {
  const auto decoded = decode_pdf(*pool_, with_endless_pages(40, {3, 5, 8, 10}), {.page_s = 0.3});
  ASSERT_TRUE(decoded) << decoded.error().text();
  EXPECT_EQ(decoded->document.text,
            "Line of page 1.\n\nLine of page 2.\n\nLine of page 4.\n\nLine of page 6.\n\n"
            "Line of page 7.");
  ASSERT_EQ(decoded->problems.size(), 1u);
  const std::string& message = decoded->problems[0].error.message();
  EXPECT_EQ(message.find("pages 3, 5 and 8 of 40 are lost: "), 0u) << message;
  EXPECT_NE(message.find("; pages 9 to 40 were not tried after that"), std::string::npos)
      << message;
}

TEST_F(Pdf, TheTimeOfAWholeFileIsLimited) {
  const auto decoded = decode_pdf(*pool_, with_endless_pages(40, {20}), {.all_s = 0.5});
  ASSERT_TRUE(decoded) << decoded.error().text();
  EXPECT_NE(decoded->document.text.find("Line of page 16."), std::string::npos);
  ASSERT_EQ(decoded->problems.size(), 1u);
  EXPECT_EQ(decoded->problems[0].error.code(), ErrorCode::timed_out);
  EXPECT_NE(decoded->problems[0].error.message().find(" s of processor time"), std::string::npos)
      << decoded->problems[0].error.message();
}

TEST_F(Pdf, WithoutAnyPageTheLossIsTheFilesError) {
  const auto decoded = decode_pdf(*pool_, with_endless_pages(1, {1}), {.page_s = 0.3});
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), ErrorCode::timed_out);
}

TEST_F(Pdf, AFileTooLargeIsNotOpened) {
  const std::string bytes = pdf_of({{{72, 700, 10, "text"}}});
  const auto decoded = decode_pdf(*pool_, bytes, {.file_bytes_max = bytes.size() - 1});
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), ErrorCode::too_large);
}

TEST_F(Pdf, WorkersMapAFile) {
  const std::string path = testing::TempDir() + "mapped_" + std::to_string(getpid()) + ".pdf";
  std::ofstream(path) << with_endless_pages(40, {});
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto decoded = decode_pdf_file(*pool_, fd.get());
  std::filesystem::remove(path);
  ASSERT_TRUE(decoded) << decoded.error().text();
  EXPECT_EQ(decoded->document.blocks.size(), 40u);
  EXPECT_TRUE(decoded->problems.empty());
}

TEST(PageSet, NamesAFewAndCountsTheRest) {
  PageSet pages;
  pages.add(6, 7);
  EXPECT_EQ(pages.names(), "page 7");
  pages.add(8, 10);
  pages.add(10, 12);
  EXPECT_EQ(pages.names(), "pages 7 and 9 to 12");
  for (uint64_t i = 20; i < 60; i += 2) pages.add(i, i + 1);
  EXPECT_EQ(pages.names(), "pages 7, 9 to 12, 21, 23, 25, 27, 29, 31 and 14 more");
  PageSet all;
  all.add(0, 3);
  all.append(pages);
  EXPECT_EQ(all.count(), pages.count() + 3);
}

TEST_F(Pdf, TooMuchTextIsAnError) {
  std::vector<Piece> page;
  add_column(page, 72, 700, sentences("word", 50));
  const auto decoded = decode_pdf(*pool_, pdf_of({page}), {.text_bytes_max = 1000});
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), ErrorCode::too_large);
}

TEST(PdfDate, BecomesIso) {
  EXPECT_EQ(pdf_date_to_iso("D:20230120101112+01'00'"), "2023-01-20T10:11:12+01:00");
  EXPECT_EQ(pdf_date_to_iso("D:20230120101112Z"), "2023-01-20T10:11:12Z");
  EXPECT_EQ(pdf_date_to_iso("D:20230120"), "2023-01-20");
  EXPECT_EQ(pdf_date_to_iso("D:2023"), "2023-01-01");
  EXPECT_EQ(pdf_date_to_iso("yesterday"), "yesterday");
}

}  // namespace
}  // namespace headrace
