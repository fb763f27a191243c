// BlockWriter: how every document format of the worker builds a Document. It cleans text (valid
// UTF-8, "\n", no control characters), places separators, keeps block offsets right and the total
// size bounded.
//
// Owns: the Document being built. Threads: one writer per decode. Errors: too_large, when the text
// would pass kTextBytesMax.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/document.h"
#include "batch/source_lines.h"
#include "decode/wire.h"

namespace headrace::formats {

// Most decoded text of one document. Shared strings and repeated cells let a small file claim any
// amount of text, so every format passes through this bound.
inline constexpr uint64_t kTextBytesMax = 256ULL << 20;

// What a decoder of a file that can hold other files gives.
struct DecodedFile {
  Document document;
  std::vector<Member> members;
  std::vector<MemberProblem> problems;
};

// A block before its place in the text is known (cells of a row, notes that wait for the end of
// their paragraph).
struct PendingBlock {
  BlockKind kind = BlockKind::paragraph;
  int level = 0;
  std::string text;
};

class BlockWriter {
 public:
  // What to write into the text of a block where the text of a link to `address` begins, so that it
  // survives being moved and joined; empty for what is no link. add() takes it out again.
  std::string link_mark(std::string_view address);
  // Adds one block; text that is only white space adds nothing. In all kinds but code, line breaks
  // in a row become one; in headings and table rows they become spaces. Code that follows code is
  // joined to it as further lines.
  Status add(BlockKind kind, int level, int page, std::string_view text);
  Status add(const PendingBlock& block, int page) {
    return add(block.kind, block.level, page, block.text);
  }
  // Adds a table row: cells joined by " | ", empty cells at the end left out.
  Status add_row(const std::vector<std::string>& cells, int page);
  // The next row belongs to another table: puts a blank line between the two.
  void end_table() { table_open_ = false; }
  // The next block begins on this line of the file; where it is never called, the file has no
  // lines.
  void at_line(int32_t line) { line_ = line; }
  // Adds text and blocks of a Document that another decoder made (an EPUB chapter, a mail body).
  Status append(const Document& part, int page);

  Document& document() { return document_; }
  std::vector<LineBegin> take_lines() { return lines_.take(); }
  bool empty() const { return document_.text.empty(); }
  // The text of the first heading, or empty.
  std::string first_heading() const;

 private:
  Status separate(BlockKind kind);

  void note_line();
  // Takes the marks out of `text`, which will stand at `shift`, and notes their links.
  void take_links(std::string& text, size_t shift);

  Document document_;
  std::vector<std::string> addresses_;  // of link_mark()
  size_t address_bytes_ = 0;
  bool table_open_ = false;
  LineNotes lines_;
  int32_t line_ = 0;
};

// `text` with runs of white space (line breaks included) as one space, none at either end.
std::string collapse_space(std::string_view text);
// Whether `text` is nothing but white space.
bool is_blank(std::string_view text);
// Sets metadata[key] to collapsed `value` unless that is empty or the key is there already.
void set_metadata(Document& document, const char* key, std::string_view value);
// `text` without what link_mark() wrote into it.
std::string without_link_marks(std::string_view text);
// ASCII letters in lower case.
std::string ascii_lower(std::string_view text);

}  // namespace headrace::formats
