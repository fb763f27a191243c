#include "index/log_records.h"

#include "index/document_table.h"

namespace headrace::index {

void encode_space(const Space& space, FieldWriter& out) {
  out.text(space.name);
  out.text(space.model);
  out.text(space.fingerprint);
  out.u32(space.dimension);
  out.u8(static_cast<uint8_t>(space.metric));
  out.text(space.modality);
}

bool decode_space(FieldReader& in, Space& space) {
  space.name = in.text();
  space.model = in.text();
  space.fingerprint = in.text();
  space.dimension = in.u32();
  const uint8_t metric = in.u8();
  space.metric = static_cast<Metric>(metric);
  space.modality = in.text();
  return in.ok() && metric <= static_cast<uint8_t>(Metric::l2) && space.dimension > 0 &&
         space.dimension <= kSpaceDimensionMax;
}

void encode_document_head(const DocumentWrite& document, uint32_t rows, FieldWriter& out) {
  out.text(document.source);
  out.text(document.container);
  out.text(document.settings);
  out.u64(document.stamp.size_bytes);
  out.number(document.stamp.modified_ns);
  out.u64(document.stamp.inode);
  out.hash(document.content_hash);
  std::string error;
  if (document.error) encode_document_error(*document.error, error);
  out.text(error);
  out.u8(document.is_container ? 1 : 0);
  out.varint(rows);
}

bool decode_document_head(FieldReader& in, DocumentWrite& document, uint32_t& rows) {
  document.source = in.text();
  document.container = in.text();
  document.settings = in.text();
  document.stamp.size_bytes = in.u64();
  document.stamp.modified_ns = in.number<int64_t>();
  document.stamp.inode = in.u64();
  document.content_hash = in.hash();
  const std::string_view error = in.text();
  document.error.reset();
  if (!error.empty()) {
    document.error.emplace(document.source, "", Error(ErrorCode::internal, ""));
    if (!decode_document_error(error, document.source, *document.error)) return false;
  }
  document.is_container = in.u8() != 0;
  const uint64_t count = in.varint();
  rows = static_cast<uint32_t>(count);
  return in.ok() && count < kDroppedRow;
}

bool peek_document_head(std::string_view payload, DocumentHead& head) {
  FieldReader in(payload);
  head.source = in.text();
  in.text();  // container
  in.text();  // settings
  in.raw(3 * sizeof(uint64_t) + sizeof(Hash128));
  head.has_error = !in.text().empty();
  in.u8();
  const uint64_t count = in.varint();
  head.rows = static_cast<uint32_t>(count);
  head.bytes = in.position();
  return in.ok() && count < kDroppedRow;
}

void encode_row(const Hash128& key, uint32_t position, std::string_view blob, FieldWriter& out) {
  out.hash(key);
  out.varint(position);
  out.text(blob);
}

bool decode_row(FieldReader& in, RowRecord& row) {
  row.key = in.hash();
  row.position = static_cast<uint32_t>(in.varint());
  row.blob = in.text();
  return in.ok();
}

void encode_tombstones(std::span<const TombstoneRecord> tombstones, FieldWriter& out) {
  out.varint(tombstones.size());
  for (const TombstoneRecord& record : tombstones) {
    out.u64(record.segment);
    out.varint(record.documents.size());
    for (const uint32_t document : record.documents) out.varint(document);
    out.varint(record.rows.size());
    for (const auto& range : record.rows) {
      out.varint(range.begin);
      out.varint(range.end - range.begin);
    }
  }
}

bool decode_tombstones(std::string_view payload, std::vector<TombstoneRecord>& tombstones) {
  FieldReader in(payload);
  tombstones.resize(in.count(10));
  for (TombstoneRecord& record : tombstones) {
    record.segment = in.u64();
    record.documents.resize(in.count());
    for (uint32_t& document : record.documents) document = static_cast<uint32_t>(in.varint());
    record.rows.resize(in.count(2));
    for (auto& range : record.rows) {
      range.begin = static_cast<uint32_t>(in.varint());
      const uint64_t length = in.varint();
      if (length > kDroppedRow - range.begin) return false;
      range.end = range.begin + static_cast<uint32_t>(length);
    }
  }
  return in.done();
}

void encode_vectors(std::string_view space, uint64_t segment, std::span<const uint32_t> rows,
                    std::span<const float> values, FieldWriter& out) {
  out.text(space);
  out.u64(segment);
  out.u32(static_cast<uint32_t>(rows.size()));
  out.u32(static_cast<uint32_t>(rows.empty() ? 0 : values.size() / rows.size()));
  out.raw({reinterpret_cast<const char*>(rows.data()), rows.size_bytes()});
  out.raw({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

bool decode_vectors(std::string_view payload, VectorsRecord& record) {
  FieldReader in(payload);
  record.space = in.text();
  record.segment = in.u64();
  const uint64_t rows = in.u32();
  const uint64_t dimension = in.u32();
  const std::string_view row_bytes = in.raw(rows * sizeof(uint32_t));
  const std::string_view value_bytes = in.raw(in.left());
  if (!in.done() || dimension > kSpaceDimensionMax ||
      value_bytes.size() != rows * dimension * sizeof(float)) {
    return false;
  }
  record.rows.resize(rows);
  record.values.resize(rows * dimension);
  if (rows > 0) std::memcpy(record.rows.data(), row_bytes.data(), row_bytes.size());
  if (!record.values.empty()) {
    std::memcpy(record.values.data(), value_bytes.data(), value_bytes.size());
  }
  return true;
}

}  // namespace headrace::index
