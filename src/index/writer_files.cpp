// The files of a writer: folding the log into a segment, merging, publishing, removing what is not
// needed any more.
#include <algorithm>
#include <set>

#include "index/history.h"
#include "index/log.h"
#include "index/logged_writer.h"
#include "index/segment_merge.h"
#include "index/snapshot.h"

namespace headrace::index {

// Writes `inputs` as one segment file; nothing when no row and no document is left.
Result<std::optional<HeldSegment>> LoggedWriter::write_segment(
    std::span<const SegmentMergeInput> inputs, bool lists) {
  HR_ASSIGN(const SegmentMergeMaps maps, plan_merge(inputs, DeadRows::drop));
  if (maps.row_count == 0 && maps.document_count == 0) return std::optional<HeldSegment>();
  HeldSegment held;
  held.file = next_file_++;
  const std::string path = path_of(FileKind::segment, held.file);
  HR_ASSIGN(const auto sink, FileSink::create(files_, path));
  const std::vector<std::string> spaces = state_->space_names();
  HR_TRY(merge_segments(inputs, maps, spaces,
                        {held.file,
                         BlobCodec::zstd,
                         {.lists = lists},
                         options_.background ? options_.memory_bytes_max / 2 : 0},
                        *sink));
  HR_TRY(sink->finish());
  HR_ASSIGN(held.segment, Segment::open_file(files_, path, path, kCheckAtOpenBytesMax));
  held.segment->forget();
  held.tried_lists = lists;
  return std::optional<HeldSegment>(std::move(held));
}

// Vectors that came late and are only in the log so far.
Status LoggedWriter::write_late(HeldSegment& held) {
  for (auto& [space, sets] : held.late) {
    for (auto& set : sets) {
      if (set->file != 0) continue;
      ManifestPatch patch{next_file_++, {}, space};
      const std::string path = path_of(FileKind::vectors, patch.file);
      HR_ASSIGN(const auto sink, FileSink::create(files_, path));
      SectionFileWriter writer(*sink, SectionFileType::vectors, patch.file);
      HR_ASSIGN(SectionSink * out, writer.begin(SectionKind::vectors, space));
      HR_TRY(out->append(set->image.bytes()));
      HR_ASSIGN(patch.seal, writer.finish(0, 0));
      HR_TRY(sink->finish());
      HR_ASSIGN(set, open_late_vectors(files_, path, patch));
    }
  }
  return {};
}

// Publishes `segments` as the knowledge base. With `log`, everything in the old one is in them;
// without, the old one goes on, and those in memory stay there: what it says is said again to who
// opens the new manifest, and saying it twice changes nothing, since it speaks of keys and sources.
Status LoggedWriter::publish(std::vector<HeldSegment> segments, Manifest manifest,
                             std::unique_ptr<LogWriter> log) {
  manifest.segments.clear();
  bool any_deletes = false;
  HR_TRY(lock_->check());
  // Deletes that the new manifest holds must not outlive the log that holds what replaced them.
  if (!log) HR_TRY(log_->sync());
  for (HeldSegment& held : segments) {
    if (held.file == 0) continue;
    HR_TRY(write_late(held));
    ManifestSegment entry;
    entry.file = held.file;
    entry.seal = held.segment->file().seal();
    entry.row_count = held.segment->row_count();
    entry.document_count = held.segment->document_count();
    entry.hidden_spaces = held.hidden_spaces;
    for (const auto& [space, sets] : held.late) {
      for (const auto& set : sets) entry.patches.push_back({set->file, set->seal, space});
    }
    manifest.segments.push_back(std::move(entry));
    any_deletes = any_deletes || held.deleted || held.stale;
  }
  manifest.deletes_file = 0;
  manifest.deletes_seal = {};
  if (any_deletes) {
    manifest.deletes_file = next_file_++;
    HR_ASSIGN(const auto sink,
              FileSink::create(files_, path_of(FileKind::deletes, manifest.deletes_file)));
    HR_ASSIGN(manifest.deletes_seal, write_deletes(*sink, manifest.deletes_file, segments));
    HR_TRY(sink->finish());
  }
  manifest.next_file = next_file_;
  manifest.number = state_->manifest().number + 1;
  manifest.is_whole = log || (log_->end() <= kLogHeaderBytes && is_one_log());
  manifest.spaces = state_->spaces();
  manifest.settings = state_->settings();
  manifest.published_ms = files_.now_ns() / 1'000'000;
  HR_TRY(files_.sync_folder(path_));
  bool visible = false;
  const Status published = publish_manifest(files_, path_, manifest, visible);
  if (!published && !visible) return published;
  state_->set_manifest(std::move(manifest));
  state_->set_segments(std::move(segments));
  if (log) log_ = std::move(log);
  folder_owed_ = !published;
  if (published) remove_unreferenced();
  show();
  return published;
}

// Publishes `manifest` as the next one of the same segments.
Status LoggedWriter::publish_as_is(Manifest manifest) {
  manifest.next_file = next_file_;
  manifest.number = state_->manifest().number + 1;
  manifest.published_ms = files_.now_ns() / 1'000'000;
  bool visible = false;
  const Status published = publish_manifest(files_, path_, manifest, visible);
  if (!published && !visible) return published;
  state_->set_manifest(std::move(manifest));
  folder_owed_ = !published;
  if (published) remove_unreferenced();
  return published;
}

size_t LoggedWriter::file_segments() const {
  const auto& segments = state_->segments();
  return static_cast<size_t>(std::count_if(segments.begin(), segments.end(),
                                           [](const HeldSegment& held) { return held.file != 0; }));
}

LogHeader LoggedWriter::next_log() const {
  const Manifest& manifest = state_->manifest();
  LogHeader header{manifest.last_log + 1, 0, log_->next_transaction(), manifest.knowledge_base};
  if (options_.durability == Durability::async) header.version = kLogVersionAsync;
  return header;
}

Status LoggedWriter::flush_locked(bool whole) {
  HR_TRY(settle());
  HR_TRY(settle_folder());
  HR_TRY(finish_fold());
  if (log_->end() <= kLogHeaderBytes && !log_->unfit() && is_one_log()) return adopt_if_cheap();
  const Status status = [&]() HR_REQUIRES(mutex_) -> Status {
    std::vector<HeldSegment> kept;
    std::vector<SegmentMergeInput> inputs;
    for (const HeldSegment& held : state_->segments()) {
      if (held.file != 0 && !whole) {
        kept.push_back(held);
      } else {
        inputs.push_back(merge_input(held));
      }
    }
    const bool adopts = !whole && merging_.stage == MergeStage::done;
    if (adopts) HR_TRY(adopt(*merging_.merge, kept));
    if (!inputs.empty()) {
      HR_ASSIGN(auto written, write_segment(inputs, whole));
      if (written) kept.push_back(std::move(*written));
    }
    const LogHeader header = next_log();
    Manifest manifest = state_->manifest();
    manifest.first_log = manifest.last_log = header.id;
    HR_ASSIGN(auto log, LogWriter::create(files_, path_of(FileKind::log, header.id), header));
    const uint64_t number = manifest.number;
    const Status published = publish(std::move(kept), std::move(manifest), std::move(log));
    if (adopts && state_->manifest().number != number) drop(merging_);
    return published;
  }();
  if (!status && !folder_owed_) remove_unreferenced();
  return status;
}

// A manifest that readers see already, but that a power cut might still undo: nothing is
// acknowledged on top of it, and nothing it replaced is removed, until its name is durable.
Status LoggedWriter::settle_folder() {
  if (!folder_owed_) return {};
  HR_TRY(files_.sync_folder(path_));
  folder_owed_ = false;
  remove_unreferenced();
  return {};
}

// Files that the manifest does not name: left by a crash, a failed flush, or superseded. Readers
// that have them mapped keep them.
void LoggedWriter::remove_unreferenced() {
  const Manifest& manifest = state_->manifest();
  std::set<std::string> named = {"LOCK", file_name(FileKind::manifest, manifest.number)};
  for (uint64_t log = manifest.first_log; log <= manifest.last_log; ++log)
    named.insert(file_name(FileKind::log, log));
  insert_file_names(manifest, named);
  for (const Manifest& kept : kept_manifests(files_, path_, manifest)) {
    named.insert(file_name(FileKind::manifest, kept.number));
    insert_file_names(kept, named);
  }
  for (const Lane* lane : {&merging_, &folding_}) {
    if (lane->merge) named.insert(file_name(FileKind::segment, lane->merge->file));
  }
  const auto names = files_.list(path_);
  if (!names) return;
  for (const std::string& name : *names) {
    // What is not ours is left alone. A file that cannot be removed now is removed later.
    if (named.contains(name) || parse_file_name(name).kind == FileKind::other) continue;
    const Status removed = files_.remove(path_ + "/" + name);
    static_cast<void>(removed);
  }
  files_bytes_ = folder_bytes(files_, path_);
}

}  // namespace headrace::index
