#include "index/snapshot.h"

#include <optional>

#include "base/mutex.h"
#include "index/row_codec.h"

namespace headrace::index {

namespace {

class HeldSnapshot : public Snapshot {
 public:
  HeldSnapshot(std::vector<HeldSegment> segments, std::vector<Space> spaces, std::string settings,
               const Manifest& manifest, uint64_t bytes_on_disk, uint64_t log_bytes)
      : held_(std::move(segments)), spaces_(std::move(spaces)) {
    info_.settings = std::move(settings);
    info_.language = manifest.language;
    info_.manifest = manifest.number;
    info_.history = manifest.history;
    info_.bytes_on_disk = bytes_on_disk;
    info_.log_bytes = log_bytes;
    for (const HeldSegment& held : held_) {
      SegmentView view;
      view.row_count = held.segment->row_count();
      view.postings = &held.segment->postings();
      view.columns = &held.segment->columns();
      view.deleted = held.deleted.get();
      view.vectors = [&held](std::string_view space) { return held.vectors(space); };
      views_.push_back(std::move(view));
      info_.segments += held.file != 0 ? 1 : 0;
    }
  }

  // Counted once for each segment, as long as nothing is marked or added in it.
  Info info() const override {
    Info info = info_;
    for (const Space& space : spaces_) info.spaces.push_back({space, 0});
    for (const HeldSegment& held : held_) {
      const SegmentCounts counts = held.counts(spaces_);
      info.rows += counts.live_rows;
      info.documents += counts.documents;
      info.failed += counts.failed;
      for (SpaceInfo& known : info.spaces) {
        const auto found = counts.vectors.find(known.space.name);
        if (found != counts.vectors.end()) known.rows += found->second;
      }
    }
    return info;
  }

  std::vector<SegmentInfo> segment_infos() const override {
    std::vector<SegmentInfo> infos;
    for (const HeldSegment& held : held_) {
      SegmentInfo info;
      info.file = held.file;
      info.rows = held.segment->row_count();
      info.deleted_rows = held.deleted ? held.deleted->count() : 0;
      info.documents = held.segment->document_count();
      info.bytes = held.segment->bytes().size();
      for (const auto& [space, sets] : held.late) info.late_files += sets.size();
      for (const Space& space : spaces_) {
        uint64_t& covered = info.vectors[space.name];
        for (const VectorSet* set : held.vectors(space.name)) covered += set->count();
      }
      infos.push_back(std::move(info));
    }
    return infos;
  }

  std::span<const Space> spaces() const override { return spaces_; }
  std::string_view settings() const override { return info_.settings; }
  std::span<const SegmentView> segments() const override { return views_; }

  Row row(const ScoredRow& at) const override {
    BlockCache cache;
    return read_row(at, cache);
  }

  std::string_view source(const ScoredRow& at) const override {
    const Segment& segment = *held_[at.segment].segment;
    return segment.documents().source(segment.rows().document(at.row));
  }

  std::vector<DocumentError> errors() const override {
    std::vector<DocumentError> errors;
    for (const HeldSegment& held : held_) {
      const DocumentTable& table = held.segment->documents();
      for (uint32_t d = 0; d < table.count(); ++d) {
        if (held.is_stale(d) || !table.has_error(d)) continue;
        if (auto state = table.state(d); state.error) errors.push_back(std::move(*state.error));
      }
    }
    return errors;
  }

  Status for_each_document(
      const std::function<Status(const DocumentState&)>& visit) const override {
    for (const HeldSegment& held : held_) {
      const DocumentTable& table = held.segment->documents();
      for (uint32_t d = 0; d < table.count(); ++d) {
        if (held.is_stale(d)) continue;
        DocumentState state = table.state(d);
        state.row_count = held.live_rows(d);
        HR_TRY(visit(state));
        if ((d + 1) % kDocumentsInSight == 0) held.segment->forget();
      }
    }
    return {};
  }

  Status for_each_document_name(
      const std::function<Status(const DocumentName&)>& visit) const override {
    for (uint32_t s = 0; s < held_.size(); ++s) {
      HR_TRY(for_each_document_name({s, 0, held_[s].segment->document_count()}, visit));
      held_[s].segment->forget();
    }
    return {};
  }

  Status for_each_document_name(
      DocumentRange range, const std::function<Status(const DocumentName&)>& visit) const override {
    const HeldSegment& held = held_[range.segment];
    const DocumentTable& table = held.segment->documents();
    for (uint32_t d = range.begin; d < range.end; ++d) {
      if (held.is_stale(d)) continue;
      HR_TRY(visit({range.segment, d, table.source(d), table.container(d), table.has_error(d)}));
      if ((d + 1) % kDocumentsInSight == 0) held.segment->forget();
    }
    return {};
  }

