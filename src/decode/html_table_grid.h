// Where the cells of a table stand: the grid of the HTML standard's table model, laid out row by
// row. A cell takes the first column that no cell from above covers; one that spans rows covers its
// columns in the rows below, to the end of its row group at the most.
//
// Owns: the cells that go on below. Threads: one. Errors: none. Bounds: the places that are covered
// by spans, all together, are as many as the budget; after that every cell spans one row and one
// column, so that spans of thousands cost a page no more than its own size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace headrace {

inline constexpr uint32_t kHtmlColumnSpanMax = 1000;  // the standard's
inline constexpr uint32_t kHtmlRowSpanMax = 65534;
inline constexpr uint32_t kToGroupEnd = 0;  // rowspan=0

class HtmlTableGrid {
 public:
  // A cell from above that covers places of this row, from `column` on.
  struct Covering {
    uint32_t column = 0;
    uint32_t cell = 0;  // as given to place()
  };
  struct Place {
    uint32_t column = 0;
    std::span<const Covering> passed;  // what covers the columns between the cell before and it
  };

  explicit HtmlTableGrid(size_t budget) : budget_(budget) {}

  void begin_group();
  void begin_row();
  // The next cell of the row; `cell` is the caller's name for it. What is returned holds until the
  // next call.
  Place place(uint32_t columns, uint32_t rows, uint32_t cell);
  // What covers columns behind the last cell of the row.
  std::span<const Covering> end_row();
  // Whether a cell from above reaches into this row.
  bool is_covered() const { return !growing_.empty(); }

 private:
  struct Growing {
    uint32_t column;
    uint32_t columns;
    uint32_t rows_left;
    uint32_t cell;
  };
  void pass(uint32_t column);

  size_t budget_;
  std::vector<Growing> growing_;  // of the rows above, by column
  std::vector<Growing> begun_;    // in this row
  std::vector<Covering> passed_;
  size_t next_ = 0;           // in growing_: the first not passed
  uint32_t next_column_ = 0;  // behind the last cell of the row
};

}  // namespace headrace
