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
  std::vector<uint64_t> numbers;  // booleans, integers and numbers, as bits
  std::vector<uint32_t> codes;    // of texts, and of the elements of lists
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
  uint64_t memory_bytes() const;
};

class ColumnsWriter {
 public:
  ColumnsWriter(SectionSink& out, uint32_t row_count) : out_(out), row_count_(row_count) {}
  // In order of (kind, name, type). Columns without values are left out.
  Status add(const ColumnValues& column);
  Status finish();

 private:
  Status begin();

  SectionSink& out_;
  uint32_t row_count_;
  uint64_t offset_ = 0;
  uint32_t column_count_ = 0;
  std::string directory_;
};

}  // namespace headrace::index
