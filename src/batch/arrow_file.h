// ArrowFileWriter: batches → an Arrow IPC file ("random access" format, metadata version 5), which
// pyarrow, Polars, DuckDB and pandas read and map. Specification: arrow.apache.org/docs/format,
// "IPC file format".
//
// Owns: the schema and the places of batches written. Threads: one. Errors: those of the sink.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/column.h"

namespace headrace {

class ArrowFileWriter {
 public:
  using Sink = std::function<Status(std::string_view bytes)>;
  ArrowFileWriter(std::vector<Field> schema, Sink sink);

  Status begin();
  Status write(const Batch& batch);
  Status end();

 private:
  struct Block {
    int64_t offset;
    int32_t metadata_bytes;
    int64_t body_bytes;
  };
  Status put(std::string_view bytes);
  Result<int32_t> put_message(std::string_view flatbuffer);

  std::vector<Field> schema_;
  Sink sink_;
  int64_t position_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace headrace
