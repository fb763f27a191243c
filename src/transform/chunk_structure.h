// What a document's blocks say to the chunker: where it may be cut and under which headings a
// place stands. Blocks come from decoders and from other processes; they are put in order here, and
// visible text that no block covers becomes a paragraph, so that nothing is lost.
//
// Owns: its copy of the blocks; the text is the document's and must outlive it. Threads: one
// thread at a time. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "batch/document.h"

namespace headrace {

// How good a place between two blocks is for a cut; more is better, 0 is none.
using BorderStrength = int;

class ChunkStructure {
 public:
  explicit ChunkStructure(const Document& document);

  const std::vector<Block>& blocks() const { return blocks_; }
  bool is_heading(size_t block) const { return blocks_[block].kind == BlockKind::heading; }
  // Code with a level stands behind the definitions of that level and deeper.
  bool ends_sections(size_t block) const {
    return blocks_[block].kind == BlockKind::code && blocks_[block].level > 0;
  }

  // Whether no block begins or ends a section: what fits a row is one.
  bool is_one_section() const {
    for (size_t block = 0; block < blocks_.size(); ++block) {
      if (is_heading(block) || ends_sections(block)) return false;
    }
    return true;
  }

  // The strength of the border before `block` (> 0). A heading stays with what follows it.
  BorderStrength border_before(size_t block) const;
  // A heading that opens a section: one that is not directly under another heading and that some
  // text follows.
  bool opens_section(size_t block) const;

  // The index of the block that holds or follows byte `position`, searching from `hint` (at or
  // before it); blocks().size() when there is none.
  size_t block_at(size_t position, size_t hint) const;

  // "A > B" for the headings above `block` and those directly before it. Calls must come with
  // ascending `block`. Headings equal to the document's title are left out.
  const std::string& heading_path(size_t block);

 private:
  struct Heading {
    uint8_t level;
    std::string text;
  };
  void add_gap(size_t begin, size_t end, int32_t page);
  void split_paragraphs(size_t begin, size_t end, int32_t page);
  // Headings of this level and deeper are over; whether there were any.
  bool close_sections(uint8_t level);

  std::string_view text_;
  std::string_view title_;
  std::vector<Block> blocks_;
  size_t last_content_ = 0;  // the last block that is no heading
  std::vector<Heading> stack_;
  size_t stack_blocks_ = 0;  // blocks whose headings are in stack_
  std::string path_;
};

}  // namespace headrace
