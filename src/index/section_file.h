// A section file: named, checksummed runs of bytes in one immutable file. Segments, vector patches
// and deletes files all have this form (docs/formats/segment.md, "section file"); memory segments
// are the same bytes in memory.
//
// SectionFileWriter writes one front to back to any SectionSink; SectionFile reads one from bytes
// that outlive it. Threads: a writer belongs to one thread; a SectionFile is const and safe.
// Errors: damaged (naming the file and the section), unsupported (a newer version), those of the
// sink.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "env/file_system.h"
#include "index/section.h"
#include "runtime/cancel.h"

namespace headrace::index {

enum class SectionFileType : uint32_t { segment = 1, vectors = 2, deletes = 3 };

enum class SectionKind : uint32_t {
  documents = 1,      // fixed entries
  document_text = 2,  // their strings
  rows = 3,           // fixed entries
  keys = 4,           // key index
  blobs = 5,          // row blobs in blocks
  blob_blocks = 6,    // where the blocks are
  columns = 7,
  postings = 8,
  vectors = 9,  // named after the space
  deletes = 10,
  sources = 11,  // documents by the hash of their source
};
std::string_view section_kind_name(SectionKind kind);

inline constexpr uint64_t kSectionAlignment = 64;
// Version 2: a segment whose documents, rows and keys are packed entries.
inline constexpr uint32_t kSectionFileVersion = 1;
inline constexpr uint32_t kSectionFilePacked = 2;

// What a manifest remembers of a section file, so that a swapped or cut one is noticed at open.
struct SectionFileSeal {
  uint64_t size = 0;
  uint64_t footer_checksum = 0;
  auto operator<=>(const SectionFileSeal&) const = default;
};

// Writes through a buffer to an env file and closes it durably.
class FileSink : public SectionSink {
 public:
  static Result<std::unique_ptr<FileSink>> create(FileSystem& files, const std::string& path);
  Status append(std::string_view bytes) override;
  // All bytes are durable when this returns (the name is not: sync the folder).
  Status finish();

 private:
  explicit FileSink(std::unique_ptr<WritableFile> file) : file_(std::move(file)) {}
  std::unique_ptr<WritableFile> file_;
  std::string buffer_;
};

class SectionFileWriter {
 public:
  // `counts` are two numbers of the file type's own (rows and documents of a segment).
  SectionFileWriter(SectionSink& target, SectionFileType type, uint64_t id,
                    uint32_t version = kSectionFileVersion);

  // Sections are written one after the other; the sink is valid until the next call.
  Result<SectionSink*> begin(SectionKind kind, std::string_view name = {});
  // Writes the footer. Nothing may be written afterwards.
  Result<SectionFileSeal> finish(uint32_t row_count, uint32_t document_count);

 private:
  struct Entry {
    SectionKind kind;
    std::string name;
    uint64_t offset = 0;
    uint64_t length = 0;
    Hash128 checksum;
  };
  class HashingSink : public SectionSink {
   public:
    explicit HashingSink(SectionSink& target) : target_(target) {}
    Status append(std::string_view bytes) override;
    void start();
    uint64_t length() const { return length_; }
    Hash128 digest() const { return hasher_->digest(); }

   private:
    SectionSink& target_;
    std::unique_ptr<Hasher128> hasher_;
    uint64_t length_ = 0;
  };

  Status write_header();
  Status end_section();
  Status pad();

  SectionSink& target_;
  HashingSink hashing_;
  SectionFileType type_;
  uint64_t id_;
  uint32_t version_;
  uint64_t position_ = 0;
  bool started_ = false;
  bool in_section_ = false;
  std::vector<Entry> entries_;
};

class SectionFile {
 public:
  struct Section {
    SectionKind kind;
    std::string name;
    std::string_view bytes;
    uint64_t offset = 0;
    Hash128 checksum;
  };

  // Checks header, footer and section bounds; `name` is for messages. Sections of at most
  // `check_bytes_max` are also checked against their checksums.
  static Result<SectionFile> open(std::string_view bytes, std::string name, SectionFileType type,
                                  uint64_t check_bytes_max);

  const Section* find(SectionKind kind, std::string_view name = {}) const;
  Result<const Section*> require(SectionKind kind) const;
  const std::vector<Section>& sections() const { return sections_; }
  const std::string& name() const { return name_; }
  uint64_t id() const { return id_; }
  bool is_packed() const { return version_ >= kSectionFilePacked; }
  uint32_t row_count() const { return row_count_; }
  uint32_t document_count() const { return document_count_; }
  SectionFileSeal seal() const { return seal_; }

  Status check_section(const Section& section) const;
  // Every byte: all checksums, and that the padding is zero.
  Status check_all(const CancelToken* cancel = nullptr) const;

 private:
  std::string_view bytes_;
  std::string name_;
  uint64_t id_ = 0;
  uint32_t version_ = 0;
  uint32_t row_count_ = 0;
  uint32_t document_count_ = 0;
  SectionFileSeal seal_;
  std::vector<Section> sections_;
};

}  // namespace headrace::index
