#include "decode/html_table_grid.h"

#include <algorithm>

namespace headrace {

void HtmlTableGrid::begin_group() {
  growing_.clear();
  begun_.clear();
}

void HtmlTableGrid::begin_row() {
  std::erase_if(growing_, [](const Growing& cell) { return cell.rows_left == 0; });
  if (!begun_.empty()) {
    const auto middle = static_cast<ptrdiff_t>(growing_.size());
    growing_.insert(growing_.end(), begun_.begin(), begun_.end());
    std::inplace_merge(growing_.begin(), growing_.begin() + middle, growing_.end(),
                       [](const Growing& a, const Growing& b) { return a.column < b.column; });
    begun_.clear();
  }
  size_t covered = 0;
  for (const Growing& cell : growing_) covered += cell.columns;
  if (covered > budget_) growing_.clear();
  if (!growing_.empty()) budget_ -= covered;
  for (Growing& cell : growing_) {
    if (cell.rows_left != std::numeric_limits<uint32_t>::max()) --cell.rows_left;
  }
  next_ = 0;
  next_column_ = 0;
}

void HtmlTableGrid::pass(uint32_t column) {
  passed_.clear();
  for (; next_ < growing_.size() && growing_[next_].column < column; ++next_) {
    // Where cells overlap, the row's own comes first.
    if (growing_[next_].column >= next_column_)
      passed_.push_back({growing_[next_].column, growing_[next_].cell});
  }
}

HtmlTableGrid::Place HtmlTableGrid::place(uint32_t columns, uint32_t rows, uint32_t cell) {
  columns = std::clamp(columns, 1u, kHtmlColumnSpanMax);
  if (columns - 1 > budget_) columns = 1;
  budget_ -= columns - 1;
  uint32_t column = next_column_;
  for (size_t i = next_; i < growing_.size() && growing_[i].column <= column; ++i)
    column = std::max(column, growing_[i].column + growing_[i].columns);
  pass(column);
  next_column_ = column + columns;
  if (rows != 1) {
    const uint32_t left = rows == kToGroupEnd ? std::numeric_limits<uint32_t>::max()
                                              : std::min(rows, kHtmlRowSpanMax) - 1;
    begun_.push_back({column, columns, left, cell});
  }
  return {column, passed_};
}

std::span<const HtmlTableGrid::Covering> HtmlTableGrid::end_row() {
  pass(std::numeric_limits<uint32_t>::max());
  return passed_;
}

}  // namespace headrace
