#include "index/postings_cursor.h"

#include <algorithm>

#include "index/postings_pack.h"
#include "index/section_bytes.h"

namespace headrace::index {

Result<ListCursor> ListCursor::open(const PostingList& list, uint32_t row_limit) {
  ListCursor cursor;
  cursor.df_ = list.df;
  cursor.row_limit_ = row_limit;
  cursor.block_count_ = (list.df + kBlockRows - 1) / kBlockRows;
  if (list.df < kBlockRows) {
    cursor.data_ = list.bytes;
    return cursor;
  }
  const size_t records_bytes = size_t{cursor.block_count_} * kBlockRecordBytes;
  if (list.bytes.size() < kListHeadBytes + records_bytes) {
    return std::unexpected<Error>(damaged_postings("a list is too short"));
  }
  cursor.has_records_ = true;
  cursor.head_ = list.bytes.substr(0, kListHeadBytes);
  cursor.records_ = list.bytes.substr(kListHeadBytes, records_bytes);
  cursor.data_ = list.bytes.substr(kListHeadBytes + records_bytes);
  return cursor;
}

std::array<Impact, kListImpacts> ListCursor::list_impacts() const {
  return load<std::array<Impact, kListImpacts>>(head_.data());
}

std::array<Impact, kBlockImpacts> ListCursor::block_impacts(uint32_t block) const {
  return load<std::array<Impact, kBlockImpacts>>(record(block) + 10);
}

uint32_t ListCursor::block_last_row(uint32_t block) const {
  return has_records_ ? load<uint32_t>(record(block)) : row_limit_ - 1;
}

uint32_t ListCursor::block_positions(uint32_t block) const {
  return has_records_ ? load<uint32_t>(record(block) + 16) : 0;
}

void ListCursor::go_to(uint32_t block) {
  block_ = block;
  position_ = 0;
  row_floor_ = block == 0 ? 0 : block_last_row(block - 1);
}

void ListCursor::skip_to(uint32_t row) {
  if (!has_records_) return;
  if (block_ < block_count_ && block_last_row(block_) >= row) return;
  uint32_t low = block_;
  uint32_t step = 1;
  while (low + step < block_count_ && block_last_row(low + step) < row) {
    low += step;
    step *= 2;
  }
  uint32_t high = std::min(low + step, block_count_);
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (block_last_row(middle) < row) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  block_ = low;
}

bool ListCursor::load_block() {
  if (at_end()) return false;
  if (loaded_ == block_) return true;
  position_ = 0;
  loaded_ = block_;
  if (!unpack()) return false;
  // Within a block rows never descend; nor may they from block to block.
  if (rows_[0] < row_floor_) return fail_block();
  row_floor_ = rows_[size_ - 1];
  return true;
}

bool ListCursor::unpack() {
  if (!has_records_) return load_short(data_, df_, 0);
  const char* const fields = record(block_);
  const auto last_row = load<uint32_t>(fields);
  const auto offset = load<uint32_t>(fields + 4);
  const auto gap_bits = static_cast<uint8_t>(fields[8]);
  const auto tf_bits = static_cast<uint8_t>(fields[9]);
  const uint32_t previous = block_ == 0 ? 0 : block_last_row(block_ - 1);
  if (last_row >= row_limit_ || offset > data_.size()) return fail_block();
  const std::string_view bytes = data_.substr(offset);
  const uint32_t count = std::min(kBlockRows, df_ - block_ * kBlockRows);
  if (count == kBlockRows) return load_packed(bytes, gap_bits, tf_bits, previous, last_row);
  if (gap_bits != kShortBlockBits || tf_bits != kShortBlockBits) return fail_block();
  return load_short(bytes, count, previous);
}

bool ListCursor::load_short(std::string_view bytes, uint32_t count, uint32_t previous) {
  ByteReader reader(bytes);
  uint64_t row = previous;
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t gap = reader.varint();
    row += gap >> 1;
    const uint64_t tf = (gap & 1) != 0 ? 1 : reader.varint();
    if (reader.failed() || row >= row_limit_ || tf > UINT32_MAX) return fail_block();
    rows_[i] = static_cast<uint32_t>(row);
    tfs_[i] = static_cast<uint32_t>(tf);
  }
  size_ = count;
  return true;
}

