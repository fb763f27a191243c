// What a worker tells about the pages of a PDF: blocks of text in reading order, with what layout
// says about them (size, place, face). The worker sees a range of pages; what needs the whole
// document (which size is a heading, which line repeats on every page) is decided from these by
// decode/pdf_decoder.h.
//
// Threads: values and pure functions. Errors: damaged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace {

// Parameters of the operation "pdf": which pages, counted from 0. A count of 0 means "to the end".
struct PdfRange {
  uint32_t first = 0;
  uint32_t count = 0;
};
std::string pack_pdf_range(const PdfRange& range);
Result<PdfRange> unpack_pdf_range(std::string_view bytes);

enum class PdfBlockKind : uint8_t { paragraph, list_item, code };

struct PdfBlock {
  std::string text;
  PdfBlockKind kind = PdfBlockKind::paragraph;
  bool bold = false;
  uint16_t lines = 0;
  float size_pt = 0;  // of its letters
  float top = 0;      // of its first line, as a share of the page's height from the top, 0 to 1
  float bottom = 0;   // of its last line, likewise
};

struct PdfPage {
  uint32_t number = 0;        // from 1
  bool has_pictures = false;  // of a page without text: images,
  bool has_drawings = false;  // anything at all
  std::vector<PdfBlock> blocks;
};

// A frame of the worker: what is known of the document, and some of its pages.
struct PdfPages {
  uint32_t page_count = 0;   // of the whole document
  bool is_repaired = false;  // its table of objects was broken, and made anew from what was found
  uint32_t next_page = 0;  // of a frame: the page that is read now, from 0; all before it are done
  // From the file itself, may be empty, and only in the first frame; created as PDF writes it.
  std::string title, author, created;
  std::vector<PdfPage> pages;
};

std::string pack_pdf_pages(const PdfPages& pages);
Result<PdfPages> unpack_pdf_pages(std::string_view bytes);

}  // namespace headrace
