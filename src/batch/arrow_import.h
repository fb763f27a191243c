// ArrowReader: any Arrow C stream (pyarrow, Polars, DuckDB, pandas …) → values row by row, without
// a copy of the columns. What the values are: arrow_values.h; the fields of a struct are columns of
// their own, "outer.inner", as in JSONL; a map has such names in each row.
//
// Owns: the stream and its current batch. Threads: one. Errors: the producer's own message;
// invalid_argument for columns of types that metadata cannot hold, or of the same name, and for a
// value that cannot be told: each names the column; damaged for arrays that contradict their
// schema.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "batch/arrow_c.h"
#include "batch/document.h"

namespace headrace {

class ArrowReader {
 public:
  // Takes the stream over (it is released with the reader).
  static Result<std::unique_ptr<ArrowReader>> open(ArrowArrayStream* stream);
  explicit ArrowReader(ArrowArrayStream* stream);
  ~ArrowReader();
  ArrowReader(const ArrowReader&) = delete;
  ArrowReader& operator=(const ArrowReader&) = delete;

  const std::vector<std::string>& names() const { return names_; }
  // Loads the next batch; false at the end.
  Result<bool> next();
  int64_t rows() const { return array_.length; }
  // Of a map: nothing.
  Result<Value> value(size_t column, int64_t row) const;
  bool is_map(size_t column) const;
  // What a map holds in a row, by its keys.
  Result<Metadata> entries(size_t column, int64_t row) const;

 private:
  // Where a column's array is: child by child.
  using Path = std::vector<int64_t>;
  struct Place {
    const ArrowSchema* schema;
    const ArrowArray* array;  // null where a struct around it is
    int64_t row;
  };

  Status add_columns(const ArrowSchema& schema, const std::string& name, Path path);
  Status check_names() const;
  Place place(size_t column, int64_t row) const;
  void release_array();

  ArrowArrayStream stream_{};
  ArrowSchema schema_{};
  ArrowArray array_{};
  std::vector<std::string> names_;
  std::vector<Path> paths_;
  std::vector<std::string> refused_;  // columns, with their types
};

}  // namespace headrace
