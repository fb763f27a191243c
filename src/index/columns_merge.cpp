// Merging columns without holding their values: what a column needs to know of all of them is
// gathered in a first pass, then each part is written as it is read.
#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <queue>
#include <tuple>
#include <type_traits>

#include "index/columns.h"
#include "index/columns_writer.h"

namespace headrace::index {
namespace {

struct Source {
  const ColumnView* column = nullptr;
  NumberMap row_map;
};

std::unexpected<Error> damaged(const ColumnView& column) {
  return fail(ErrorCode::damaged,
              "the column '" + std::string(column.name) + "' of a segment is damaged",
              "run verify to see what is affected, then repair");
}

// The texts of all sources that are in use, in order and each once.
class MergedDictionary {
 public:
  explicit MergedDictionary(std::span<const Source> sources) : sources_(sources) {
    for (const Source& source : sources) codes_.emplace_back(source.column->dictionary_count);
  }

  // False when there is no such code.
  bool use(size_t source, uint64_t code) {
    if (code >= codes_[source].size()) return false;
    codes_[source][code] = 1;
    return true;
  }

  // What is used gets its code; calls visit(text) for each text.
  template <typename Visit>
  Status number(const Visit& visit) {
    uint32_t count = 0;
    std::string_view before;
    return in_order([&](size_t source, uint32_t at) { return sources_[source].column->text(at); },
                    [&](size_t source, uint32_t at, std::string_view text) -> Status {
                      if (count > 0 && text < before) return damaged(*sources_[source].column);
                      if (count == 0 || text != before) {
                        HR_TRY(visit(text));
                        ++count;
                      }
                      before = text;
                      codes_[source][at] = count;
                      return {};
                    });
  }
  // The same once more.
  template <typename Visit>
  Status for_each_text(const Visit& visit) const {
    uint32_t count = 0;
    return in_order([&](size_t source, uint32_t at) { return codes_[source][at]; },
                    [&](size_t source, uint32_t at, uint32_t number) -> Status {
                      if (number == count) return {};
                      count = number;
                      return visit(sources_[source].column->text(at));
                    });
  }
  uint32_t code(size_t source, uint64_t code) const { return codes_[source][code] - 1; }

 private:
  // Calls visit(source, at, key) for all that are used, by key(source, at), which rises with `at`.
  template <typename Key, typename Visit>
  Status in_order(const Key& key, const Visit& visit) const {
    using Entry = std::tuple<std::invoke_result_t<Key, size_t, uint32_t>, size_t, uint32_t>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
    const auto push = [&](size_t source, uint32_t at) {
      const std::vector<uint32_t>& codes = codes_[source];
      while (at < codes.size() && codes[at] == 0) ++at;
      if (at < codes.size()) queue.emplace(key(source, at), source, at);
    };
    for (size_t source = 0; source < sources_.size(); ++source) push(source, 0);
    while (!queue.empty()) {
      const auto [value, source, at] = queue.top();
      queue.pop();
      HR_TRY(visit(source, at, value));
      push(source, at + 1);
    }
    return {};
  }

  std::span<const Source> sources_;
  std::vector<std::vector<uint32_t>> codes_;  // 0: not in use; else its code and one
};

// One column over all inputs.
class ColumnMerge {
 public:
  ColumnMerge(std::span<const Source> sources, uint32_t row_count)
      : sources_(sources), row_count_(row_count), dictionary_(sources) {}

  Status write(ColumnsWriter& out);

 private:
  Status gather();
  void write_presence(ColumnsWriter& out);
  Status write_texts(ColumnsWriter& out);
  void write_numbers(ColumnsWriter& out);

  // Calls visit(source, i, row) for each value that stays.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (size_t source = 0; source < sources_.size(); ++source) {
      const NumberMap row_map = sources_[source].row_map;
      sources_[source].column->for_each([&](uint32_t row, uint32_t i) {
        if (row_map[row] != kDroppedRow) visit(source, i, row_map[row]);
      });
    }
  }
  // Calls visit(at) for the place of a value, or for that of each item of a list.
  template <typename Visit>
  void for_each_item(size_t source, uint32_t i, const Visit& visit) const {
    const ColumnView& column = *sources_[source].column;
    if (!is_list(column.type)) return visit(i);
    const auto [begin, end] = column.list_range(i);
    for (uint64_t at = begin; at < end; ++at) visit(at);
  }
  // Calls visit(code) for each text of a value.
  template <typename Visit>
  void for_each_code(size_t source, uint32_t i, const Visit& visit) const {
    for_each_item(source, i, [&](uint64_t at) { visit(sources_[source].column->packed(at)); });
  }
  void write_list_offsets(ColumnsWriter& out) const;

  std::span<const Source> sources_;
  const uint32_t row_count_;
  MergedDictionary dictionary_;
  ColumnHead head_;
  uint32_t last_row_ = 0;
  int64_t least_ = std::numeric_limits<int64_t>::max();
  int64_t greatest_ = std::numeric_limits<int64_t>::min();
};

