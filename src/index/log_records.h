// The payloads of log frames (docs/formats/log.md): documents, rows, tombstones, vectors, spaces.
// Everything in them is resolved: segments by file number (0: the log itself, whose rows and
// documents are numbered from 0 in the order in which they stand there), rows and documents by
// number. Nothing needs looking up when a log is replayed.
//
// Owns: values. Threads: pure functions. Errors: decode_… give false for malformed payloads.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batch/document.h"
#include "index/field_codec.h"
#include "index/knowledge_base.h"

namespace headrace::index {

inline constexpr uint64_t kLogSegment = 0;
inline constexpr uint32_t kSpaceDimensionMax = 4096;

void encode_space(const Space& space, FieldWriter& out);
bool decode_space(FieldReader& in, Space& space);

// Everything of the document but its rows; `rows` is how many follow.
void encode_document_head(const DocumentWrite& document, uint32_t rows, FieldWriter& out);
bool decode_document_head(FieldReader& in, DocumentWrite& document, uint32_t& rows);

// What is needed of a head before the document is read.
struct DocumentHead {
  std::string_view source;
  size_t bytes = 0;  // of the head
  uint32_t rows = 0;
  bool has_error = false;
};
bool peek_document_head(std::string_view payload, DocumentHead& head);

void encode_row(const Hash128& key, uint32_t position, std::string_view blob, FieldWriter& out);
struct RowRecord {
  Hash128 key;
  uint32_t position = 0;
  std::string_view blob;
};
bool decode_row(FieldReader& in, RowRecord& row);

// Rows [begin, end) of one segment are gone; documents hold no longer the state of their source.
struct TombstoneRecord {
  uint64_t segment = 0;
  std::vector<uint32_t> documents;
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  std::vector<Range> rows;
};
void encode_tombstones(std::span<const TombstoneRecord> tombstones, FieldWriter& out);
bool decode_tombstones(std::string_view payload, std::vector<TombstoneRecord>& tombstones);

// Vectors of rows of one segment; values are rows.size() times the dimension.
void encode_vectors(std::string_view space, uint64_t segment, std::span<const uint32_t> rows,
                    std::span<const float> values, FieldWriter& out);
struct VectorsRecord {
  std::string space;
  uint64_t segment = 0;
  std::vector<uint32_t> rows;
  std::vector<float> values;
};
bool decode_vectors(std::string_view payload, VectorsRecord& record);

}  // namespace headrace::index
