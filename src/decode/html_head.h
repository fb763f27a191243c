// What a page says about itself: title, author, date, description, address, language; from <title>,
// <meta>, <link>, <html lang>, JSON-LD and the first heading.
//
// Owns: what it returns. Threads: pure function. Errors: none; what does not parse is not said.
#pragma once

#include <string>
#include <vector>

#include "decode/html_tree.h"

namespace headrace {

// All plain text, references decoded; empty where the page does not say it.
struct HtmlHead {
  std::string title;
  std::string author;
  std::string date;
  std::string description;
  std::string url;
  std::string language;
  bool is_article = false;   // og:type, JSON-LD or microdata say so
  bool is_manual = false;    // <meta name=generator> names a documentation tool
  std::string article_body;  // JSON-LD articleBody: a hint for the content finder, or its stand-in
};

HtmlHead read_html_head(const HtmlTree& tree);

}  // namespace headrace
