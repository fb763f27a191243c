// From the characters of a PDF page to lines: what pdfium says about each character, put together
// into pieces of lines with their place and face.
//
// Threads: one. Errors: none; a page without text has no lines.
#pragma once

#include <string>
#include <vector>

#include "pdf_library.h"

namespace headrace::pdf {

// A line of text, or a piece of one between wide gaps. Coordinates are in points as the page is
// shown: x from the left edge, y from the bottom.
struct Line {
  std::string text;
  float left = 0, right = 0, bottom = 0, top = 0;
  float size_pt = 0;
  bool bold = false;
  bool fixed_pitch = false;
  bool downward = false;  // turned clockwise: it runs down the page
  // Ends in a hyphen that only breaks a word between two lines (the hyphen is not in `text`).
  bool hyphenated = false;
  // Stands on the same line as the piece before it.
  bool continues = false;

  float width() const { return right - left; }
};

struct PageText {
  float width = 0, height = 0;
  std::vector<Line> lines;
};

// In the order in which pdfium gives the text, which is mostly that of the page's content.
PageText read_page_text(const Library& library, PageHandle page, TextPageHandle text);

}  // namespace headrace::pdf
