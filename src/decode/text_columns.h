// The columns of a line as its writer saw them: a character is one column wide, an East Asian wide
// one two, a mark that combines with the one before none; a tab reaches to the next multiple of
// eight. Tables drawn with characters stand on these columns, not on bytes.
//
// Owns: nothing; it refers to the line. Threads: pure functions. Errors: none; a bad byte is one
// character.
#pragma once

#include <cstddef>
#include <string_view>

namespace headrace {

// How many columns `line` takes.
size_t column_count(std::string_view line);

// Walks along a line once; positions are asked for from left to right.
class ColumnReader {
 public:
  explicit ColumnReader(std::string_view line) : line_(line) {}

  // The byte where the first character stands that begins at `column` or behind it (so never within
  // a character); the size of the line where it is shorter. `column` must not go back.
  size_t byte_at(size_t column);
  // The column at which the character of the last answer begins.
  size_t column() const { return column_; }

 private:
  std::string_view line_;
  size_t byte_ = 0;
  size_t column_ = 0;
};

}  // namespace headrace
