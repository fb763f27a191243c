// A Segment: rows and documents with everything that finds them, immutable, in one section file or
// in memory (the same bytes). SegmentBuilder makes one from rows; segment_merge.h makes one from
// several.
//
// Owns: a Segment its mapped file or image. Threads: a Segment is const and safe; a builder belongs
// to one thread. Errors: damaged, unsupported, those of the file system.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "env/file_system.h"
#include "index/columns.h"
#include "index/document_table.h"
#include "index/postings.h"
#include "index/row_store.h"
#include "index/section_file.h"
#include "index/vectors.h"
#include "runtime/cancel.h"

namespace headrace::index {

// Sections up to this size are checked against their checksums whenever a file is opened; larger
// ones only by verify (their blocks have checksums of their own where they are compressed).
inline constexpr uint64_t kCheckAtOpenBytesMax = 4 << 20;

// Bytes in memory with the alignment that sections have in a file.
class ImageSink : public SectionSink {
 public:
  Status append(std::string_view bytes) override;
  std::string_view bytes() const;
  // Pages of the room ahead that were never written to are not resident, and not counted.
  uint64_t memory_bytes() const { return lines_.size() * sizeof(Line); }
  // Room for so many bytes: growing step by step would hold a large image twice.
  void reserve(uint64_t bytes) { lines_.reserve(bytes / sizeof(Line) + 1); }
  void shrink();

 private:
  struct alignas(64) Line {
    Line() {}  // not zeroed: written before it is read
    std::array<char, 64> bytes;
  };
  std::vector<Line> lines_;
  uint64_t size_ = 0;
};

// Whoever goes through all documents of a segment looks at so many before their pages are let go.
inline constexpr uint32_t kDocumentsInSight = 1 << 16;

class Segment {
 public:
  static Result<std::shared_ptr<const Segment>> open_file(FileSystem& files,
                                                          const std::string& path, std::string name,
                                                          uint64_t check_bytes_max);
  static Result<std::shared_ptr<const Segment>> open_image(ImageSink image);

  uint32_t row_count() const { return file_.row_count(); }
  uint32_t document_count() const { return file_.document_count(); }
  const DocumentTable& documents() const { return *documents_; }
  // Where documents are by their source; null in memory, and in files from before there was one.
  const PrefixTable* sources() const { return sources_ ? &*sources_ : nullptr; }
  const RowStore& rows() const { return *rows_; }
  const Postings& postings() const { return *postings_; }
  const Columns& columns() const { return *columns_; }
  // Null when no row was written with a vector of this space.
  const VectorSet* vectors(std::string_view space) const;
  const SectionFile& file() const { return file_; }
  std::string_view bytes() const { return mapped_ ? mapped_->bytes() : image_.bytes(); }
  uint64_t memory_bytes() const { return mapped_ ? 0 : image_.memory_bytes(); }
  // Lets go of resident pages; they come back when they are read.
  void forget() const;

  // Structure of every part (for verify); checksums are file().check_all().
  Status check(const CancelToken* cancel = nullptr) const;

 private:
  Segment() = default;
  Status check_sources() const;
  static Result<std::shared_ptr<const Segment>> finish_open(std::unique_ptr<Segment> segment,
                                                            std::string name,
                                                            uint64_t check_bytes_max);

  std::unique_ptr<MappedFile> mapped_;
  ImageSink image_;
  SectionFile file_;
  std::unique_ptr<DocumentTable> documents_;
  std::optional<PrefixTable> sources_;
  std::unique_ptr<RowStore> rows_;
  std::unique_ptr<Postings> postings_;
  std::unique_ptr<Columns> columns_;
  std::map<std::string, VectorSet, std::less<>> vectors_;
};

class SegmentBuilder {
 public:
  explicit SegmentBuilder(std::string_view language);
  void reserve_blobs(uint64_t bytes) { rows_.reserve_blobs(bytes); }

  // `rows` are those that follow by add_row. Returns the document's number.
  uint32_t add_document(const DocumentWrite& document, uint32_t rows);
  void add_row(const Hash128& key, const Row& row, std::string_view blob);

  uint32_t row_count() const { return rows_.count(); }
  uint32_t document_count() const { return documents_.count(); }
  const DocumentTableBuilder& documents() const { return documents_; }
  uint64_t memory_bytes() const;
  // `vectors`: by space, of rows of this builder.
  Result<ImageSink> finish(std::map<std::string, VectorSetBuilder>& vectors);

 private:
  DocumentTableBuilder documents_;
  RowStoreBuilder rows_;
  ColumnsBuilder columns_;
  PostingsBuilder postings_;
};

}  // namespace headrace::index
