// StoreState: what a knowledge base is at one moment: file segments of a manifest, memory segments
// of the log's committed tail, what is deleted of each, the vectors that came later. The writer and
// every reader build it from the same log records by the same code, so they cannot disagree.
//
// Owns: segments by shared pointers; deleted rows by shared, immutable bitmaps (copied on change).
// Threads: one at a time; view() gives an immutable Snapshot. Errors: damaged.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "index/document_places.h"
#include "index/knowledge_base.h"
#include "index/manifest.h"
#include "index/prepared_changes.h"
#include "index/segment.h"
#include "index/source_filter.h"

namespace headrace::index {

// Vectors that came after their rows: a section in memory or in a file.
struct LateVectors {
  ImageSink image;
  std::unique_ptr<MappedFile> mapped;
  std::unique_ptr<VectorSet> set;
  uint64_t file = 0;  // 0: not in a file yet
  SectionFileSeal seal;
};

// What `info` counts in a segment, kept as long as nothing is marked or added in it.
struct SegmentCounts {
  uint64_t live_rows = 0, documents = 0, failed = 0;
  std::map<std::string, uint64_t, std::less<>> vectors;  // live rows covered
};
class SegmentCountCache {
 public:
  template <typename Count>
  SegmentCounts get(std::vector<std::shared_ptr<const void>> key, const std::string& names,
                    const Count& count) {
    MutexLock guard(mutex_);
    if (!known_ || key != key_ || names != names_) {
      counts_ = count();
      key_ = std::move(key);
      names_ = names;
      known_ = true;
    }
    return counts_;
  }

 private:
  Mutex mutex_;
  bool known_ HR_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<const void>> key_ HR_GUARDED_BY(mutex_);
  std::string names_ HR_GUARDED_BY(mutex_);
  SegmentCounts counts_ HR_GUARDED_BY(mutex_);
};

struct HeldSegment {
  std::shared_ptr<const Segment> segment;
  uint64_t file = 0;         // 0: memory
  uint32_t id = 0;           // within a StoreState, which gives it
  bool is_folding = false;   // in memory, and on its way into a file: not joined any more
  bool tried_lists = false;  // a merge was asked to put its vectors into lists
  std::shared_ptr<const RowBitmap> deleted;
  std::shared_ptr<const RowBitmap> stale;  // documents
  std::map<std::string, std::vector<std::shared_ptr<const LateVectors>>, std::less<>> late;
  std::vector<std::string> hidden_spaces;  // the segment's own vectors no longer count
  std::shared_ptr<SegmentCountCache> count_cache = std::make_shared<SegmentCountCache>();

  bool is_deleted(uint32_t row) const { return deleted && deleted->test(row); }
  bool is_stale(uint32_t document) const {
    return segment->documents().is_stale(document) || (stale && stale->test(document));
  }
  std::vector<const VectorSet*> vectors(std::string_view space) const;
  uint64_t memory_bytes() const;
  uint32_t live_rows(uint32_t document) const;
  SegmentCounts counts(std::span<const Space> spaces) const;
  // Its vectors of `space` no longer count. Those inside the segment itself stay there, hidden,
  // until a merge leaves them out: a later space of the same name must not find them.
  void drop_vectors(std::string_view space);
};

class StoreState {
 public:
  // Segments that `before` holds too are taken from there instead of being opened again.
  static Result<StoreState> open(FileSystem& files, const std::string& folder, Manifest manifest,
                                 const StoreState* before = nullptr);

