// The knowledge base on disk: one log, immutable segments, one manifest. Start here to understand
// the index room; docs/formats/ has the bytes.
//
// A Writer (one per knowledge base, held by a lock that dies with its process) appends documents to
// the log; commit() makes them durable (one group fsync) and visible. From time to time the log is
// folded into segments and a new manifest is published, which is the only commit point of files. A
// Reader takes Snapshots: immutable views of a manifest and of the log's acknowledged tail. Readers
// never wait for a writer and never fail because of one.
//
// Threads: Writer methods may be called from any thread (those that change something take turns);
// Reader::snapshot from any thread; a Snapshot is immutable. Errors: busy (another writer, with its
// process id), no_space, damaged, not_found.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/document.h"
#include "env/file_system.h"
#include "index/search.h"
#include "index/vectors.h"
#include "runtime/cancel.h"

namespace headrace::index {

// One document as it is written. Replaces all rows and the state of the same `source` atomically: a
// reader sees the old document or the new one.
struct DocumentWrite {
  std::string source;
  std::string container;  // the file that holds it (archive, JSONL); empty: it is its own file
  SourceStamp stamp;
  Hash128 content_hash;
  std::string settings;       // fingerprint of how it was decoded and cut; a change redoes it
  std::vector<Row> rows;      // may be empty
  bool is_container = false;  // an archive or JSONL file: remembered, but not counted as a document
  std::optional<DocumentError> error;  // failed: rows of an earlier good version stay
};

// A value a row.
struct MetadataColumn {
  std::string_view name;
  std::span<const Value> values;
};

// Documents of one row each, with their vectors: what is added in great numbers. All spans but that
// of the columns are of one length, or empty where there are none.
struct RowGroup {
  std::span<const std::string> sources;  // each replaces the document of that name
  std::span<const std::string_view> texts;
  std::span<const MetadataColumn> columns;  // no name twice
  std::string_view space;
  std::span<const float> vectors;  // [sources.size(), space.dimension]; empty: none
};

// What is known of a document without its rows.
struct DocumentState {
  std::string source;
  std::string container;
  SourceStamp stamp;
  Hash128 content_hash;
  std::string settings;
  uint32_t row_count = 0;
  bool is_container = false;
  std::optional<DocumentError> error;
};

// A document's names, in place; `number` counts within the segment of a snapshot.
struct DocumentName {
  uint32_t segment = 0, number = 0;
  std::string_view source, container;
  bool failed = false;
};
struct DocumentRange {
  uint32_t segment = 0, begin = 0, end = 0;
};

struct SpaceInfo {
  Space space;
  uint64_t rows = 0;  // rows covered
};

// One segment as it is on disk (or, file 0, in memory).
struct SegmentInfo {
  uint64_t file = 0;
  uint64_t rows = 0, deleted_rows = 0, documents = 0, bytes = 0;
  uint64_t late_files = 0;                  // of vectors that came after their rows
  std::map<std::string, uint64_t> vectors;  // rows covered, by space
};

// How much of the past is kept with its files: the last `count` whole states before the present
// one, and those that were published within `seconds` before it. Nothing unless asked for.
struct History {
  uint32_t count = 0;
  uint64_t seconds = 0;
  bool any() const { return count > 0 || seconds > 0; }
  bool operator==(const History&) const = default;
};
// A state that flush(), optimize() or a merge published, all of it in files.
struct PastState {
  uint64_t manifest = 0;
  int64_t published_ms = 0;  // since 1970; 0: not known
  uint64_t bytes = 0;        // of its segments, which states share
};
// Those that can be read with snapshot_at, newest first.
Result<std::vector<PastState>> past_states(FileSystem& files, const std::string& path);

struct Info {
  uint64_t rows = 0, documents = 0, failed = 0, segments = 0, bytes_on_disk = 0;
  uint64_t log_bytes = 0, manifest = 0;
  std::vector<SpaceInfo> spaces;
  std::string language;
  std::string settings;  // the knowledge base's own (opaque JSON of the plan room)
  History history;
};

// An immutable view. Holds its files open (mapped) as long as it lives.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual Info info() const = 0;
  virtual std::vector<SegmentInfo> segment_infos() const = 0;
  // Cheap, unlike the counts of info().
  virtual std::span<const Space> spaces() const = 0;
  virtual std::string_view settings() const = 0;
  virtual std::span<const SegmentView> segments() const = 0;
  virtual Row row(const ScoredRow& at) const = 0;
  // Only the row's source (document id): cheap, for batches.
  virtual std::string_view source(const ScoredRow& at) const = 0;
  virtual std::vector<DocumentError> errors() const = 0;
  // Every document (and every failed one), in no particular order.
  virtual Status for_each_document(
      const std::function<Status(const DocumentState&)>& visit) const = 0;
  // Only their names, of all or of those that stand in `range`: cheap, and the pages that were
  // touched do not stay resident.
  virtual Status for_each_document_name(
      const std::function<Status(const DocumentName&)>& visit) const = 0;
  virtual Status for_each_document_name(
      DocumentRange range, const std::function<Status(const DocumentName&)>& visit) const = 0;
  // Every live row in order of insertion; `at` serves vector().
  virtual Status for_each_row(
      const std::function<Status(const ScoredRow& at, const Row&)>& visit) const = 0;
  virtual bool vector(const ScoredRow& at, std::string_view space, std::span<float> out) const = 0;
  // Live rows not yet covered by `space`, in order of insertion.
  virtual Status for_each_uncovered(
      std::string_view space,
      const std::function<Status(const ScoredRow&, const Row&)>& visit) const = 0;
};

