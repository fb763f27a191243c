// The tables of reStructuredText: grids drawn with "+---+", simple tables under "===  ===", and the
// nested lists of the directive list-table, each as rows of cells.
//
// Columns are counted as the format counts them (text_columns.h). Every character of a cell comes
// out in some cell, also where the drawing is askew. A cell that spans rows gives its text to each
// of them, one that spans columns to the first.
//
// Owns: nothing; it refers to the lines. Threads: pure functions. Errors: none. Bounds: 256
// columns; the text of cells that span rows is given again for at most the bytes of the table.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace headrace {

// Called for each row, top down: the line of the table on which it begins (no two rows have the
// same), its cells with their markup, white space around them removed; a cell of several lines is
// one line.
using RstRowSink = std::function<void(size_t line, std::span<const std::string> cells)>;

// "+----+===+".
bool is_rst_grid_border(std::string_view line);
// "=====  ===  =====": two columns or more.
bool is_rst_simple_border(std::string_view line);

// `lines` begin with the upper border.
void read_rst_grid_table(std::span<const std::string_view> lines, const RstRowSink& row);
void read_rst_simple_table(std::span<const std::string_view> lines, const RstRowSink& row);
// `lines` are the body of the directive: "* - cell", "  - cell".
void read_rst_list_table(std::span<const std::string_view> lines, const RstRowSink& row);

}  // namespace headrace
