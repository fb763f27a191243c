// Finds the main content of a page: which nodes to keep and which (navigation, footers, side bars,
// advertisements, teasers, forms) to drop.
//
// Two kinds of evidence: what elements say of themselves (html_hints.h) and what their text looks
// like. Text blocks get a value (sentences positive, link lists and scraps negative); the subtree
// with the greatest sum is the content, and within it what is named as something else and does not
// hold most of the text is dropped.
//
// Owns: what it returns. Threads: pure function. Errors: none. Linear in the number of nodes.
#pragma once

#include <string_view>
#include <vector>

#include "decode/html_text.h"
#include "decode/html_tree.h"

namespace headrace {

struct HtmlContentOptions {
  bool keep_hidden = false;  // take what is hidden too: pages whose scripts unveil the text
  // The page says that it is an article (news, blog): what stands between its paragraphs without
  // belonging to them (captions, links to other articles) is dropped. Manuals keep such things.
  bool is_article = false;
  // Written by a documentation tool: everything but the navigation is content, contents lists too.
  bool is_manual = false;
  // Outside what the page declares as its main text nothing that is named as something else is
  // content, however little text there is.
  bool has_declared = false;
  std::string_view title;  // a heading that repeats it is dropped from articles
};

std::vector<HtmlFate> find_html_content(const HtmlTree& tree, const HtmlContentOptions& options);

// What the page itself declares as its main text (<main>, role=main, or its only <article>) without
// the navigation, footers and side bars in it; empty when it declares none.
std::vector<HtmlFate> find_declared_html(const HtmlTree& tree);

// For whole pages: only what is hidden is dropped.
std::vector<HtmlFate> find_visible_html(const HtmlTree& tree);

}  // namespace headrace
