// Gathers the values of columns and writes the section "columns". Shared by the builder, which
// fills all columns side by side, and the merge, which fills one at a time.
//
// Owns: the values of the columns gathered. Threads: one at a time. Errors: those of the sink.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/columns_state.h"
#include "index/section.h"

namespace headrace::index {

// Unique texts with numbers in order of arrival.
class TextInterner {
 public:
  uint32_t intern(std::string_view text);
  std::string_view text(uint32_t id) const {
    return {bytes_.data() + offsets_[id], offsets_[id + 1] - offsets_[id]};
  }
  uint32_t count() const { return static_cast<uint32_t>(offsets_.size() - 1); }
  uint64_t memory_bytes() const;

 private:
  void grow();

  std::string bytes_;
  std::vector<uint64_t> offsets_ = {0};
  std::vector<uint32_t> slots_;  // id + 1
  uint32_t last_ = 0;            // rows of one document repeat its texts
};

// All values of one (kind, name, type).
struct ColumnValues {
  ColumnKind kind = ColumnKind::builtin;
  ColumnType type = ColumnType::text;
  std::string name;
  std::vector<uint32_t> rows;
  std::vector<uint64_t> numbers;  // booleans, integers and numbers, as bits; also of lists
  std::vector<uint32_t> codes;    // of texts, and of the items of lists of them
  std::vector<uint32_t> list_ends;
  TextInterner texts;

  void add_number(uint32_t row, uint64_t bits) {
    rows.push_back(row);
    numbers.push_back(bits);
  }
  void add_text(uint32_t row, std::string_view text) {
    rows.push_back(row);
    codes.push_back(texts.intern(text));
  }
  // The numbers of a list are there.
  void end_list(uint32_t row) {
    rows.push_back(row);
    list_ends.push_back(static_cast<uint32_t>(numbers.size()));
  }
  uint64_t memory_bytes() const;
};

// How the rows that have values are written, the last of which is `last_row`.
Presence presence_for(uint32_t value_count, uint32_t last_row, uint32_t row_count);
// For numbers from 0 to `greatest`.
uint8_t bits_for(uint64_t greatest);

// A column is written as its parts, in the order of the format, each closed by end_part(), and
// then its head.
class ColumnsWriter {
 public:
  ColumnsWriter(SectionSink& out, uint32_t row_count);
  // In order of (kind, name, type). Columns without values are left out.
  Status add(const ColumnValues& column);
  Status finish();

  template <typename Number>
  void number(Number value) {
    put(buffer_, value);
    flush_if_full();
  }
  void text(std::string_view text) {
    buffer_ += text;
    flush_if_full();
  }
  // One after the other, without gaps, up to end_packed(). A value has no other bits than those.
  void packed(uint64_t value, uint32_t bits);
  void end_packed();
  // The presence and its directory.
  void presence(const std::vector<uint64_t>& words);
  void end_part();
  Status end_column(const ColumnHead& head);

 private:
  static constexpr size_t kBufferBytes = 64 << 10;
  static constexpr size_t kColumnParts = 6;
  static constexpr size_t kDictionaryPart = 3;
  void flush();
  void flush_if_full() {
    if (buffer_.size() >= kBufferBytes) flush();
  }
  void add_texts(const ColumnValues& column, ColumnHead& head);
  void add_numbers(const ColumnValues& column, ColumnHead& head);

  SectionSink& out_;
  uint32_t row_count_;
  std::string buffer_;
  Status status_;         // of the sink: once it failed nothing more is written
  uint64_t flushed_ = 0;  // bytes before the buffer
  uint64_t part_begin_ = 0;
  std::vector<uint64_t> part_bytes_;
  uint64_t packing_ = 0;
  uint32_t packing_bits_ = 0;
  uint32_t column_count_ = 0;
  uint32_t features_ = 0;
  std::string directory_;
};

}  // namespace headrace::index
