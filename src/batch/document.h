// The records that pass between the stages: RawDocument (bytes with a place), Document (decoded
// text with structure), Row (one searchable piece). Stages never include one another; they meet in
// these types. Everything here is a plain value.
//
// Threads: values. Errors: none of their own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "runtime/unique_fd.h"

namespace headrace {

// A value of a metadata column. Times are ISO 8601 strings. Further kinds only at the end: their
// places are written between processes.
using Value =
    std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<std::string>,
                 std::vector<int64_t>, std::vector<double>, std::vector<bool>>;
// Metadata of a document: the user's columns and what the file itself says (author, date, …).
using Metadata = std::map<std::string, Value>;

// A list in the narrowest type that holds every item as it is: booleans, whole numbers, numbers, or
// texts. Items that are null are left out.
Value list_value(std::span<const Value> items);
// A number; null where it is none (NaN).
Value number_value(double number);
// A value that is no list, as an item of a list of texts; null is "".
std::string item_text(const Value& value);
// How many bytes it takes, about.
uint64_t value_bytes(const Value& value);

// Where a document stands in its file system when it was read; equal stamps mean "unchanged,
// do not even open it".
struct SourceStamp {
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;  // since the Unix epoch; 0 where there is no such time
  uint64_t inode = 0;
  auto operator<=>(const SourceStamp&) const = default;
};

enum class BlockKind : uint8_t {
  paragraph,
  heading,    // level 1–6
  list_item,  // level = nesting depth from 1
  table_row,  // cells separated by " | "; consecutive rows are one table
  code,       // verbatim; level > 0: behind the headings of that level and deeper
  quote,
  caption,
};

// A structural piece of Document::text. Blocks are in order, do not overlap, and together cover
// all text that is worth finding; between them lie only separators (white space).
struct Block {
  uint32_t begin = 0;  // byte offsets into Document::text, on code point borders
  uint32_t end = 0;
  BlockKind kind = BlockKind::paragraph;
  uint8_t level = 0;
  int32_t page = 0;  // from 1; 0 where there are no pages
};

// Where a document points to.
struct Link {
  uint32_t at = 0;  // byte of Document::text where the link's text begins, on a code point border
  std::string target;  // as decode/reference.h makes it
};

// From a byte of a text on, its line in the file: each "\n" of the text is one more, until the next
// of these.
struct LineBegin {
  uint32_t offset = 0;
  int32_t line = 0;  // from 1
  bool operator==(const LineBegin&) const = default;
};

// What a text has beside itself, kept while only the text travels (through functions of Python).
struct DocumentStructure {
  std::string source;
  Hash128 text_hash;  // it holds for this text alone
  std::vector<Block> blocks;
  std::vector<Link> links;
  std::vector<LineBegin> lines;
};

// Bytes from a source, with their identity: what `sources` gives and `decode` takes.
struct RawDocument {
  std::string source;  // path, URI, OUTER!MEMBER or FILE#ID; unique in a knowledge base
  std::string bytes;
  std::shared_ptr<const UniqueFd> file;  // a large PDF's, instead of its bytes
  SourceStamp stamp;
  Hash128 content_hash;  // of `bytes` (and of metadata given beside them)
  std::string title;     // when the source knows it (JSONL "title"), else empty
  Metadata metadata;     // the source's columns; decoders add theirs without overwriting
  // Set when the record is already text and needs no decoding (JSONL "text", Python strings).
  bool is_text = false;
  // Its name says only where it stood: the file, or whoever gave it, knows none.
  bool is_numbered = false;
  // Of the text in `bytes`, where it is known from an earlier reading.
  std::shared_ptr<const DocumentStructure> structure;
};

// Decoded text with structure: what `decode` gives and `transform` cuts into rows.
// `text` is valid UTF-8 with "\n" line ends and no NUL; the text of headings is part of it.
struct Document {
  std::string source;
  std::string title;
  std::string text;
  std::vector<Block> blocks;
  std::vector<Link> links;  // in the order of their places
  // Ascending; empty where the file has no lines that a person could go to (a PDF, a mail, a
  // record).
  std::vector<LineBegin> lines;
  Metadata metadata;
  std::string media_type;  // what the content was found to be, e.g. "text/html"
  std::string language;    // BCP 47 primary tag where the document says it, else empty
};

// Where a further page begins within a row's text.
struct PageBegin {
  uint32_t offset = 0;  // in bytes
  int32_t page = 0;
  bool operator==(const PageBegin&) const = default;
};

// One row: the piece that is indexed, found and shown. `position` counts the rows of a source from
// 0; (source, position) identifies it, `key` is their hash in 32 hex digits.
struct Row {
  std::string key;
  std::string source;
  uint32_t position = 0;
  std::string title;
  std::string text;
  std::string heading;  // "Chapter > Section", empty where there is none
  std::string modality = "text";
  std::string via;                        // empty = null; "asr", "ocr", "subtitle" for later
  std::optional<double> start_s, end_s;   // media only
  int32_t page = 0;                       // where it begins, from 1; 0 = null
  std::vector<PageBegin> further_pages;   // ascending by offset
  int32_t line = 0;                       // where it begins in the file, from 1; 0 = null
  std::vector<LineBegin> further_lines;   // ascending by offset into the row's text
  uint64_t span_begin = 0, span_end = 0;  // code points of the decoded text, [begin, end)
  std::optional<uint64_t> byte_begin;     // the same in bytes of UTF-8; rows of old have none
  Metadata metadata;
};

// key of (source, position): hash128 of "source\0position" as hex. Written to disk; never changes.
std::string row_key(const std::string& source, uint32_t position);
Hash128 row_hash(const std::string& source, uint32_t position);

// A document or record that could not be taken, and why: a row of `headrace errors`.
struct DocumentError {
  std::string source;
  std::string stage;  // "read", "decode", "chunk", "embed", "index"
  Error error;
};

}  // namespace headrace