bool ListCursor::load_packed(std::string_view bytes, uint32_t gap_bits, uint32_t tf_bits,
                             uint32_t previous, uint32_t last_row) {
  if (gap_bits > 32 || tf_bits > 32 ||
      bytes.size() < size_t{packed_bytes(gap_bits)} + packed_bytes(tf_bits)) {
    return fail_block();
  }
  unpack_gaps(bytes.data(), gap_bits, previous, rows_.data());
  // Gaps of up to 24 bits cannot wrap around in a block, as all rows are below 2^31 more than
  // `previous`; then the last row bounds all. Wider gaps are looked at one by one.
  if (rows_[kBlockRows - 1] != last_row || previous > last_row) return fail_block();
  if (gap_bits > 24 && !std::ranges::is_sorted(rows_)) return fail_block();
  unpack_block(bytes.data() + packed_bytes(gap_bits), tf_bits, tfs_.data());
  for (uint32_t& tf : tfs_) ++tf;
  size_ = kBlockRows;
  return true;
}

bool ListCursor::seek(uint32_t row) {
  skip_to(row);
  while (load_block()) {
    // Whole groups first: within a window the next row is often far from the last.
    while (position_ + 16 <= size_ && rows_[position_ + 15] < row) position_ += 16;
    while (position_ < size_ && rows_[position_] < row) ++position_;
    if (position_ < size_) return true;
    next_block();
  }
  return false;
}

uint32_t ListCursor::tf_at(uint32_t row) {
  return seek(row) && rows_[position_] == row ? tfs_[position_] : 0;
}

bool PositionReader::read(const ListCursor& cursor, std::vector<uint32_t>& positions) {
  positions.clear();
  if (cursor.block() != block_ || cursor.position() < next_) {
    block_ = cursor.block();
    next_ = 0;
    at_ = cursor.block_positions(block_);
  }
  uint64_t skipped = 0;
  for (; next_ < cursor.position(); ++next_) skipped += cursor.block_tfs()[next_];
  for (; skipped > 0 && at_ < positions_.size(); ++at_) {
    skipped -= static_cast<unsigned char>(positions_[at_]) < 0x80 ? 1 : 0;
  }
  const uint32_t count = cursor.block_tfs()[next_];
  if (skipped > 0 || at_ > positions_.size() || count > positions_.size() - at_) return false;
  ByteReader reader(positions_.substr(at_));
  uint64_t position = 0;
  for (uint32_t i = 0; i < count; ++i) {
    position += reader.varint();
    positions.push_back(static_cast<uint32_t>(position));
  }
  ++next_;
  at_ = positions_.size() - reader.left();
  return !reader.failed() && position <= UINT32_MAX;
}

Status check_impacts(const PostingList& list, uint32_t row_limit, std::string_view length_codes) {
  HR_ASSIGN(ListCursor cursor, ListCursor::open(list, row_limit));
  if (!cursor.has_impacts()) return {};
  const auto covered = [](std::span<const Impact> impacts, uint32_t tf, uint8_t code) {
    return std::ranges::any_of(impacts, [&](Impact impact) {
      return impact.tf >= std::min<uint32_t>(tf, 255) && impact.length_code <= code;
    });
  };
  const auto list_impacts = cursor.list_impacts();
  for (; cursor.load_block(); cursor.next_block()) {
    const auto impacts = cursor.block_impacts(cursor.block());
    if (cursor.block_rows()[cursor.block_size() - 1] != cursor.block_last_row(cursor.block())) {
      return std::unexpected<Error>(damaged_postings("a block's last row is wrong"));
    }
    for (uint32_t i = 0; i < cursor.block_size(); ++i) {
      const auto code = static_cast<uint8_t>(length_codes[cursor.block_rows()[i]]);
      if (!covered(impacts, cursor.block_tfs()[i], code) ||
          !covered(list_impacts, cursor.block_tfs()[i], code)) {
        return std::unexpected<Error>(damaged_postings("impacts do not cover their block"));
      }
    }
  }
  return {};
}

}  // namespace headrace::index
