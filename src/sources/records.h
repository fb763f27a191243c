// Files that hold many documents, one a line or row: JSONL (BEIR layout and any other) and CSV with
// named columns. A record's source is FILE#ID; a bad line is an error of its own (FILE:LINE) and
// the good ones around it are kept.
//
// Threads: pure functions over the callbacks. Errors: an error from a callback stops and is
// returned; bad records go to on_problem.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "batch/document.h"

namespace headrace {

// Which columns of a CSV file (or fields of JSONL) hold what. Empty: the usual names.
struct RecordColumns {
  std::string text;   // "text", "contents", "content", "body"
  std::string id;     // "id", else "_id"; else numbered_id()
  std::string title;  // "title"
};

// The id of a record that has none: no record's own id is likely to be that of another line.
inline std::string numbered_id(uint64_t line) {
  return "line-" + std::to_string(line);
}

struct RecordHandlers {
  std::function<Status(RawDocument&&)> on_record;
  std::function<Status(DocumentError)> on_problem;
};

// One JSON object a line. Every field that is not text, id or title becomes metadata: objects as
// "outer.inner", arrays as lists of their items' type (list_value); the id itself is metadata "id"
// in its own type, and a field "id" that is not the id is "_id".
Status read_jsonl(const std::string& file, std::string_view bytes, const RecordColumns& columns,
                  const RecordHandlers& handlers);
// RFC 4180 with a header line; the delimiter (, ; tab |) is found from it.
Status read_csv_records(const std::string& file, std::string_view bytes,
                        const RecordColumns& columns, const RecordHandlers& handlers);

// One line of JSONL → RawDocument; `line` counts from 1. For streams and tests.
Result<RawDocument> parse_json_record(const std::string& file, uint64_t line, std::string_view json,
                                      const RecordColumns& columns);

}  // namespace headrace
