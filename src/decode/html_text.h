// Writes (a part of) a page's tree as text with blocks: white space as a browser would collapse it,
// one block per paragraph, heading, list item, table row, quote, caption and piece of code.
//
// Blocks are separated by an empty line, items of a list and rows of a table by a line break.
// Owns: what it returns. Threads: pure function. Errors: none. One pass, linear in the part's size.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "batch/document.h"
#include "decode/html_tree.h"

namespace headrace {

// What becomes of a node, chosen by the content finder; one entry a node.
enum class HtmlFate : uint8_t { keep, drop };

// A link that has text: where that begins, and which of HtmlTree::links it is.
struct HtmlTextLink {
  uint32_t at = 0;
  uint32_t link = 0;
};

// Text that is from there in the page: of each run of text, and of each of its lines.
struct HtmlTextPlace {
  uint32_t at = 0;
  uint32_t source = 0;
};

struct HtmlText {
  std::string text;
  std::vector<Block> blocks;
  std::vector<HtmlTextLink> links;    // in the order of the text
  std::vector<HtmlTextPlace> places;  // the same
};

// `fates` may be empty (keep everything). `keep_forms`: labels of buttons, options and text areas
// are text too. Hidden elements are the finder's business, invisible ones (script) never appear.
HtmlText write_html_text(const HtmlTree& tree, const std::vector<HtmlFate>& fates, bool keep_forms);

}  // namespace headrace
