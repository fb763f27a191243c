// Character references of HTML ("&eacute;", "&#233;", "&#xE9;") and the decoding of text that holds
// them: bytes of a page in, valid UTF-8 out.
//
// Owns: one table of names for the whole process, built on first use, read-only afterwards.
// Threads: any. Errors: none; what is no reference is text, what is no UTF-8 becomes U+FFFD.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace headrace {

// Data (html_entity_names.cpp): "name hex[ hex]," repeated, and the names that need no semicolon.
extern const std::string_view kHtmlEntityNames;
extern const std::string_view kHtmlLegacyEntityNames;

// What stands at a "&": up to two code points, and how many bytes of input they took (0: no
// reference, the "&" is itself).
struct HtmlReference {
  char32_t first = 0;
  char32_t second = 0;  // 0 where there is one only
  size_t length = 0;
};

// `text` begins with "&". In attribute values "&copy=1" is no reference, in text it is.
HtmlReference read_html_reference(std::string_view text, bool in_attribute = false);

// One code point at the start of `text` (not empty): malformed bytes give U+FFFD and length of the
// bytes they spoil.
struct Utf8Step {
  char32_t code_point = 0xFFFD;
  uint8_t length = 1;
  bool valid = false;
};
Utf8Step read_utf8(std::string_view text);

void append_utf8(char32_t code_point, std::string& out);

// An attribute's value or a title as plain text: references decoded, white space collapsed and
// trimmed, control characters dropped.
std::string html_plain_text(std::string_view raw, bool in_attribute);

}  // namespace headrace
