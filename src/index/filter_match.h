// One condition of a filter on one column of one segment.
//
// Owns: nothing. Threads: all functions are pure but for the rows they are given. Errors: none; a
// condition that makes no sense for a column matches nothing there.
#pragma once

#include <string>

#include "index/columns.h"
#include "index/columns_state.h"
#include "index/filter_node.h"

namespace headrace::index {

// Whether values of this type can be compared with the literal.
bool literal_fits(const Literal& value, ColumnType type);
// What kind of literal it is, for messages.
std::string literal_name(const Literal& value);
// Whether the condition makes sense for a column of this type.
bool condition_applies(const Condition& condition, ColumnType type);

// Whether a row without a title meets a condition on it: a title that is not there is empty.
bool matches_empty_text(const Condition& condition);

// Sets the rows whose value in `column` meets the condition.
void match_column(const ColumnView& column, const Condition& condition, RowBitmap& rows);
// The same for the rows' keys, which are not stored: they follow from source and position.
void match_keys(const Columns::State& columns, const Condition& condition, RowBitmap& rows);

}  // namespace headrace::index
