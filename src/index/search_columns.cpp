#include "index/search_columns.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "index/column_reader.h"

namespace headrace::index {
namespace {

template <typename Visit>
void for_each_row(std::span<const uint64_t> rows, Visit&& visit) {
  for (size_t word = 0; word < rows.size(); ++word) {
    for (uint64_t bits = rows[word]; bits != 0; bits &= bits - 1) {
      visit(static_cast<uint32_t>(word * 64 + static_cast<size_t>(std::countr_zero(bits))));
    }
  }
}

bool is_set(std::span<const uint64_t> rows, uint32_t row) {
  return row / 64 < rows.size() && ((rows[row / 64] >> (row % 64)) & 1) != 0;
}

struct SortedRow {
  std::optional<CellValue> value;
  uint32_t segment = 0;
  uint32_t row = 0;
};

struct CellLess {
  bool operator()(const CellValue& a, const CellValue& b) const { return compare_cells(a, b) < 0; }
};

using Counts = std::map<CellValue, uint64_t, CellLess>;

// Each item of a list of numbers counts once for its row.
void count_items(const ColumnView& view, std::span<const uint64_t> rows, Counts& counts) {
  std::set<CellValue, CellLess> seen;
  view.for_each([&](uint32_t row, uint32_t i) {
    if (!is_set(rows, row)) return;
    seen.clear();
    const auto [begin, end] = view.list_range(i);
    for (uint64_t at = begin; at < end; ++at) {
      const CellValue cell = cell_of(view, at);
      const auto* number = std::get_if<double>(&cell);
      if (number == nullptr || !std::isnan(*number)) seen.insert(cell);
    }
    for (const CellValue& cell : seen) ++counts[cell];
  });
}

}  // namespace

Result<std::vector<ScoredRow>> sort_rows(std::span<const SegmentView> segments,
                                         std::span<const std::vector<uint64_t>> found,
                                         std::string_view column, bool descending, size_t depth) {
  HR_ASSIGN(const ColumnReader reader, ColumnReader::open(segments, column));
  if (reader.has_lists()) {
    return fail(ErrorCode::invalid_argument,
                "the column '" + std::string(column) + "' holds lists, which have no order",
                "sort by a column of texts, numbers or times");
  }
  const auto before = [&](const SortedRow& a, const SortedRow& b) {
    if (a.value.has_value() != b.value.has_value()) return a.value.has_value();
    if (a.value) {
      const auto order = compare_cells(*a.value, *b.value);
      if (order != 0) return descending ? order > 0 : order < 0;
    }
    return a.segment != b.segment ? a.segment < b.segment : a.row < b.row;
  };
  std::vector<SortedRow> first;  // a heap, the last of them in front
  for (uint32_t segment = 0; segment < found.size(); ++segment) {
    for_each_row(found[segment], [&](uint32_t row) {
      SortedRow candidate{reader.value(segment, row), segment, row};
      if (first.size() < depth) {
        first.push_back(candidate);
        std::ranges::push_heap(first, before);
      } else if (depth > 0 && before(candidate, first.front())) {
        std::ranges::pop_heap(first, before);
        first.back() = candidate;
        std::ranges::push_heap(first, before);
      }
    });
  }
  std::ranges::sort_heap(first, before);
  std::vector<ScoredRow> rows;
  for (const SortedRow& row : first) rows.push_back({row.segment, row.row, 0});
  return rows;
}

Result<FacetCounts> count_values(std::span<const SegmentView> segments,
                                 std::span<const std::vector<uint64_t>> found,
                                 std::string_view column, uint32_t values_max) {
  HR_ASSIGN(const ColumnReader reader, ColumnReader::open(segments, column));
  FacetCounts facet;
  facet.column = column;
  Counts counts;
  for (uint32_t segment = 0; segment < found.size(); ++segment) {
    const std::span<const uint64_t> rows = found[segment];
    for (const uint64_t word : rows) facet.rows += static_cast<uint64_t>(std::popcount(word));
    for (const ColumnView& view : reader.views(segment)) {
      if (is_text(view.type)) {
        std::vector<uint64_t> of_code(view.dictionary_count);
        std::vector<uint64_t> seen;  // codes of one list: each counts once
        view.for_each([&](uint32_t row, uint32_t i) {
          if (!is_set(rows, row)) return;
          if (view.type == ColumnType::text) {
            if (const uint64_t code = view.packed(i); code < of_code.size()) ++of_code[code];
            return;
          }
          seen.clear();
          const auto [begin, end] = view.list_range(i);
          for (uint64_t at = begin; at < end; ++at) seen.push_back(view.packed(at));
          std::ranges::sort(seen);
          const auto repeated = std::ranges::unique(seen);
          seen.erase(repeated.begin(), repeated.end());
          for (const uint64_t code : seen) {
            if (code < of_code.size()) ++of_code[code];
          }
        });
        for (uint64_t code = 0; code < of_code.size(); ++code) {
          if (of_code[code] > 0) counts[view.text(code)] += of_code[code];
        }
        continue;
      }
      if (is_list(view.type)) {
        count_items(view, rows, counts);
        continue;
      }
      view.for_each([&](uint32_t row, uint32_t i) {
        if (!is_set(rows, row)) return;
        const CellValue cell = cell_of(view, i);
        const auto* number = std::get_if<double>(&cell);
        if (number == nullptr || !std::isnan(*number)) ++counts[cell];
      });
    }
  }
  facet.distinct = counts.size();
  std::vector<std::pair<CellValue, uint64_t>> order(counts.begin(), counts.end());
  std::ranges::stable_sort(order, [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [cell, rows] : order) {
    if (facet.values.size() == values_max) break;
    facet.values.push_back({to_value(cell), rows});
  }
  return facet;
}

}  // namespace headrace::index
