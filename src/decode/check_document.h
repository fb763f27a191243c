// What every fuzzer of a decoder of ours checks: a Document keeps the promises of batch/document.h.
//
// Threads: pure functions. Errors: HR_CHECK.
#pragma once

#include "base/check.h"
#include "base/utf8.h"
#include "batch/document.h"

namespace headrace {

inline void check_document(const Document& document) {
  HR_CHECK(is_valid_utf8(document.text) && is_valid_utf8(document.title), "text is UTF-8");
  HR_CHECK(document.text.find('\0') == std::string::npos, "text has no NUL");
  HR_CHECK(document.text.find('\r') == std::string::npos, "lines end in \\n");
  uint32_t last = 0;
  for (const Block& block : document.blocks) {
    HR_CHECK(block.begin >= last && block.end > block.begin, "blocks are in order");
    HR_CHECK(block.end <= document.text.size(), "blocks lie in the text");
    HR_CHECK(code_point_floor(document.text, block.begin) == block.begin, "on a border");
    HR_CHECK(code_point_floor(document.text, block.end) == block.end, "on a border");
    last = block.end;
  }
  last = 0;
  for (const Link& link : document.links) {
    HR_CHECK(link.at >= last && link.at < document.text.size(), "links are in order, in the text");
    HR_CHECK(code_point_floor(document.text, link.at) == link.at, "on a border");
    HR_CHECK(is_valid_utf8(link.target) && !link.target.empty() &&
                 link.target.find('\0') == std::string::npos,
             "links are text");
    last = link.at;
  }
}

}  // namespace headrace
