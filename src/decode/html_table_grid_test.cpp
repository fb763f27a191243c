#include "decode/html_table_grid.h"

#include <gtest/gtest.h>

#include <string>

namespace headrace {
namespace {

// A table of cells, each "columns x rows", laid out: for each row the columns of its cells, and in
// brackets those that cells from above cover.
class Layout {
 public:
  explicit Layout(size_t budget = 1000) : grid_(budget) {}

  void row() {
    end();
    grid_.begin_row();
    open_ = true;
  }
  void group() {
    end();
    grid_.begin_group();
    text_ += "-";
  }
  void cell(uint32_t columns = 1, uint32_t rows = 1) {
    const HtmlTableGrid::Place place = grid_.place(columns, rows, cells_++);
    add(place.passed);
    text_ += std::to_string(place.column) + " ";
  }
  const std::string& text() {
    end();
    return text_;
  }

 private:
  void add(std::span<const HtmlTableGrid::Covering> passed) {
    for (const auto& covering : passed)
      text_ += "(" + std::to_string(covering.cell) + "@" + std::to_string(covering.column) + ") ";
  }
  void end() {
    if (!open_) return;
    add(grid_.end_row());
    text_ += "/";
    open_ = false;
  }

  HtmlTableGrid grid_;
  std::string text_;
  uint32_t cells_ = 0;
  bool open_ = false;
};

TEST(HtmlTableGrid, CellsTakeTheFirstFreeColumn) {
  Layout layout;
  layout.row();
  layout.cell(1, 2);  // 0
  layout.cell(2, 1);  // 1
  layout.cell(1, 3);  // 2
  layout.row();
  layout.cell();
  layout.cell();
  layout.row();
  layout.cell();
  layout.row();
  layout.cell();
  EXPECT_EQ(layout.text(), "0 1 3 /(0@0) 1 2 (2@3) /0 (2@3) /0 /");
}

TEST(HtmlTableGrid, SpansEndWithTheirRowGroup) {
  Layout layout;
  layout.row();
  layout.cell(1, kToGroupEnd);
  layout.cell(1, kHtmlRowSpanMax);
  layout.row();
  layout.row();
  layout.cell();
  layout.group();
  layout.row();
  layout.cell();
  EXPECT_EQ(layout.text(), "0 1 /(0@0) (1@1) /(0@0) (1@1) 2 /-0 /");
}

TEST(HtmlTableGrid, WhereCellsOverlapTheRowsOwnComesFirst) {
  Layout layout;
  layout.row();
  layout.cell();
  layout.cell(1, 2);
  layout.row();
  layout.cell(3);
  layout.cell();
  EXPECT_EQ(layout.text(), "0 1 /0 3 /");
}

TEST(HtmlTableGrid, BeyondTheBudgetNothingSpans) {
  Layout layout(3);
  layout.row();
  layout.cell(1000, kHtmlRowSpanMax);  // more than is left
  layout.cell(3, kHtmlRowSpanMax);
  layout.row();
  layout.cell();
  EXPECT_EQ(layout.text(), "0 1 /0 /");
}

}  // namespace
}  // namespace headrace
