// Chunker: a decoded document → rows that fit a token budget, cut where the document itself does.
//
// Owns: nothing but its options and a share of the tokenizer. Threads: const and safe from any
// thread; one Scratch per thread. Errors: none: every document can be cut.
#pragma once

#include <memory>
#include <vector>

#include "batch/document.h"
#include "runtime/cancel.h"
#include "transform/tokenizer.h"

namespace headrace {

struct ChunkOptions {
  // The most tokens of one row as the model sees it: its text, the document's title before it, and
  // the model's special tokens. Never exceeded.
  uint32_t tokens_max = 256;
  // Tokens of a row that are repeated from the end of the row before it (within tokens_max),
  // rounded down to a sentence or word border; never across a section (heading) border.
  uint32_t overlap = 32;
  // Put the title (cut to a quarter of tokens_max) before each row's embedded text.
  bool title_in_text = true;
  // Then the row's heading path (cut to a quarter as well). Rows of a document have room for its
  // longest one.
  bool heading_in_text = false;
};

class Chunker {
 public:
  // tokens_max is at least 16 + special tokens; overlap less than half of tokens_max.
  static Result<Chunker> create(std::shared_ptr<const Tokenizer> tokenizer, ChunkOptions options);

  // The rows of `document`, in order, position from 0; a document without visible text has none.
  // Row::text is exactly the slice [span_begin, span_end) of document.text. Cuts are made at the
  // best border that fits: section, paragraph, list item or table row, sentence, clause, word; only
  // a single word longer than the whole budget is cut inside (at a token border).
  // Ends early when `cancel`, which may be null, asks for it: the rows are of no use then.
  std::vector<Row> chunk(const Document& document, const CancelToken* cancel = nullptr) const;

  // The text whose vector stands for a row: "title\nheading\ntext", where the title and the heading
  // are left out unless asked for, and where the text already begins so. Its tokens, special ones
  // included, are never more than tokens_max.
  std::string embedded_text(const Row& row) const;

 private:
  Chunker(std::shared_ptr<const Tokenizer> tokenizer, ChunkOptions options);
  std::string cut_to_quarter(const std::string& line) const;
  std::string embedded_title(const std::string& title) const;
  std::string embedded_heading(const std::string& heading) const;
  std::string longest_heading(const Document& document) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  ChunkOptions options_;
  // Whether a cut at white space (around ideographs and punctuation of other scripts) leaves the
  // tokens on both sides as they are; where it might not, each row is encoded again to be sure.
  bool cuts_at_space_ = false;
  bool cuts_at_ideographs_ = false;
};

}  // namespace headrace
