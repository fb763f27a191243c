// Values of Arrow columns, one at a time, by their schema: every type that metadata can hold.
//
// Text, numbers of any width, decimals and halves (as numbers), booleans, dates, times and
// timestamps (as ISO 8601 text; with a zone in UTC, ending in "Z"), durations (as seconds), lists
// of those, dictionaries of those, bytes that are UTF-8.
//
// Owns: nothing; reads the producer's buffers. Threads: pure functions. Errors: invalid_argument
// for a value that cannot be told (bytes that are no text, years that have no four digits).
#pragma once

#include <string>

#include "base/result.h"
#include "batch/arrow_c.h"
#include "batch/document.h"

namespace headrace {

bool is_arrow_null(const ArrowArray& array, int64_t row);

// Whether arrow_value() knows the type.
bool is_arrow_value(const ArrowSchema& schema);
// The type, as people call it.
std::string arrow_type_name(const ArrowSchema& schema);

// `row` counts from the array's own beginning (its offset is added here).
Result<Value> arrow_value(const ArrowSchema& schema, const ArrowArray& array, int64_t row);

// Where the items of a list, or the entries of a map, lie in the only child.
struct ArrowRange {
  int64_t begin = 0, end = 0;
};
ArrowRange arrow_range(const ArrowSchema& schema, const ArrowArray& array, int64_t row);

}  // namespace headrace
