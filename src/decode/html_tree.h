// A page as a tree: elements and runs of text in the order in which they stand in the source.
//
// One pass over the bytes; a node is 24 bytes and refers to the source by offset, so nothing is
// copied and references ("&amp;") stay undecoded until a text is written. A subtree is the range
// [node, node.end) of the array. The tree has what reading needs of HTML5's tree construction:
// implied and missing end tags, tables, nested links and forms. It does not move nodes (no
// adoption agency, no foster parents): text keeps the order of the source.
//
// Owns: the nodes. It refers to the page, which must outlive it. Threads: values. Errors: none
// here; bounds: depth 512 (deeper elements become children of the deepest one, as in browsers),
// node_limit() nodes, after which the rest of the page is one run of text whose tags are dropped
// on writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "decode/html_tags.h"

namespace headrace {

inline constexpr uint8_t kNodeInLink = 1;       // text within <a href>
inline constexpr uint8_t kNodeSpaceBefore = 2;  // white space lies before it
inline constexpr uint8_t kNodeHidden = 4;       // hidden, display:none
inline constexpr uint8_t kNodeNestedTable = 8;  // a table that has a table in it
inline constexpr uint8_t kNodeMarkup = 16;      // text that still contains tags (node limit)
inline constexpr uint8_t kNodeInvisible = 32;   // the element's content is never text
inline constexpr uint8_t kNodeAriaHidden = 64;  // aria-hidden: shown, but not read aloud
inline constexpr uint8_t kNodeInForm = 128;     // text in a control of a form

struct HtmlNode {
  uint32_t parent = 0;
  uint32_t end = 0;     // one past the last node of the subtree
  uint32_t begin = 0;   // offset into the source: of the text, or of the element's start tag
  uint32_t length = 0;  // text: bytes; element: the hash of its name
  uint32_t hints = 0;   // element: what its class, id and role say (html_hints.h)
  HtmlTag tag = HtmlTag::text;
  uint8_t flags = 0;
  uint16_t depth = 0;
};
static_assert(sizeof(HtmlNode) == 24);

// <meta name|property|itemprop=key content=…>, undecoded.
struct HtmlMeta {
  std::string_view key;
  std::string_view content;
};

// <td|th rowspan|colspan=…> of a cell that spans more than its place.
struct HtmlCellSpan {
  uint32_t node = 0;
  uint16_t columns = 1;
  uint16_t rows = 1;  // 0: to the end of its row group
};

// <a href=…>, undecoded.
struct HtmlLink {
  uint32_t node = 0;
  std::string_view href;
};

struct HtmlTree {
  std::string_view source;
  std::vector<HtmlNode> nodes;      // nodes[0] is the root, an html element
  std::vector<HtmlCellSpan> spans;  // in the order of the nodes
  std::vector<HtmlLink> links;      // in the order of the nodes
  std::vector<HtmlMeta> metas;
  std::vector<std::string_view> json_ld;  // contents of <script type="application/ld+json">
  std::string_view title;                 // content of the first <title>, undecoded
  std::string_view language;
  std::string_view canonical;
  std::string_view base;  // href of the first <base>
  std::string_view time;  // datetime of the first <time> that has one

  std::string_view text_of(const HtmlNode& node) const {
    return source.substr(node.begin, node.length);
  }
};

// The most nodes that a page of this many bytes gets.
constexpr size_t node_limit(size_t page_bytes) {
  return page_bytes / 12 + (size_t{1} << 18);
}

// `page` is at most 4 GiB - 1. It is read as XHTML where the caller or the page itself says so.
HtmlTree parse_html(std::string_view page, bool is_xhtml = false);

}  // namespace headrace