Status ColumnMerge::gather() {
  const ColumnView* wrong = nullptr;
  bool in_order = true;
  for_each([&](size_t source, uint32_t i, uint32_t row) {
    const ColumnView& column = *sources_[source].column;
    in_order = in_order && (head_.value_count == 0 || row > last_row_);
    last_row_ = row;
    ++head_.value_count;
    if (item_type(column.type) == ColumnType::integer) {
      for_each_item(source, i, [&](uint64_t at) {
        least_ = std::min(least_, column.integer(at));
        greatest_ = std::max(greatest_, column.integer(at));
      });
    } else if (is_text(column.type)) {
      for_each_code(source, i, [&](uint64_t code) {
        if (!dictionary_.use(source, code)) wrong = &column;
      });
    }
  });
  if (wrong != nullptr) return damaged(*wrong);
  if (!in_order) return fail(ErrorCode::internal, "rows of a merge are not in ascending order");
  return {};
}

void ColumnMerge::write_presence(ColumnsWriter& out) {
  head_.presence = presence_for(head_.value_count, last_row_, row_count_);
  if (head_.presence == Presence::bitmap) {
    std::vector<uint64_t> words((uint64_t{row_count_} + 63) / 64);
    for_each([&](size_t, uint32_t, uint32_t row) { words[row / 64] |= uint64_t{1} << (row % 64); });
    return out.presence(words);
  }
  if (head_.presence == Presence::listed)
    for_each([&](size_t, uint32_t, uint32_t row) { out.number(row); });
  out.end_part();
  out.end_part();
}

Status ColumnMerge::write_texts(ColumnsWriter& out) {
  uint64_t bytes = 0;
  HR_TRY(dictionary_.number([&](std::string_view text) -> Status {
    out.number(static_cast<uint32_t>(bytes));
    bytes += text.size();
    ++head_.dictionary_count;
    return {};
  }));
  out.number(static_cast<uint32_t>(bytes));
  out.end_part();
  HR_TRY(dictionary_.for_each_text([&](std::string_view text) -> Status {
    out.text(text);
    return {};
  }));
  out.end_part();
  write_list_offsets(out);
  head_.bits = head_.dictionary_count == 0 ? 0 : bits_for(head_.dictionary_count - 1);
  for_each([&](size_t source, uint32_t i, uint32_t) {
    for_each_code(source, i,
                  [&](uint64_t code) { out.packed(dictionary_.code(source, code), head_.bits); });
  });
  out.end_packed();
  out.end_part();
  return {};
}

void ColumnMerge::write_list_offsets(ColumnsWriter& out) const {
  if (is_list(head_.type)) {
    uint32_t end = 0;
    out.number(end);
    for_each([&](size_t source, uint32_t i, uint32_t) {
      for_each_item(source, i, [&](uint64_t) { ++end; });
      out.number(end);
    });
  }
  out.end_part();
}

void ColumnMerge::write_numbers(ColumnsWriter& out) {
  for (int part = 0; part < 2; ++part) out.end_part();
  write_list_offsets(out);
  const ColumnType type = item_type(head_.type);
  if (type == ColumnType::number) {
    head_.bits = 64;
    for_each([&](size_t source, uint32_t i, uint32_t) {
      for_each_item(source, i,
                    [&](uint64_t at) { out.number(sources_[source].column->number(at)); });
    });
    return out.end_part();
  }
  const bool is_integer = type == ColumnType::integer;
  if (least_ > greatest_) least_ = greatest_ = 0;  // lists without items
  const auto least = static_cast<uint64_t>(is_integer ? least_ : 0);
  head_.bits = is_integer ? bits_for(static_cast<uint64_t>(greatest_) - least) : 1;
  if (is_integer) out.number(least);
  for_each([&](size_t source, uint32_t i, uint32_t) {
    const ColumnView& column = *sources_[source].column;
    for_each_item(source, i, [&](uint64_t at) {
      out.packed(
          is_integer ? static_cast<uint64_t>(column.integer(at)) - least : column.boolean(at),
          head_.bits);
    });
  });
  out.end_packed();
  out.end_part();
}

Status ColumnMerge::write(ColumnsWriter& out) {
  const ColumnView& first = *sources_.front().column;
  head_ = {.kind = first.kind, .type = first.type, .name = first.name};
  HR_TRY(gather());
  if (head_.value_count == 0) return {};
  write_presence(out);
  if (is_text(head_.type)) {
    HR_TRY(write_texts(out));
  } else {
    write_numbers(out);
  }
  return out.end_column(head_);
}

}  // namespace

Status merge_columns(std::span<const MergeInput<Columns>> inputs, SectionSink& out) {
  uint64_t row_count = 0;
  std::map<std::tuple<ColumnKind, std::string_view, ColumnType>, std::vector<Source>> columns;
  for (const auto& input : inputs) {
    const Columns::State& state = input.part->state();
    if (state.row_count > input.row_map.size()) {
      return fail(ErrorCode::damaged, "the columns have more rows than their segment",
                  "run verify to see what is affected");
    }
    for (uint32_t row = 0; row < state.row_count; ++row) {
      if (input.row_map[row] != kDroppedRow) {
        row_count = std::max(row_count, uint64_t{input.row_map[row]} + 1);
      }
    }
    for (const ColumnView& column : state.columns) {
      columns[{column.kind, column.name, column.type}].push_back({&column, input.row_map});
    }
  }
  ColumnsWriter writer(out, static_cast<uint32_t>(row_count));
  for (const auto& [key, sources] : columns) {
    HR_TRY(ColumnMerge(sources, static_cast<uint32_t>(row_count)).write(writer));
  }
  return writer.finish();
}

}  // namespace headrace::index
