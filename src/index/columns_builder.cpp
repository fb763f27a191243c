#include <algorithm>
#include <bit>
#include <map>
#include <tuple>

#include "base/check.h"
#include "index/columns.h"
#include "index/columns_writer.h"

namespace headrace::index {

struct ColumnsBuilder::State {
  std::map<std::tuple<ColumnKind, std::string, ColumnType>, ColumnValues, std::less<>> columns;
  uint64_t row_count = 0;

  ColumnValues& column(ColumnKind kind, std::string_view name, ColumnType type) {
    const auto found = columns.find(std::tuple(kind, name, type));
    if (found != columns.end()) return found->second;
    ColumnValues& added = columns[std::tuple(kind, std::string(name), type)];
    added.kind = kind;
    added.type = type;
    added.name = name;
    return added;
  }
  void add_text(uint32_t row, std::string_view name, std::string_view text) {
    if (text.empty()) return;
    column(ColumnKind::builtin, name, ColumnType::text).add_text(row, text);
  }
  void add_number(uint32_t row, std::string_view name, std::optional<double> number) {
    if (!number) return;
    column(ColumnKind::builtin, name, ColumnType::number)
        .add_number(row, std::bit_cast<uint64_t>(*number));
  }
  void add_metadata(uint32_t row, const std::string& name, const Value& value);
};

void ColumnsBuilder::State::add_metadata(uint32_t row, const std::string& name,
                                         const Value& value) {
  constexpr auto kind = ColumnKind::metadata;
  if (const auto* boolean = std::get_if<bool>(&value)) {
    column(kind, name, ColumnType::boolean).add_number(row, *boolean ? 1 : 0);
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    column(kind, name, ColumnType::integer).add_number(row, static_cast<uint64_t>(*integer));
  } else if (const auto* number = std::get_if<double>(&value)) {
    column(kind, name, ColumnType::number).add_number(row, std::bit_cast<uint64_t>(*number));
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    column(kind, name, ColumnType::text).add_text(row, *text);
  } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    ColumnValues& values = column(kind, name, ColumnType::text_list);
    values.rows.push_back(row);
    for (const std::string& element : *list) values.codes.push_back(values.texts.intern(element));
    values.list_ends.push_back(static_cast<uint32_t>(values.codes.size()));
  } else if (const auto* integers = std::get_if<std::vector<int64_t>>(&value)) {
    ColumnValues& values = column(kind, name, ColumnType::integer_list);
    for (const int64_t item : *integers) values.numbers.push_back(static_cast<uint64_t>(item));
    values.end_list(row);
  } else if (const auto* reals = std::get_if<std::vector<double>>(&value)) {
    ColumnValues& values = column(kind, name, ColumnType::number_list);
    for (const double item : *reals) values.numbers.push_back(std::bit_cast<uint64_t>(item));
    values.end_list(row);
  } else if (const auto* flags = std::get_if<std::vector<bool>>(&value)) {
    ColumnValues& values = column(kind, name, ColumnType::boolean_list);
    for (const bool item : *flags) values.numbers.push_back(item ? 1 : 0);
    values.end_list(row);
  }
}

ColumnsBuilder::ColumnsBuilder() : state_(std::make_unique<State>()) {}
ColumnsBuilder::~ColumnsBuilder() = default;
ColumnsBuilder::ColumnsBuilder(ColumnsBuilder&&) noexcept = default;

void ColumnsBuilder::add(uint32_t row, const Row& data) {
  State& state = *state_;
  HR_CHECK(row >= state.row_count, "rows must be added in ascending order");
  state.row_count = uint64_t{row} + 1;
  state.add_text(row, "source", data.source);
  state.add_text(row, "title", data.title);
  state.add_text(row, "heading", data.heading);
  state.add_text(row, "modality", data.modality);
  state.add_text(row, "via", data.via);
  state.add_number(row, "start", data.start_s);
  state.add_number(row, "end", data.end_s);
  constexpr auto builtin = ColumnKind::builtin;
  state.column(builtin, "position", ColumnType::integer).add_number(row, data.position);
  if (data.page > 0) {
    state.column(builtin, "page", ColumnType::integer)
        .add_number(row, static_cast<uint64_t>(data.page));
  }
  for (const auto& [name, value] : data.metadata) state.add_metadata(row, name, value);
}

uint64_t ColumnsBuilder::memory_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [key, column] : state_->columns) bytes += 2 * 64 + column.memory_bytes();
  return bytes;
}

Status ColumnsBuilder::finish(SectionSink& out) {
  ColumnsWriter writer(out, static_cast<uint32_t>(state_->row_count));
  for (const auto& [key, column] : state_->columns) HR_TRY(writer.add(column));
  return writer.finish();
}

}  // namespace headrace::index
