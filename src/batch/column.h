// Column and Batch: data in Arrow's memory layout, owned by plain vectors.
//
// Owns: its buffers. Threads: a value. Errors: none; a Batch whose columns differ in length is a
// bug and checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headrace {

enum class ColumnType : uint8_t {
  utf8,
  binary,
  int32,
  int64,
  float32,
  float64,
  list,        // of children[0], int32 offsets
  fixed_list,  // of children[0], `list_size` items a row
};

struct Field {
  std::string name;
  ColumnType type = ColumnType::utf8;
  bool nullable = false;
  int32_t list_size = 0;        // fixed_list
  std::vector<Field> children;  // list, fixed_list: one
};

struct Column {
  int64_t length = 0;
  int64_t null_count = 0;
  std::vector<uint8_t> validity;  // bits, lowest first; empty: nothing is null
  std::vector<int32_t> offsets;   // utf8, binary, list: length + 1
  std::vector<uint8_t> data;      // values, or the bytes of strings
  std::vector<Column> children;
};

struct Batch {
  int64_t length = 0;
  std::vector<Field> fields;
  std::vector<Column> columns;
};

// Appends to one column; knows nothing of other columns.
class ColumnBuilder {
 public:
  explicit ColumnBuilder(const Field& field);
  void add_null();
  void add_text(std::string_view text);  // utf8, binary
  template <typename T>
  void add_number(T value) {  // int32, int64, float32, float64: T must be its type
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    column_.data.insert(column_.data.end(), bytes, bytes + sizeof(T));
    mark(true);
  }
  // list, fixed_list: add the items to child() first, then close the row.
  ColumnBuilder& child() { return children_.front(); }
  void end_list();
  Column finish();
  int64_t length() const { return column_.length; }

 private:
  void mark(bool valid);
  Field field_;
  Column column_;
  std::vector<ColumnBuilder> children_;
};

}  // namespace headrace
