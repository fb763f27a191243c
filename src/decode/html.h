// HTML → Document: the main content of a page without navigation, footers and advertisements;
// title, headings, lists, tables and code kept, links resolved by their text.
// Where links lead is told beside the text.
//
// Own parser: one pass over the bytes into an arena, tolerant of anything a browser tolerates,
// bounded in depth and memory. Threads: pure function. Errors: too_large, damaged (no text at all
// is not an error: the Document is empty).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "batch/document.h"

namespace headrace {

struct HtmlOptions {
  // Keep everything visible instead of finding the main content (fragments, mail bodies, EPUB).
  bool whole_page = false;
  // It is XHTML, whether or not it says so itself (an XML declaration, the namespace of its
  // <html>): an element "<x/>" is empty, CDATA is text.
  bool is_xhtml = false;
};

// `html` is UTF-8 (decode/encoding.h makes it so, honouring <meta charset>). Fills title, text,
// blocks, language, links (relative ones resolved as far as the page says against what: <base
// href>; Decoder does the rest) and metadata ("author", "date", "description", "url" where the page
// says them).
Result<Document> decode_html(std::string_view html, const HtmlOptions& options = {});

}  // namespace headrace
