// The document table of a segment: for every document its source, state and rows. Two sections,
// "documents" (fixed entries) and "document text" (their strings): docs/formats/segment.md.
//
// An entry is "stale" once a later entry holds the document's state. It is kept as long as some of
// its rows live: a failed update leaves the earlier rows, and one large document may span segments.
//
// Owns: DocumentTable is a view into the segment's bytes. Threads: const and safe. Errors: damaged.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/field_codec.h"
#include "index/knowledge_base.h"
#include "index/packed_entries.h"
#include "index/section.h"

namespace headrace::index {

inline constexpr uint32_t kDocumentEntryBytes = 112;
inline constexpr uint32_t kDocumentIsStale = 1;  // flag of an entry
// Where the numbers of an entry stand, in the order of its packed form; the first is the hash of
// the source, of which that keeps 32 bits.
inline constexpr std::array<uint8_t, 18> kDocumentFields = {0,  8,  16, 24, 32, 40, 44, 48,  52,
                                                            56, 60, 64, 72, 80, 88, 96, 104, 108};
constexpr bool is_wide_document_field(size_t field) {
  const size_t end = field + 1 < kDocumentFields.size() ? kDocumentFields[field + 1] : 112;
  return end - kDocumentFields[field] == 8;
}

void encode_document_error(const DocumentError& error, std::string& out);
bool decode_document_error(std::string_view bytes, std::string_view source, DocumentError& error);

// Where the strings of successive entries go: container and settings are shared with the entry
// before when they are equal. Deterministic, so that a merge can lay out entries first and write
// the strings in a second pass.
class DocumentTextLayout {
 public:
  struct Place {
    uint64_t source = 0, container = 0, settings = 0, error = 0;
    bool writes_container = false, writes_settings = false;
  };
  Place add(std::string_view source, std::string_view container, std::string_view settings,
            std::string_view error);

 private:
  uint64_t end_ = 0;
  std::string container_, settings_;
  uint64_t container_at_ = 0, settings_at_ = 0;
};

class DocumentTable;

class DocumentTableBuilder {
 public:
  // Rows [first_row, first_row + row_count) belong to it. Returns its number. `document.rows` is
  // not looked at.
  uint32_t add(const DocumentWrite& document, uint32_t first_row, uint32_t row_count);
  uint32_t count() const { return static_cast<uint32_t>(entries_.size() / kDocumentEntryBytes); }
  uint64_t memory_bytes() const { return entries_.size() + text_.size(); }
  std::string_view entries() const { return entries_.view(); }
  std::string_view text() const { return text_; }
  std::string_view source(uint32_t document) const;

 private:
  DocumentTextLayout layout_;
  FieldWriter entries_;
  std::string text_;
};

class DocumentTable {
 public:
  // `packed`: the entries are packed, see docs/formats/segment.md.
  static Result<DocumentTable> open(std::string_view entries, std::string_view text,
                                    uint32_t row_count, bool packed);

  uint32_t count() const { return count_; }
  uint64_t source_hash(uint32_t document) const;
  // Whether the entry and its source prove each other.
  bool proves_source(uint32_t document) const;
  std::string_view source(uint32_t document) const { return text(document, 8, 40); }
  // `hash`: of `source`.
  bool is_of(uint32_t document, std::string_view source, uint64_t hash) const {
    const bool may_be = packed_ ? field<uint32_t>(document, 0) == static_cast<uint32_t>(hash)
                                : field<uint64_t>(document, 0) == hash;
    return may_be && this->source(document) == source;
  }
  std::string_view container(uint32_t document) const { return text(document, 16, 44); }
  std::string_view settings(uint32_t document) const { return text(document, 24, 48); }
  std::string_view error(uint32_t document) const { return text(document, 32, 52); }
  bool has_error(uint32_t document) const { return field<uint32_t>(document, 52) != 0; }
  uint32_t first_row(uint32_t document) const { return field<uint32_t>(document, 56); }
  uint32_t row_count(uint32_t document) const { return field<uint32_t>(document, 60); }
  bool is_container(uint32_t document) const { return field<uint32_t>(document, 108) != 0; }
  bool is_stale(uint32_t document) const {
    return (field<uint32_t>(document, 104) & kDocumentIsStale) != 0;
  }
  // All but row_count of the live rows, which the caller knows.
  DocumentState state(uint32_t document) const;
  // As it stands in a table that is not packed.
  std::string entry(uint32_t document) const;
  // Every entry: strings inside the text, hashes right, row ranges ascending and covering all rows.
  Status check() const;

 private:
  template <typename Number>
  Number field(uint32_t document, uint32_t offset) const {
    if (document >= count_) return Number{};
    if (packed_) return static_cast<Number>(packed_->get(document, field_at(offset)));
    return load_number<Number>(entries_.data() + uint64_t{document} * kDocumentEntryBytes + offset);
  }
  static uint32_t field_at(uint32_t offset) {
    uint32_t field = 0;
    while (kDocumentFields[field] != offset) ++field;
    return field;
  }
  std::string_view text(uint32_t document, uint32_t offset_field, uint32_t length_field) const;

  std::string_view entries_;
  std::optional<PackedEntries> packed_;
  std::string_view text_;
  uint32_t count_ = 0;
  uint32_t row_count_ = 0;
};

// One input of a merge: `document_map[d]` is the entry's number in the result or kDroppedRow,
// `first_row[k]`/`row_count[k]` belong to the k-th kept entry of this input.
struct DocumentMergeInput {
  const DocumentTable* table = nullptr;
  NumberMap document_map;
  const RowBitmap* stale = nullptr;  // may be null
  NumberMap row_map;                 // of the segment's rows
};
Status merge_document_entries(std::span<const DocumentMergeInput> inputs, bool packed,
                              SectionSink& out);
Status merge_document_text(std::span<const DocumentMergeInput> inputs, SectionSink& out);

}  // namespace headrace::index
