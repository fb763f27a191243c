// XLSX (Excel) → Document: a heading for each sheet, a table row for each row that is not empty.
// Numbers appear as they are stored, dates and times by the cell's number format.
//
// Sheets are read as a stream: memory is the sheet's XML, the shared strings and the text.
// Threads: pure function. Errors: damaged, encrypted, too_large, unsupported (binary workbooks).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "batch/document.h"

namespace headrace::formats {

Result<Document> decode_xlsx(std::string_view bytes);

// How a number format shows its numbers, as far as it matters for finding them.
enum class NumberKind : uint8_t { general, percent, date, time, date_time };
// Of a format code such as "yyyy\-mm\-dd" or "#,##0.00".
NumberKind number_kind(std::string_view format_code);
// Of a format that is built in, by its number.
NumberKind builtin_number_kind(int format_id);
// A stored number as text. `from_1904`: the workbook counts its days from 1904.
std::string format_number(const std::string& stored, NumberKind kind, bool from_1904);

}  // namespace headrace::formats
