#include "index/filter_evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "index/column_reader.h"
#include "index/columns_state.h"
#include "index/filter_match.h"
#include "index/filter_node.h"

namespace headrace::index {
namespace {

using Node = Filter::Node;

// Smaller segments are evaluated in less time than it takes to look an answer up.
constexpr uint32_t kCachedRowsMin = 512;

class Evaluation {
 public:
  explicit Evaluation(std::span<const Columns* const> segments) : segments_(segments) {}

  // Whether every condition makes sense somewhere.
  Status check(const Node& node) const {
    if (node.kind == Node::Kind::condition) return check_types(node.condition);
    for (const Node& child : node.children) HR_TRY(check(child));
    return {};
  }

  static RowBitmap run(const Node& node, const Columns::State& columns) {
    if (node.kind == Node::Kind::condition) return run(node.condition, columns);
    RowBitmap rows = run(node.children[0], columns);
    for (size_t child = 1; child < node.children.size(); ++child) {
      const RowBitmap more = run(node.children[child], columns);
      std::vector<uint64_t>& words = rows.words();
      for (size_t i = 0; i < words.size(); ++i) {
        if (node.kind == Node::Kind::all_of) {
          words[i] &= more.words()[i];
        } else {
          words[i] |= more.words()[i];
        }
      }
    }
    return rows;
  }

 private:
  static RowBitmap run(const Condition& condition, const Columns::State& columns) {
    RowBitmap rows(columns.row_count);
    if (condition.op == FilterOp::is_null) {
      nulls(columns, condition, rows);
    } else if (condition.column == "key") {
      match_keys(columns, condition, rows);
    } else {
      matches(columns, condition, rows);
    }
    return rows;
  }

  static void matches(const Columns::State& columns, const Condition& condition, RowBitmap& rows) {
    const std::span<const ColumnView> types = columns.find(condition.column);
    for (const ColumnView& column : types) match_column(column, condition, rows);
    if (!is_shown_empty(condition.column) || !matches_empty_text(condition)) return;
    const RowBitmap there = present(columns, types);
    for (uint32_t row = 0; row < columns.row_count; ++row) {
      if (!there.test(row)) rows.set(row);
    }
  }

  // What hits show as "" where there is none, and filters compare so.
  static bool is_shown_empty(std::string_view column) {
    return column == "title" || column == "heading";
  }

  static RowBitmap present(const Columns::State& columns, std::span<const ColumnView> types) {
    RowBitmap rows(columns.row_count);
    for (const ColumnView& column : types) {
      column.for_each([&](uint32_t row, uint32_t) { rows.set(row); });
    }
    return rows;
  }

  static void nulls(const Columns::State& columns, const Condition& condition, RowBitmap& rows) {
    RowBitmap there = present(columns, columns.find(condition.column));
    for (uint32_t row = 0; row < columns.row_count; ++row) {
      if ((condition.column == "key" || there.test(row)) == condition.negated) rows.set(row);
    }
  }

  // An error when some segment has the column, but none in a type that the condition can be about.
  Status check_types(const Condition& condition) const {
    HR_TRY(check_is_column(condition));
    if (condition.op == FilterOp::is_null) return {};
    std::optional<ColumnType> found;
    if (condition.column == "key") {
      if (condition_applies(condition, ColumnType::text)) return {};
      found = ColumnType::text;
    }
    for (const Columns* segment : segments_) {
      for (const ColumnView& column : segment->state().find(condition.column)) {
        if (condition_applies(condition, column.type)) return {};
        found = column.type;
      }
    }
    if (!found) return {};
    const bool ranged = literal_fits(condition.values[0], *found);
    const std::string hint = ranged ? "lists and booleans have no order; use =, in or contains"
                             : is_text(*found) ? "put texts in single quotes, such as '5'"
                             : *found == ColumnType::boolean ? "compare it with true or false"
                                                             : "write numbers without quotes";
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("filter: the column '{}' at character {} holds {}, but is compared with "
                    "{}",
                    condition.column, condition.position, column_type_name(*found),
                    literal_name(condition.values[0])),
        hint);
  }

  // Hits show more than filters can ask for: that is said, or it would look as if nothing matched.
  Status check_is_column(const Condition& condition) const {
    constexpr std::array<std::string_view, 4> kShownAlone = {"text", "span", "byte_span",
                                                             "metadata"};
    const std::string_view name = condition.column;
    if (std::ranges::find(kShownAlone, name) == kShownAlone.end()) return {};
    if (std::ranges::any_of(segments_, [&](const Columns* segment) {
          return !segment->state().find(name).empty();
        }))
      return {};
    return fail(ErrorCode::invalid_argument,
                fmt::format("filter: '{}' at character {} is no column", name, condition.position),
                name == "text" ? "search for its words: \"exact phrase\", +must, -not"
                : name == "metadata"
                    ? "name a field: lang = 'de', or metadata.lang = 'de'"
                    : "columns are source, title, heading, modality, via, page, start, end, "
                      "position, key and every field of metadata");
  }

  std::span<const Columns* const> segments_;
};

}  // namespace

Result<std::vector<RowBitmap>> evaluate_filter(const Node& root,
                                               std::span<const Columns* const> segments) {
  HR_TRY(Evaluation(segments).check(root));
  std::vector<RowBitmap> result;
  for (const Columns* segment : segments) {
    const Columns::State& columns = segment->state();
    if (const auto known = columns.filters.find(root.text)) {
      result.push_back(*known);
      continue;
    }
    result.push_back(Evaluation::run(root, columns));
    if (columns.row_count >= kCachedRowsMin) {
      columns.filters.keep(root.text, std::make_shared<const RowBitmap>(result.back()));
    }
  }
  return result;
}

}  // namespace headrace::index
