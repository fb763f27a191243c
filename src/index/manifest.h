// The manifest: the list of files that are the knowledge base, published by renaming
// `manifest-<number>` into place. The only commit point of files (docs/formats/manifest.md).
//
// Also here: the names of all files of a knowledge base.
//
// Owns: values. Threads: values. Errors: damaged, unsupported (a newer version), not_found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "env/file_system.h"
#include "index/knowledge_base.h"
#include "index/section_file.h"
#include "index/vectors.h"

namespace headrace::index {

inline constexpr uint32_t kManifestVersion = 2;

// A file of vectors for rows of a segment that was written without them.
struct ManifestPatch {
  uint64_t file = 0;
  SectionFileSeal seal;
  std::string space;
};

struct ManifestSegment {
  uint64_t file = 0;
  SectionFileSeal seal;
  uint32_t row_count = 0;
  uint32_t document_count = 0;
  std::vector<ManifestPatch> patches;
  // Spaces whose vectors in the segment itself no longer count (patches hold them all).
  std::vector<std::string> hidden_spaces;
};

struct Manifest {
  uint64_t number = 0;
  Hash128 knowledge_base;  // drawn when it was made
  std::string language;
  std::string settings;
  std::vector<Space> spaces;
  // Of the log there are these files, each going on where the one before ends.
  uint64_t first_log = 1;
  uint64_t last_log = 1;
  uint64_t next_file = 1;                 // for segments, vectors and deletes
  std::vector<ManifestSegment> segments;  // in order of insertion
  uint64_t deletes_file = 0;              // 0: none
  SectionFileSeal deletes_seal;
  int64_t published_ms = 0;  // since 1970, for people; 0: not known. Nothing is ordered by it
  bool is_whole = false;     // nothing of it was in the log only
  History history;

  std::string encode() const;
  static Result<Manifest> decode(std::string_view bytes, std::string_view path);
};

enum class FileKind : uint8_t { manifest, log, segment, vectors, deletes, temporary, other };
struct FileName {
  FileKind kind = FileKind::other;
  uint64_t number = 0;
};
FileName parse_file_name(std::string_view name);
std::string file_name(FileKind kind, uint64_t number);
// folder + "/" + file_name.
std::string file_path(const std::string& folder, FileKind kind, uint64_t number);

// The newest manifest of a folder; not_found when there is none. Tries again while a writer
// replaces what is being read.
Result<Manifest> load_newest_manifest(FileSystem& files, const std::string& folder);
Result<Manifest> load_manifest(FileSystem& files, const std::string& folder, uint64_t number);
// Durable and visible when it returns. `visible` is set as soon as readers may see it, also when
// making it durable fails afterwards.
Status publish_manifest(FileSystem& files, const std::string& folder, const Manifest& manifest,
                        bool& visible);

}  // namespace headrace::index
