// The readable text of a reStructuredText paragraph: markup gives way to its text, links are noted.
//
// Threads: pure functions. Errors: none; what is no markup is text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace headrace {

// A link in the text: to an address, or to a target that is defined elsewhere in the file.
struct RstLink {
  enum class Kind : uint8_t { address, name, anonymous };
  size_t at = 0;
  Kind kind = Kind::address;
  std::string target;
};

// Names of targets are compared in small letters, with single spaces.
std::string rst_target_name(std::string_view written);

// Appends the text of `in` (one paragraph, cell or heading) to `out`, in one pass, and its links,
// in the order of the text, to `links`.
void append_rst_inline(std::string_view in, std::string& out, std::vector<RstLink>& links);

}  // namespace headrace