  Status for_each_row(
      const std::function<Status(const ScoredRow&, const Row&)>& visit) const override {
    BlockCache cache;
    for (uint32_t s = 0; s < held_.size(); ++s) {
      for (uint32_t row = 0; row < views_[s].row_count; ++row) {
        if (held_[s].is_deleted(row)) continue;
        const ScoredRow at{s, row, 0};
        HR_TRY(visit(at, read_row(at, cache)));
        if ((row + 1) % kDocumentsInSight == 0) held_[s].segment->forget();
      }
    }
    return {};
  }

  bool vector(const ScoredRow& at, std::string_view space, std::span<float> out) const override {
    for (const VectorSet* set : held_[at.segment].vectors(space)) {
      if (set->vector(at.row, out)) return true;
    }
    return false;
  }

  Status for_each_uncovered(
      std::string_view space,
      const std::function<Status(const ScoredRow&, const Row&)>& visit) const override {
    BlockCache cache;
    for (uint32_t s = 0; s < held_.size(); ++s) {
      const auto sets = held_[s].vectors(space);
      for (uint32_t row = 0; row < views_[s].row_count; ++row) {
        if (held_[s].is_deleted(row)) continue;
        bool covered = false;
        for (const VectorSet* set : sets) covered = covered || set->covers(row);
        const ScoredRow at{s, row, 0};
        if (!covered) HR_TRY(visit(at, read_row(at, cache)));
      }
    }
    return {};
  }

 private:
  Row read_row(const ScoredRow& at, BlockCache& cache) const {
    const Segment& segment = *held_[at.segment].segment;
    Row row;
    if (const auto blob = segment.rows().blob(at.row, cache)) decode_row_blob(*blob, row);
    row.key = segment.rows().key(at.row).hex();
    row.position = segment.rows().position(at.row);
    row.source = source(at);
    return row;
  }

  const std::vector<HeldSegment> held_;
  const std::vector<Space> spaces_;
  Info info_;
  std::vector<SegmentView> views_;
};

}  // namespace

SegmentCounts HeldSegment::counts(std::span<const Space> spaces) const {
  std::vector<std::shared_ptr<const void>> key = {deleted, stale};
  for (const auto& [space, sets] : late) key.insert(key.end(), sets.begin(), sets.end());
  // Which spaces there are and which are hidden is part of what is counted.
  std::string names;
  for (const Space& space : spaces) names += space.name + '\0';
  for (const std::string& space : hidden_spaces) names += '\1' + space;
  return count_cache->get(std::move(key), names, [&] {
    SegmentCounts counts;
    counts.live_rows = segment->row_count() - (deleted ? deleted->count() : 0);
    const DocumentTable& table = segment->documents();
    for (uint32_t d = 0; d < table.count(); ++d) {
      if ((d + 1) % kDocumentsInSight == 0) segment->forget();
      if (is_stale(d)) continue;
      if (table.has_error(d)) {
        ++counts.failed;
      } else if (!table.is_container(d)) {
        ++counts.documents;
      }
    }
    if (table.count() >= kDocumentsInSight) segment->forget();
    for (const Space& space : spaces) {
      uint64_t& covered = counts.vectors[space.name];
      for (const VectorSet* set : vectors(space.name)) {
        covered += set->count();
        if (!deleted) continue;
        for (uint32_t i = 0; i < set->count(); ++i) covered -= is_deleted(set->row_at(i));
      }
    }
    return counts;
  });
}

std::shared_ptr<const Snapshot> make_snapshot(std::vector<HeldSegment> segments,
                                              std::vector<Space> spaces, std::string settings,
                                              const Manifest& manifest, uint64_t bytes_on_disk,
                                              uint64_t log_bytes) {
  return std::make_shared<const HeldSnapshot>(std::move(segments), std::move(spaces),
                                              std::move(settings), manifest, bytes_on_disk,
                                              log_bytes);
}

uint64_t folder_bytes(FileSystem& files, const std::string& folder) {
  uint64_t bytes = 0;
  const auto names = files.list(folder);
  if (!names) return 0;
  for (const std::string& name : *names) {
    if (const auto known = files.stat(folder + "/" + name)) bytes += known->size;
  }
  return bytes;
}

}  // namespace headrace::index