  // Applies committed changes, in order. The memory segments among them stay as they are.
  Status apply(std::vector<PreparedChange>&& changes);
  // The same for what was read from a log, on several threads, and the segments are few afterwards.
  Status replay(std::vector<Change>&& changes);
  // The memory segments that should become one, so that a snapshot has few: neighbours of about one
  // size, so that a row is written again once a step. Those that follow may be more.
  struct Range {
    size_t first = 0;
    size_t count = 0;
  };
  // With `only_many` they stay as they are until they are too many.
  std::optional<Range> worth_joining(bool only_many = false) const;
  // Makes one of `segments`, of spaces named `spaces`.
  static Result<HeldSegment> join(std::span<const HeldSegment> segments,
                                  std::span<const std::string> spaces);
  // Puts it in the place of `segments`, of which nothing was marked meanwhile.
  void adopt_join(std::span<const HeldSegment> segments, HeldSegment joined);
  Status join_memory_segments();

  std::optional<DocumentState> document(std::string_view source) const;
  std::shared_ptr<const Snapshot> view(uint64_t bytes_on_disk, uint64_t log_bytes) const;

  const std::vector<HeldSegment>& segments() const { return segments_; }
  const Manifest& manifest() const { return manifest_; }
  const std::vector<Space>& spaces() const { return spaces_; }
  const std::string& settings() const { return settings_; }
  uint64_t memory_bytes() const;
  std::vector<std::string> space_names() const;

  // After a flush or merge: these are the segments now.
  void set_segments(std::vector<HeldSegment> segments);
  void set_spaces(std::vector<Space> spaces) { spaces_ = std::move(spaces); }
  void set_manifest(Manifest manifest) { manifest_ = std::move(manifest); }
  // Looking up documents keeps about so much of the files resident.
  void set_touched_bytes_max(uint64_t bytes) { touched_bytes_max_ = bytes; }

 private:
  using Place = DocumentPlaces::Place;
  // Calls visit(place) for each entry of a source, in no particular order.
  template <typename Visit>
  void for_each_entry(std::string_view source, uint64_t hash, const Visit& visit) const;
  void add_places(const HeldSegment& held);
  void remove_places(const HeldSegment& held);
  HeldSegment& held_by_id(uint32_t id);
  const HeldSegment& held_by_id(uint32_t id) const;
  // The segments that have a table of sources.
  struct Sourced {
    size_t segment = 0;  // in segments_
    const PrefixTable* sources = nullptr;
    const SourceFilter* filter = nullptr;
  };
  const std::vector<Sourced>& sourced() const;
  void touch(const HeldSegment& held, uint32_t document) const;
  void count_touched(uint64_t bytes) const;
  void push_segment(HeldSegment held);
  Status add_documents(std::shared_ptr<const Segment> segment);
  void remove_source(std::string_view source, uint64_t hash, bool keep_rows);
  void remove_rows(const RemoveRows& change);
  void mark_rows(HeldSegment& held, uint32_t begin, uint32_t end);
  Status apply_vectors(const SetVectors& change);
  void mark(std::shared_ptr<const RowBitmap>& bits, uint32_t size, uint32_t begin, uint32_t end);
  const Space* find_space(std::string_view name) const;

  Manifest manifest_;
  std::vector<Space> spaces_;
  std::string settings_;
  std::vector<HeldSegment> segments_;
  uint32_t next_id_ = 1;
  // Made while apply() runs and not seen by anybody yet, so that it may change them in place.
  std::vector<std::shared_ptr<RowBitmap>> fresh_;
  // Entries that hold the state or live rows of a source, of segments without a table of them.
  DocumentPlaces places_;
  mutable std::map<uint32_t, SourceFilter> source_filters_;  // by id; made when first asked for
  mutable std::vector<Sourced> sourced_;
  mutable bool is_sourced_known_ = false;  // and right for segments_ as they are
  mutable Place touched_;
  mutable uint64_t touched_bytes_ = 0;
  uint64_t touched_bytes_max_ = 64 << 20;
};

// Adds vectors to a segment as its newest; no row is covered twice afterwards.
Status add_late_vectors(HeldSegment& held, const std::string& space, VectorSetBuilder& builder);

// A merge input over a held segment; valid while the segment is held.
struct SegmentMergeInput;
SegmentMergeInput merge_input(const HeldSegment& held);

}  // namespace headrace::index
