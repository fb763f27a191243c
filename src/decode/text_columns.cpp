#include "decode/text_columns.h"

#include "base/unicode.h"
#include "base/utf8.h"

namespace headrace {
namespace {

constexpr size_t kTabColumns = 8;

// Where the character that begins in `column` ends.
size_t column_after(char32_t c, size_t column) {
  if (c == '\t') return (column / kTabColumns + 1) * kTabColumns;
  if (c < 0x300) return column + 1;
  if (unicode::combining_class(c) != 0) return column;
  return column + (unicode::is_wide(c) ? 2 : 1);
}

}  // namespace

size_t column_count(std::string_view line) {
  size_t column = 0;
  for (size_t i = 0; i < line.size();) {
    const CodePoint c = decode_code_point(line, i);
    column = column_after(c.value, column);
    i += c.length;
  }
  return column;
}

size_t ColumnReader::byte_at(size_t column) {
  while (byte_ < line_.size()) {
    const CodePoint c = decode_code_point(line_, byte_);
    const size_t after = column_after(c.value, column_);
    // Marks belong to the character before them.
    if (column_ >= column && after > column_) break;
    column_ = after;
    byte_ += c.length;
  }
  return byte_;
}

}  // namespace headrace
