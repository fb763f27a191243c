// An opened section "columns": its typed columns and how their values are read in place. Every
// accessor is safe on damaged bytes: what lies outside reads as nothing.
//
// Owns: views into the section, which outlives it. Threads: const and safe. Errors: damaged at
// open.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/columns.h"
#include "index/filter_cache.h"
#include "index/section_bytes.h"

namespace headrace::index {

inline constexpr uint32_t kColumnsMagic = 0x4F435248;  // "HRCO"
inline constexpr uint32_t kColumnsVersion = 1;
inline constexpr size_t kColumnsHeadBytes = 8;
inline constexpr size_t kColumnsTrailerBytes = 40;
inline constexpr size_t kPackedPadding = 8;
inline constexpr uint32_t kRowsPerRank = 512;

enum class ColumnKind : uint8_t { builtin, metadata };
enum class ColumnType : uint8_t {
  boolean,
  integer,
  number,
  text,
  text_list,
  integer_list,
  number_list,
  boolean_list,
};
// A section with lists of numbers or booleans has this feature.
inline constexpr uint32_t kListsOfNumbers = 1;
enum class Presence : uint8_t { first_rows, listed, bitmap };

std::string_view column_type_name(ColumnType type);  // "text", "whole numbers", …
constexpr bool is_text(ColumnType type) {
  return type == ColumnType::text || type == ColumnType::text_list;
}
constexpr bool is_list(ColumnType type) {
  return type >= ColumnType::text_list;
}
constexpr bool is_list_of_numbers(ColumnType type) {
  return type > ColumnType::text_list;
}
// What the values, or the items of the lists, are.
constexpr ColumnType item_type(ColumnType type) {
  switch (type) {
    case ColumnType::text_list:
      return ColumnType::text;
    case ColumnType::integer_list:
      return ColumnType::integer;
    case ColumnType::number_list:
      return ColumnType::number;
    case ColumnType::boolean_list:
      return ColumnType::boolean;
    default:
      return type;
  }
}
bool is_builtin_column(std::string_view name);

inline uint64_t packed_bytes_needed(uint64_t count, uint32_t bits) {
  return (count * bits + 7) / 8 + kPackedPadding;
}

// What the directory says of a column.
struct ColumnHead {
  ColumnKind kind = ColumnKind::builtin;
  ColumnType type = ColumnType::text;
  Presence presence = Presence::first_rows;
  uint8_t bits = 0;
  std::string_view name;
  uint32_t value_count = 0;
  uint32_t dictionary_count = 0;
};

class ColumnView : public ColumnHead {
 public:
  uint32_t row_count = 0;  // of the section
  std::string_view presence_bytes, ranks, dictionary_offsets, dictionary, list_offsets, values;

  // The value that belongs to a row.
  std::optional<uint32_t> find(uint32_t row) const;

  uint64_t packed(uint64_t i) const {
    const uint64_t bit = i * bits;
    const auto word = load<uint64_t>(packed_base() + bit / 8) >> (bit % 8);
    return bits == 64 ? word : word & ((uint64_t{1} << bits) - 1);
  }
  bool boolean(uint64_t i) const { return packed(i) != 0; }
  int64_t integer(uint64_t i) const {
    return static_cast<int64_t>(load<uint64_t>(values.data()) + packed(i));
  }
  double number(uint64_t i) const { return load<double>(values.data() + size_t{i} * 8); }
  // The items of value i of a list: [first, second) for packed(), boolean(), integer(), number().
  // Empty when damaged.
  std::pair<uint64_t, uint64_t> list_range(uint32_t i) const;
  // The text of a code; empty when there is no such code.
  std::string_view text(uint64_t code) const;
  // The first code whose text is not before `text`.
  uint32_t lower_bound(std::string_view text) const;
  Value value(uint32_t i) const;

  // Calls visit(row, i) for each value in order of rows.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    switch (presence) {
      case Presence::first_rows:
        for (uint32_t i = 0; i < value_count; ++i) visit(i, i);
        return;
      case Presence::listed:
        for (uint32_t i = 0; i < value_count; ++i) {
          const auto row = load<uint32_t>(presence_bytes.data() + size_t{i} * 4);
          if (row < row_count) visit(row, i);
        }
        return;
      case Presence::bitmap: {
        uint32_t i = 0;
        for (uint32_t word = 0; word * uint64_t{64} < row_count; ++word) {
          auto rows = load<uint64_t>(presence_bytes.data() + size_t{word} * 8);
          for (; rows != 0; rows &= rows - 1) {
            const uint32_t row = word * 64 + static_cast<uint32_t>(__builtin_ctzll(rows));
            if (row < row_count && i < value_count) visit(row, i);
            ++i;
          }
        }
        return;
      }
    }
  }

 private:
  const char* packed_base() const {
    return values.data() + (item_type(type) == ColumnType::integer ? sizeof(int64_t) : 0);
  }
};

struct Columns::State {
  uint32_t row_count = 0;
  std::vector<ColumnView> columns;  // by (kind, name, type)
  mutable FilterCache filters;

  // All types of one column. A built-in name means the built-in column; metadata of the same name
  // is reached as metadata.NAME or meta.NAME.
  std::span<const ColumnView> find(std::string_view name) const;
  std::span<const ColumnView> find(ColumnKind kind, std::string_view name) const;
  // The key of a row (of its source and position); empty when they are missing.
  std::string row_key_of(uint32_t row) const;
};

}  // namespace headrace::index
