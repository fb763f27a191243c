// An opened section "postings": where its parts lie, looking terms up, and walking over all of
// them. What a list holds is read by ListCursor (postings_cursor.h).
//
// Owns: views into the section, which outlives it. Threads: const and safe. Errors: damaged.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/postings.h"
#include "index/postings_format.h"

namespace headrace::index {

// A term's list, not yet looked into.
struct PostingList {
  uint32_t df = 0;
  std::string_view bytes;
  std::string_view positions;  // empty where the section has none
};

struct Postings::State {
  std::string_view section;
  std::string_view length_codes;  // one byte a row
  std::string_view block_index;
  std::string_view keys;
  std::string language;
  uint64_t row_count = 0;
  uint64_t total_terms = 0;
  uint64_t term_count = 0;
  uint64_t lengths_offset = 0;
  uint32_t row_limit = 0;
  uint32_t block_count = 0;
  uint32_t version = kPostingsVersion;
  bool has_positions = false;

  // Term block i: its lists and entries; damaged when the index points outside.
  struct Block {
    uint64_t lists_offset = 0;
    uint64_t entries_offset = 0;
    std::string_view entries;
    std::string_view first_key;
  };
  Result<Block> block(uint32_t i) const;
  // How many term blocks begin with a term that is not after `term`.
  Result<uint32_t> blocks_not_after(std::string_view term) const;
  // nullopt: no row has the term.
  Result<std::optional<PostingList>> find(std::string_view term) const;
  // The terms that begin with `prefix`, in order; an error where there are more than `most`.
  Result<std::vector<std::string>> expand(std::string_view prefix, size_t most) const;
};

// Walks over all terms of a section in order.
class TermWalker {
 public:
  explicit TermWalker(const Postings::State& state) : state_(state) {}
  // Begins with the block that may hold `term`: the first terms may be before it.
  static Result<TermWalker> near(const Postings::State& state, std::string_view term);
  // False at the end.
  Result<bool> next();
  const std::string& term() const { return term_; }
  PostingList list() const { return list_; }

 private:
  const Postings::State& state_;
  uint32_t next_block_ = 0;
  uint64_t lists_at_ = 0;
  uint64_t lists_end_ = 0;
  std::string_view entries_;
  bool first_in_block_ = false;
  bool began_ = false;
  std::string term_;
  PostingList list_;
};

Error damaged_postings(std::string_view what);
// A whole list in memory. `position_ends[i]` is where the positions of posting i end in
// `positions`.
struct ListContents {
  std::vector<uint32_t> rows;
  std::vector<uint32_t> tfs;
  std::string positions;
  std::vector<uint64_t> position_ends;
  void reserve(size_t postings) {
    rows.reserve(postings);
    tfs.reserve(postings);
    position_ends.reserve(postings);
  }
  void clear() {
    rows.clear();
    tfs.clear();
    positions.clear();
    position_ends.clear();
  }
};
// Reads a whole list; every row is checked to be ascending and below row_limit, positions to be
// there for every posting.
Status read_list(const PostingList& list, uint32_t row_limit, bool has_positions,
                 ListContents& contents);

}  // namespace headrace::index
