// Writes the section "postings" front to back: terms in ascending order, then row lengths. Shared
// by the builder and the merge, so that both give the same bytes for the same rows.
//
// Owns: the block index in memory (a few bytes for each 32 terms) and one term block. Threads: one
// at a time. Errors: those of the sink; after one, nothing more is written.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/postings_format.h"
#include "index/postings_state.h"
#include "index/section.h"

namespace headrace::index {

class PostingsWriter {
 public:
  // `length_codes`: of all rows below the row limit; must outlive the writer.
  PostingsWriter(SectionSink& out, std::string_view language, std::span<const uint8_t> length_codes,
                 bool has_positions);
  // Rows ascend; tfs are at least 1. Terms must come in ascending order.
  Status add_term(std::string_view term, const ListContents& contents);
  Status finish();

 private:
  void append_blocks(const ListContents& contents);
  Status flush_block();
  Status write(std::string_view bytes);

  SectionSink& out_;
  std::string_view language_;
  std::span<const uint8_t> length_codes_;
  bool has_positions_ = false;
  uint64_t offset_ = 0;
  uint64_t term_count_ = 0;
  uint32_t block_count_ = 0;
  size_t terms_in_block_ = 0;
  std::string previous_term_;
  std::string lists_;
  std::string entries_;
  std::string records_;
  std::string keys_;
  std::string block_data_;
  std::vector<Impact> list_impacts_;
};

}  // namespace headrace::index
