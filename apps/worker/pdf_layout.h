// From the lines of a PDF page to blocks in reading order: columns are found by their gutters,
// lines become paragraphs, list items and code.
//
// The order of the lines is pdfium's own except on pages with columns. Threads: pure functions.
// Errors: none.
#pragma once

#include <vector>

#include "decode/pdf_pages.h"
#include "pdf_text.h"

namespace headrace::pdf {

// Puts the pieces of lines into reading order and joins those that belong to one line.
std::vector<Line> order_lines(PageText page);

// Paragraphs, list items and pieces of code. `page_height` scales their places.
std::vector<PdfBlock> make_blocks(const std::vector<Line>& lines, float page_height);

}  // namespace headrace::pdf
