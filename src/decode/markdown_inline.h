// The readable text of a Markdown paragraph: links and images become their text, emphasis marks,
// code ticks and HTML tags go, escapes and entities become characters.
//
// Threads: pure function. Errors: none. Time is linear in the text, also for hostile ones.
#pragma once

#include <string>
#include <string_view>

namespace headrace {

// Appends the text of `markdown` (one paragraph, cell or heading) to `out`. Line breaks that the
// markup contained are given back at the end, so that their number stays the same.
void append_markdown_inline(std::string_view markdown, std::string& out);

}  // namespace headrace
