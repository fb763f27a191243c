#include "decode/pdf_pages.h"

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "batch/flat_encoding.h"

namespace headrace {
namespace {

// More pages than any real file has; pdfium itself stops earlier.
constexpr uint32_t kPagesMax = 10'000'000;
constexpr size_t kBlockBytes = 20;
constexpr size_t kPageBytes = 10;

std::string clean(std::string_view bytes) {
  std::string text = to_valid_utf8(bytes);
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

float share(float value) {
  return std::isfinite(value) ? std::clamp(value, 0.0f, 1.0f) : 0.0f;
}

}  // namespace

std::string pack_pdf_range(const PdfRange& range) {
  FlatWriter out;
  out.number(range.first);
  out.number(range.count);
  return std::move(out).take();
}

Result<PdfRange> unpack_pdf_range(std::string_view bytes) {
  if (bytes.empty()) return PdfRange{};
  FlatReader in(bytes);
  PdfRange range;
  range.first = in.number<uint32_t>();
  range.count = in.number<uint32_t>();
  if (!in.finished()) return fail(ErrorCode::invalid_argument, "no range of pages");
  return range;
}

std::string pack_pdf_pages(const PdfPages& pages) {
  FlatWriter out;
  out.number(pages.page_count);
  out.number(pages.next_page);
  out.number(static_cast<uint8_t>(pages.is_repaired));
  out.string(pages.title);
  out.string(pages.author);
  out.string(pages.created);
  out.number(static_cast<uint32_t>(pages.pages.size()));
  for (const PdfPage& page : pages.pages) {
    out.number(page.number);
    out.number(static_cast<uint8_t>(page.has_pictures));
    out.number(static_cast<uint8_t>(page.has_drawings));
    out.number(static_cast<uint32_t>(page.blocks.size()));
    for (const PdfBlock& block : page.blocks) {
      out.string(block.text);
      out.number(static_cast<uint8_t>(block.kind));
      out.number(static_cast<uint8_t>(block.bold));
      out.number(block.lines);
      out.number(block.size_pt);
      out.number(block.top);
      out.number(block.bottom);
    }
  }
  return std::move(out).take();
}

Result<PdfPages> unpack_pdf_pages(std::string_view bytes) {
  FlatReader in(bytes);
  PdfPages pages;
  pages.page_count = in.number<uint32_t>();
  pages.next_page = in.number<uint32_t>();
  pages.is_repaired = in.number<uint8_t>() != 0;
  pages.title = clean(in.string());
  pages.author = clean(in.string());
  pages.created = clean(in.string());
  bool good = pages.page_count <= kPagesMax;
  pages.pages.resize(in.count(kPageBytes));
  for (PdfPage& page : pages.pages) {
    page.number = in.number<uint32_t>();
    good = good && page.number >= 1 && page.number <= pages.page_count;
    page.has_pictures = in.number<uint8_t>() != 0;
    page.has_drawings = in.number<uint8_t>() != 0;
    page.blocks.resize(in.count(kBlockBytes));
    for (PdfBlock& block : page.blocks) {
      block.text = clean(in.string());
      const auto kind = in.number<uint8_t>();
      good = good && kind <= static_cast<uint8_t>(PdfBlockKind::code);
      if (!good) break;
      block.kind = static_cast<PdfBlockKind>(kind);
      block.bold = in.number<uint8_t>() != 0;
      block.lines = in.number<uint16_t>();
      const auto size = in.number<float>();
      block.size_pt = std::isfinite(size) ? std::clamp(size, 0.0f, 10000.0f) : 0.0f;
      block.top = share(in.number<float>());
      block.bottom = share(in.number<float>());
    }
    if (!good) break;
  }
  if (!good || !in.finished())
    return fail(ErrorCode::damaged, "a worker sent damaged pages of a PDF");
  return pages;
}

}  // namespace headrace
