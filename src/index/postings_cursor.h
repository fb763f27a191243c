// ListCursor walks over one posting list block by block, with the impacts of blocks at hand before
// they are unpacked.
//
// Owns: one unpacked block; views the list's bytes. Threads: one at a time. Errors: open() for a
// list that cannot be walked; a block that is damaged ends the walk and sets damaged().
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/postings_format.h"
#include "index/postings_state.h"

namespace headrace::index {

class ListCursor {
 public:
  static Result<ListCursor> open(const PostingList& list, uint32_t row_limit);

  uint32_t df() const { return df_; }
  uint32_t block_count() const { return block_count_; }
  // The block the cursor stands at (block_count() at the end), not necessarily unpacked.
  uint32_t block() const { return block_; }
  // Whether the block where the cursor stands is unpacked.
  bool is_loaded() const { return loaded_ == block_; }
  bool at_end() const { return block_ >= block_count_; }
  bool damaged() const { return damaged_; }
  // Lists of fewer than 128 postings carry no impacts.
  bool has_impacts() const { return has_records_; }
  std::array<Impact, kListImpacts> list_impacts() const;
  std::array<Impact, kBlockImpacts> block_impacts(uint32_t block) const;
  // No row of `block` is above this. Blocks before the cursor's may be asked, too.
  uint32_t block_last_row(uint32_t block) const;

  void next_block() { ++block_; }
  // Stands at the beginning of `block`, which may lie before where it stood; unpacks nothing.
  void go_to(uint32_t block);
  // Moves on to the first block that may hold `row` or a later one; unpacks nothing.
  void skip_to(uint32_t row);

  // Where the block's positions begin.
  uint32_t block_positions(uint32_t block) const;

  // Unpacks the block where the cursor stands, once; false at the end (or damage). All rows are
  // below the row limit and not descending.
  bool load_block();
  uint32_t block_size() const { return size_; }
  const uint32_t* block_rows() const { return rows_.data(); }
  const uint32_t* block_tfs() const { return tfs_.data(); }

  // Stands at the first posting of `row` or a later one, its block unpacked; false at the end.
  // Rows must not descend from call to call, here and in tf_at(), after the last go_to().
  bool seek(uint32_t row);
  uint32_t position() const { return position_; }
  void set_position(uint32_t position) { position_ = position; }

  // How often the term is in `row`: 0 when it is not there.
  uint32_t tf_at(uint32_t row);

 private:
  bool unpack();
  bool load_short(std::string_view bytes, uint32_t count, uint32_t previous);
  bool load_packed(std::string_view bytes, uint32_t gap_bits, uint32_t tf_bits, uint32_t previous,
                   uint32_t last_row);
  bool fail_block() {
    damaged_ = true;
    block_ = block_count_;
    loaded_ = kNothing;
    size_ = 0;
    return false;
  }
  const char* record(uint32_t block) const {
    return records_.data() + size_t{block} * kBlockRecordBytes;
  }

  static constexpr uint32_t kNothing = UINT32_MAX;
  std::string_view head_;
  std::string_view records_;
  std::string_view data_;
  uint32_t df_ = 0;
  uint32_t row_limit_ = 0;
  uint32_t block_count_ = 0;
  uint32_t block_ = 0;
  uint32_t loaded_ = kNothing;
  uint32_t size_ = 0;
  uint32_t row_floor_ = 0;  // the last row unpacked so far
  uint32_t position_ = 0;   // of seek() and tf_at() within the block
  bool has_records_ = false;
  bool damaged_ = false;
  alignas(64) std::array<uint32_t, kBlockRows> rows_;
  alignas(64) std::array<uint32_t, kBlockRows> tfs_;
};

// Reads where in a row the term of a cursor stands. Asking in order is cheap: it goes on from the
// posting asked last.
class PositionReader {
 public:
  explicit PositionReader(std::string_view positions) : positions_(positions) {}
  // The positions of the posting at which `cursor` stands (after seek() or tf_at() found it);
  // false when they are damaged.
  bool read(const ListCursor& cursor, std::vector<uint32_t>& positions);

 private:
  std::string_view positions_;
  uint64_t at_ = 0;
  uint32_t block_ = UINT32_MAX;
  uint32_t next_ = 0;  // posting of the block that begins at at_
};

// Whether every posting is covered by an impact of its block and of the list (for `verify`).
Status check_impacts(const PostingList& list, uint32_t row_limit, std::string_view length_codes);

}  // namespace headrace::index
