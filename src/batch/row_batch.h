// Rows as a Batch: the columns of `export` and of every Arrow result: key, source, position, title,
// text, heading, modality, via, start, end, page, span, metadata (JSON), then one fixed-size list
// of float32 for each space of vectors.
//
// Owns: the builder's columns. Threads: one. Errors: none.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batch/column.h"
#include "batch/document.h"

namespace headrace {

struct VectorColumn {
  std::string name;
  uint32_t dimension = 0;
};

std::vector<Field> row_schema(std::span<const VectorColumn> vectors, bool with_score = false);

class RowBatchBuilder {
 public:
  explicit RowBatchBuilder(std::span<const VectorColumn> vectors, bool with_score = false);
  void add(const Row& row, std::string_view metadata_json);
  // After add(): the row's vector in the i-th space; empty: null.
  void add_vector(size_t space, std::span<const float> vector);
  void add_score(float score);
  size_t size() const { return static_cast<size_t>(rows_); }
  Batch finish();

 private:
  std::vector<Field> fields_;
  std::vector<ColumnBuilder> columns_;
  size_t first_vector_ = 0;
  int64_t rows_ = 0;
};

}  // namespace headrace
