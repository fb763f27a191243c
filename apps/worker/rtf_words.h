// The control words of RTF that matter for text: which ones begin a destination, which stand for a
// character, which code page a font's character set means.
//
// Threads: pure functions over constant tables.
#pragma once

#include <cstdint>
#include <string_view>

namespace headrace::formats {

// Where the text of a group goes.
enum class RtfDestination : uint8_t {
  none,  // not the name of a destination
  body,
  ignored,
  font_table,
  style_sheet,
  info,
  title,
  author,
  subject,
  keywords,
  created,
  revised,
  footnote,
  list_mark,  // the bullet or number as it is shown: left out, but tells a list item
};

RtfDestination rtf_destination(std::string_view word);
// The character that a control word stands for; 0 when it stands for none.
char32_t rtf_character(std::string_view word);
int rtf_code_page_of_charset(int charset);

}  // namespace headrace::formats