// The knowledge base as it was: `at` is the number of a manifest, or a time (the newest state that
// was published by then). Needs no lock; a writer that stops keeping that state takes nothing from
// a snapshot. not_found: no such state is kept.
Result<std::shared_ptr<const Snapshot>> snapshot_at(FileSystem& files, const std::string& path,
                                                    std::string_view at);

class Reader {
 public:
  static Result<std::unique_ptr<Reader>> open(FileSystem& files, const std::string& path);
  virtual ~Reader() = default;
  // The newest acknowledged state: cheap when nothing changed.
  virtual Result<std::shared_ptr<const Snapshot>> snapshot() = 0;
};

enum class Durability : uint8_t {
  sync,   // commit returns when the disk has it: nothing acknowledged is ever lost
  async,  // commit returns when the system has it: a killed process loses nothing, a power cut at
          // most what came in the last second or so, and never less than a whole transaction
};

struct WriterOptions {
  bool create = true;                       // make the knowledge base when it is not there
  uint64_t memory_bytes_max = 64ULL << 20;  // of the rows not yet in a segment; bounds the log too
  std::string language = "en";              // of a new knowledge base
  std::string settings;                     // of a new knowledge base
  uint64_t log_buffer_bytes_max = 8 << 20;  // handed to the system when a transaction has so much
  size_t segments_max = 10;                 // in files; more are merged
  bool background = true;                   // prepare, fold and merge on threads of their own
  bool lists_beside = true;                 // else lists are made by make_lists and optimize alone
  Durability durability = Durability::sync;
};

class Writer {
 public:
  static Result<std::unique_ptr<Writer>> open(FileSystem& files, const std::string& path,
                                              WriterOptions options);
  virtual ~Writer() = default;  // releases the lock; commits nothing

  // Buffered until commit(); order is kept.
  virtual Status put(DocumentWrite document) = 0;
  // All of them or none.
  virtual Status put_rows(const RowGroup& rows) = 0;
  virtual Status remove(std::string_view source) = 0;
  // Removes the rows matching `filter` (resolved now, logged as ids). Returns how many.
  virtual Result<uint64_t> remove_where(const Filter& filter) = 0;
  // Vectors for rows written before (in this or an earlier run); rows that are gone by now are
  // skipped silently. `vectors` is [keys.size(), space.dimension].
  virtual Status put_vectors(std::string_view space, std::span<const std::string> keys,
                             std::span<const float> vectors) = 0;
  virtual Status add_space(const Space& space) = 0;  // at once durable; same again is fine
  // The space and all its vectors are gone, durably, when this returns; its name may be used again,
  // also for another model. Folds the log first. not_found when there is none of that name.
  virtual Status drop_space(std::string_view name) = 0;
  virtual Status set_settings(const std::string& settings) = 0;
  // From now on, for every later writer too; durable when it returns. While any is kept, memory is
  // folded while commits wait, so that every fold gives a state to go back to.
  virtual Status set_history(const History& history) = 0;

  // What was put since the last commit is forgotten: for callers that fail half way.
  virtual void discard() = 0;
  // Everything put so far is durable and visible when this returns (group fsync). When it fails,
  // everything put since the last commit is forgotten, whichever thread has put it.
  virtual Status commit() = 0;
  // Folds the log into a segment and publishes a manifest (done by itself when memory is full).
  virtual Status flush() = 0;
  // flush, then lists for vectors that are many: what a writer that stays open does in quiet
  // moments. Ends early, with what is done, once `cancel` says so. `memory_bytes`: what the making
  // may hold, at the cost of speed when it is searched; 0: what it needs.
  virtual Status make_lists(const CancelToken* cancel = nullptr, uint64_t memory_bytes = 0) = 0;
  // flush, then merges segments into final form; nothing is left to the log.
  // Ends early, with everything as it was, once `cancel` says so.
  virtual Status optimize(const CancelToken* cancel = nullptr) = 0;

  // The state as of the last commit. Waits for no disk, but may have to make what was committed a
  // moment ago searchable (a few milliseconds at most).
  virtual std::shared_ptr<const Snapshot> snapshot() const = 0;
  // A space, and the settings, without that.
  virtual std::optional<Space> space(std::string_view name) const = 0;
  virtual std::string settings() const = 0;
  // The current state of one document, including what is put but not committed.
  virtual std::optional<DocumentState> document(std::string_view source) const = 0;
};

struct VerifyReport {
  uint64_t checked_bytes = 0;
  std::vector<std::string> problems;  // each names file and place
  bool ok() const { return problems.empty(); }
};
// Reads every byte of every file and cross-checks. Needs no free space and no lock.
Result<VerifyReport> verify(FileSystem& files, const std::string& path,
                            const CancelToken* cancel = nullptr);

struct BackupReport {
  uint64_t manifest = 0;
  uint64_t files = 0, linked = 0;  // linked: they share their bytes with the original
  uint64_t bytes = 0;
};
// Copies the newest acknowledged state into the folder `target`, which must not hold a knowledge
// base. Needs no lock and disturbs no writer. Sealed files are linked where the file system can and
// `link` allows it: they are never written again, but damage of the medium hits both. A backup that
// was interrupted is no knowledge base and is begun again by the next one. Restoring is copying.
Result<BackupReport> backup(FileSystem& files, const std::string& path, const std::string& target,
                            bool link = true);

struct RepairReport {
  uint64_t rows = 0, documents = 0;
  std::vector<std::string> lost;   // what could not be saved, and from which file; empty: all well
  std::vector<std::string> moved;  // damaged files, kept under another name
  bool changed() const { return !lost.empty() || !moved.empty(); }
};
// Publishes a new manifest of everything that damaged files still prove: sections and log records
// that match their checksums, rows whose key and block do. Words and columns are made anew.
// Documents that lost rows are read again by the next `index`. Takes the writer's lock.
Result<RepairReport> repair(FileSystem& files, const std::string& path);

}  // namespace headrace::index
