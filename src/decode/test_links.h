// How tests look at the links of a document.
//
// Threads: pure. Errors: none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "batch/document.h"

namespace headrace {

// Each link with the text from its place on.
inline std::vector<std::string> links_of(const Document& document) {
  std::vector<std::string> links;
  for (const Link& link : document.links) {
    const std::string_view text = std::string_view(document.text).substr(link.at);
    links.push_back(std::string(text.substr(0, 4)) + " -> " + link.target);
  }
  return links;
}

}  // namespace headrace
