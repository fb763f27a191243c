#include "batch/column.h"

#include <string_view>
#include <utility>

#include "base/check.h"

namespace headrace {

namespace {

size_t value_bytes(ColumnType type) {
  switch (type) {
    case ColumnType::int32:
    case ColumnType::float32:
      return 4;
    case ColumnType::int64:
    case ColumnType::float64:
      return 8;
    default:
      return 0;
  }
}

bool has_offsets(ColumnType type) {
  return type == ColumnType::utf8 || type == ColumnType::binary || type == ColumnType::list;
}

}  // namespace

ColumnBuilder::ColumnBuilder(const Field& field) : field_(field) {
  if (has_offsets(field.type)) column_.offsets.push_back(0);
  for (const Field& child_field : field.children) children_.emplace_back(child_field);
}

void ColumnBuilder::mark(bool valid) {
  const auto row = static_cast<size_t>(column_.length++);
  if (!valid && column_.null_count++ == 0) column_.validity.assign(row / 8 + 1, 0xFF);
  if (column_.null_count == 0) return;
  if (row / 8 >= column_.validity.size()) column_.validity.push_back(0xFF);
  if (!valid) column_.validity[row / 8] &= static_cast<uint8_t>(~(1U << (row % 8)));
}

void ColumnBuilder::add_null() {
  HR_CHECK(field_.nullable, "a null in a column that has none");
  column_.data.resize(column_.data.size() + value_bytes(field_.type));
  if (has_offsets(field_.type)) column_.offsets.push_back(column_.offsets.back());
  if (field_.type == ColumnType::fixed_list) {
    for (int32_t i = 0; i < field_.list_size; ++i) children_.front().add_number(0.0F);
  }
  mark(false);
}

void ColumnBuilder::add_text(std::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  column_.data.insert(column_.data.end(), bytes, bytes + text.size());
  HR_CHECK(column_.data.size() <= INT32_MAX, "more than 2 GiB of text in one batch");
  column_.offsets.push_back(static_cast<int32_t>(column_.data.size()));
  mark(true);
}

void ColumnBuilder::end_list() {
  if (field_.type == ColumnType::list) {
    column_.offsets.push_back(static_cast<int32_t>(children_.front().length()));
  } else {
    HR_CHECK(children_.front().length() == (column_.length + 1) * field_.list_size,
             "a list of fixed size with another number of items");
  }
  mark(true);
}

Column ColumnBuilder::finish() {
  for (ColumnBuilder& built : children_) column_.children.push_back(built.finish());
  Column finished = std::move(column_);
  const Field field = field_;
  *this = ColumnBuilder(field);
  return finished;
}

}  // namespace headrace
