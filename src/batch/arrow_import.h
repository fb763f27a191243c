// ArrowReader: any Arrow C stream (pyarrow, Polars, DuckDB, pandas …) → values row by row, without
// a copy of the columns. Strings, numbers, booleans, lists of strings, dictionaries of strings,
// dates and timestamps (as ISO 8601 text); other types read as null and are named once.
//
// Owns: the stream and its current batch. Threads: one. Errors: the producer's own message; damaged
// for arrays that contradict their schema.
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
  // Types that cannot be read: "column: format".
  const std::vector<std::string>& unread() const { return unread_; }
  // Loads the next batch; false at the end.
  Result<bool> next();
  int64_t rows() const { return array_.length; }
  Value value(size_t column, int64_t row) const;

 private:
  void release_array();

  ArrowArrayStream stream_{};
  ArrowSchema schema_{};
  ArrowArray array_{};
  std::vector<std::string> names_;
  std::vector<std::string> unread_;
};

}  // namespace headrace
