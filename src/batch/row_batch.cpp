#include "batch/row_batch.h"

namespace headrace {

namespace {
enum RowColumn : size_t {
  kKey,
  kSource,
  kPosition,
  kTitle,
  kText,
  kHeading,
  kModality,
  kVia,
  kStart,
  kEnd,
  kPage,
  kSpan,
  kByteSpan,
  kMetadata,
  kRowColumns
};
}  // namespace

std::vector<Field> row_schema(std::span<const VectorColumn> vectors, bool with_score) {
  using enum ColumnType;
  std::vector<Field> fields = {{"key", utf8, false, 0, {}},
                               {"source", utf8, false, 0, {}},
                               {"position", int64, false, 0, {}},
                               {"title", utf8, false, 0, {}},
                               {"text", utf8, false, 0, {}},
                               {"heading", utf8, false, 0, {}},
                               {"modality", utf8, false, 0, {}},
                               {"via", utf8, true, 0, {}},
                               {"start", float64, true, 0, {}},
                               {"end", float64, true, 0, {}},
                               {"page", int32, true, 0, {}},
                               {"span", list, false, 0, {{"item", int64, false, 0, {}}}},
                               {"byte_span", list, true, 0, {{"item", int64, false, 0, {}}}},
                               {"metadata", utf8, false, 0, {}}};
  for (const VectorColumn& vector : vectors) {
    fields.push_back({vector.name,
                      fixed_list,
                      true,
                      static_cast<int32_t>(vector.dimension),
                      {{"item", float32, false, 0, {}}}});
  }
  if (with_score) fields.push_back({"score", float32, false, 0, {}});
  return fields;
}

RowBatchBuilder::RowBatchBuilder(std::span<const VectorColumn> vectors, bool with_score)
    : fields_(row_schema(vectors, with_score)), first_vector_(kRowColumns) {
  for (const Field& field : fields_) columns_.emplace_back(field);
}

void RowBatchBuilder::add(const Row& row, std::string_view metadata_json) {
  columns_[kKey].add_text(row.key);
  columns_[kSource].add_text(row.source);
  columns_[kPosition].add_number(static_cast<int64_t>(row.position));
  columns_[kTitle].add_text(row.title);
  columns_[kText].add_text(row.text);
  columns_[kHeading].add_text(row.heading);
  columns_[kModality].add_text(row.modality);
  row.via.empty() ? columns_[kVia].add_null() : columns_[kVia].add_text(row.via);
  row.start_s ? columns_[kStart].add_number(*row.start_s) : columns_[kStart].add_null();
  row.end_s ? columns_[kEnd].add_number(*row.end_s) : columns_[kEnd].add_null();
  row.page != 0 ? columns_[kPage].add_number(row.page) : columns_[kPage].add_null();
  columns_[kSpan].child().add_number(static_cast<int64_t>(row.span_begin));
  columns_[kSpan].child().add_number(static_cast<int64_t>(row.span_end));
  columns_[kSpan].end_list();
  if (row.byte_begin) {
    columns_[kByteSpan].child().add_number(static_cast<int64_t>(*row.byte_begin));
    columns_[kByteSpan].child().add_number(static_cast<int64_t>(*row.byte_begin + row.text.size()));
    columns_[kByteSpan].end_list();
  } else {
    columns_[kByteSpan].add_null();
  }
  columns_[kMetadata].add_text(metadata_json);
  ++rows_;
}

void RowBatchBuilder::add_vector(size_t space, std::span<const float> vector) {
  ColumnBuilder& column = columns_[first_vector_ + space];
  if (vector.empty()) {
    column.add_null();
    return;
  }
  for (const float value : vector) column.child().add_number(value);
  column.end_list();
}

void RowBatchBuilder::add_score(float score) {
  columns_.back().add_number(score);
}

Batch RowBatchBuilder::finish() {
  Batch batch;
  batch.length = rows_;
  batch.fields = fields_;
  for (ColumnBuilder& column : columns_) batch.columns.push_back(column.finish());
  rows_ = 0;
  return batch;
}

}  // namespace headrace
