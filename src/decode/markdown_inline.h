// The readable text of a Markdown paragraph: links and images become their text, emphasis marks,
// code ticks and HTML tags go, escapes and entities become characters.
//
// Threads: pure function. Errors: none. Time is linear in the text, also for hostile ones.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

// A link of a paragraph: where its text begins in `out`, and what it names.
struct MarkdownLink {
  size_t at = 0;
  std::string target;         // an address as it is written, or a label
  bool is_reference = false;  // "[text][label]", "[label]": the address stands in a definition
};

// Appends the text of `markdown` (one paragraph, cell or heading) to `out` and its links, in the
// order of the text, to `links`. Line breaks that the markup contained are given back at the end,
// so that their number stays the same.
void append_markdown_inline(std::string_view markdown, std::string& out,
                            std::vector<MarkdownLink>& links);

}  // namespace headrace
