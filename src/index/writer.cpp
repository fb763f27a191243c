// The Writer: changes go to the log, become durable and visible at commit, and are folded into file
// segments by flush, whose manifest is the only commit point of files.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>

#include "index/log.h"
#include "index/row_codec.h"
#include "index/segment_merge.h"
#include "index/snapshot.h"
#include "index/store_state.h"

namespace headrace::index {

namespace {

// So many neighbouring file segments are merged into one.
constexpr size_t kMergeWidth = 5;
constexpr const char* kLockName = "LOCK";
// One log frame holds a document with all its rows.
constexpr uint64_t kDocumentBytesMax = 1ULL << 30;

Hash128 new_identity(const std::string& path) {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return hash128(fmt::format("{}|{}|{}", path, now, ::getpid()));
}

// Nothing may reach the log that cannot be read back from it.
Status check_document(const DocumentWrite& document) {
  uint64_t bytes = 0;
  for (const Row& row : document.rows) {
    Hash128 key;
    if (!parse_row_key(row.key, key)) {
      return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no row key", row.key));
    }
    bytes += row.text.size() + row.title.size() + row.heading.size() + 64;
    for (const auto& [name, value] : row.metadata) {
      bytes += name.size() + 16;
      if (const auto* text = std::get_if<std::string>(&value)) bytes += text->size();
      if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
        for (const std::string& item : *list) bytes += item.size() + 8;
      }
    }
  }
  if (bytes <= kDocumentBytesMax) return {};
  return fail(ErrorCode::too_large,
              fmt::format("{}: {} MiB of rows in one document; {} are possible", document.source,
                          bytes >> 20, kDocumentBytesMax >> 20),
              "split it into several documents");
}

bool same_space(const Space& a, const Space& b) {
  return a.name == b.name && a.model == b.model && a.fingerprint == b.fingerprint &&
         a.dimension == b.dimension && a.metric == b.metric;
}

class LoggedWriter : public Writer {
 public:
  LoggedWriter(FileSystem& files, std::string path, WriterOptions options)
      : files_(files), path_(std::move(path)), options_(std::move(options)) {}

  Status start() {
    MutexLock guard(mutex_);
    if (options_.create) HR_TRY(files_.make_folder(path_));
    HR_ASSIGN(lock_, files_.lock(path_ + "/" + kLockName));
    auto manifest = load_newest_manifest(files_, path_);
    if (!manifest) {
      if (manifest.error().code() != ErrorCode::not_found || !options_.create)
        return std::unexpected(std::move(manifest).error());
      manifest = make_first();
      if (!manifest) return std::unexpected(std::move(manifest).error());
    }
    HR_ASSIGN(StoreState state, StoreState::open(files_, path_, std::move(*manifest)));
    state_ = std::make_unique<StoreState>(std::move(state));
    HR_TRY(replay());
    remove_unreferenced();
    show();
    return {};
  }

  Status put(DocumentWrite document) override {
    HR_TRY(check_document(document));
    MutexLock guard(mutex_);
    HR_TRY(ready());
    DocumentState known;
    known.source = document.source;
    known.container = document.container;
    known.stamp = document.stamp;
    known.content_hash = document.content_hash;
    known.settings = document.settings;
    known.is_container = document.is_container;
    known.row_count = static_cast<uint32_t>(document.rows.size());
    known.error = document.error;
    if (document.error) {
      document.rows.clear();
      if (const auto before = known_document(document.source)) known.row_count = before->row_count;
    }
    pending_documents_[document.source] = std::move(known);
    return add(std::move(document));
  }

  Status remove(std::string_view source) override {
    MutexLock guard(mutex_);
    HR_TRY(ready());
    if (!known_document(source)) return {};
    pending_documents_[std::string(source)] = std::nullopt;
    return add(RemoveSource{std::string(source)});
  }

  Result<uint64_t> remove_where(const Filter& filter) override {
    MutexLock guard(mutex_);
    HR_TRY(ready());
    HR_TRY(commit_locked());
    RemoveRows removed;
    std::vector<std::string> emptied;
    for (const HeldSegment& held : state_->segments()) {
      HR_ASSIGN(const RowBitmap matching, filter.evaluate(held.segment->columns()));
      std::map<uint32_t, uint32_t> by_document;
      for (uint32_t row = 0; row < held.segment->row_count(); ++row) {
        if (!matching.test(row) || held.is_deleted(row)) continue;
        removed.keys.push_back(held.segment->rows().key(row));
        ++by_document[held.segment->rows().document(row)];
      }
      for (const auto& [document, rows] : by_document) {
        if (rows == held.live_rows(document))
          emptied.emplace_back(held.segment->documents().source(document));
      }
    }
    const uint64_t count = removed.keys.size();
    if (count == 0) return count;
    HR_TRY(add(std::move(removed)));
    // A document without rows is forgotten, so that indexing its file again brings it back.
    for (const std::string& source : emptied) {
      pending_documents_[source] = std::nullopt;
      HR_TRY(add(RemoveSource{source}));
    }
    return count;
  }

  Status put_vectors(std::string_view space, std::span<const std::string> keys,
                     std::span<const float> vectors) override {
    MutexLock guard(mutex_);
    HR_TRY(ready());
    const std::optional<Space> known = find_space(space);
    if (!known) {
      return fail(ErrorCode::not_found, fmt::format("{} has no vectors named \"{}\"", path_, space),
                  "add the space first");
    }
    if (vectors.size() != keys.size() * known->dimension) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} vectors of dimension {} have {} numbers", keys.size(),
                              known->dimension, vectors.size()));
    }
    HR_TRY(check_vectors(vectors, known->dimension, known->metric));
    SetVectors change{std::string(space), {}, {vectors.begin(), vectors.end()}};
    change.keys.resize(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
      if (!parse_key(keys[i], change.keys[i]))
        return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no row key", keys[i]));
    }
    return add(std::move(change));
  }

  Status add_space(const Space& space) override {
    MutexLock guard(mutex_);
    HR_TRY(ready());
    if (space.dimension == 0 || space.dimension > 4096) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("a dimension of {} is not possible", space.dimension),
                  "give 1 to 4096");
    }
    if (const auto known = find_space(space.name)) {
      if (same_space(*known, space)) return {};
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} already has vectors named \"{}\" of {}", path_, space.name,
                              known->model.empty() ? "your own" : known->model),
                  "use that model, or another knowledge base");
    }
    HR_TRY(add(space));
    return commit_locked();
  }

  // A manifest says it all: no log record is needed, and none that an older program would not know.
  Status drop_space(std::string_view name) override {
    MutexLock guard(mutex_);
    HR_TRY(ready());
    if (!find_space(name)) {
      return fail(ErrorCode::not_found, fmt::format("{} has no vectors named \"{}\"", path_, name),
                  "headrace space list shows the spaces it has");
    }
    HR_TRY(commit_locked());
    HR_TRY(flush_locked());
    std::vector<HeldSegment> segments = state_->segments();
    for (HeldSegment& held : segments) held.drop_vectors(name);
    const std::vector<Space> before = state_->spaces();
    std::vector<Space> spaces = before;
    std::erase_if(spaces, [&](const Space& space) { return space.name == name; });
    state_->set_spaces(std::move(spaces));
    const uint64_t number = state_->manifest().number;
    const Status dropped = publish(std::move(segments), state_->manifest(), nullptr);
    if (state_->manifest().number == number) {  // nobody can see it
      state_->set_spaces(before);
      remove_unreferenced();
    }
    return dropped;
  }

  Status set_settings(const std::string& settings) override {
    MutexLock guard(mutex_);
    HR_TRY(ready());
    if (settings == state_->settings()) return {};
    HR_TRY(add(settings));
    return commit_locked();
  }

  Status commit() override {
    MutexLock guard(mutex_);
    HR_TRY(ready());
    return commit_locked();
  }

  Status flush() override {
    MutexLock guard(mutex_);
    HR_TRY(ready());
    HR_TRY(commit_locked());
    return flush_locked();
  }

  Status optimize() override {
    MutexLock guard(mutex_);
    HR_TRY(ready());
    HR_TRY(commit_locked());
    HR_TRY(flush_locked());
    const auto& segments = state_->segments();
    const bool clean = segments.size() <= 1 &&
                       std::all_of(segments.begin(), segments.end(), [](const HeldSegment& held) {
                         return !held.deleted && !held.stale && held.late.empty();
                       });
    return clean ? Status{} : merge(0, segments.size());
  }

  std::shared_ptr<const Snapshot> snapshot() const override {
    MutexLock guard(mutex_);
    return snapshot_;
  }

  std::optional<DocumentState> document(std::string_view source) const override {
    MutexLock guard(mutex_);
    return known_document(source);
  }

 private:
  static bool parse_key(const std::string& text, Hash128& key) {
    if (text.size() != 32) return false;
    const auto half = [&](size_t at, uint64_t& out) {
      const char* end = text.data() + at + 16;
      const auto r = std::from_chars(text.data() + at, end, out, 16);
      return r.ec == std::errc{} && r.ptr == end;
    };
    return half(0, key.high) && half(16, key.low);
  }

  std::string path_of(FileKind kind, uint64_t number) const {
    return file_path(path_, kind, number);
  }

  Result<Manifest> make_first() HR_REQUIRES(mutex_) {
    Manifest manifest;
    manifest.number = 1;
    manifest.knowledge_base = new_identity(path_);
    manifest.language = options_.language;
    manifest.settings = options_.settings;
    manifest.first_log = 1;
    HR_ASSIGN(auto log, LogWriter::create(files_, path_of(FileKind::log, 1),
                                          {1, 0, 1, manifest.knowledge_base}));
    HR_TRY(files_.sync_folder(path_));
    bool visible = false;
    HR_TRY(publish_manifest(files_, path_, manifest, visible));
    return manifest;
  }

  Status replay() HR_REQUIRES(mutex_) {
    const uint64_t id = state_->manifest().first_log;
    const std::string path = path_of(FileKind::log, id);
    HR_ASSIGN(const auto reader, LogReader::open(files_, path, id));
    HR_ASSIGN(const FileStat known, files_.stat(path));
    HR_TRY(reader->scan(known.size));
    std::vector<Change> changes;
    HR_TRY(reader->replay(0, [&](const LogFrame& frame) { return read_change(frame, changes); }));
    if (!changes.empty()) HR_TRY(state_->apply(std::move(changes)));
    HR_ASSIGN(log_, LogWriter::reopen(files_, path, reader->end(), reader->chain(),
                                      reader->next_transaction()));
    return {};
  }

  // After a failed sync the log takes nothing more: a new one is needed first.
  Status ready() HR_REQUIRES(mutex_) {
    if (!log_->unfit()) return {};
    pending_.clear();
    pending_documents_.clear();
    return flush_locked();
  }

  std::optional<Space> find_space(std::string_view name) const HR_REQUIRES(mutex_) {
    for (const Space& space : state_->spaces()) {
      if (space.name == name) return space;
    }
    for (const Change& change : pending_) {
      if (const auto* space = std::get_if<Space>(&change); space != nullptr && space->name == name)
        return *space;
    }
    return std::nullopt;
  }

  std::optional<DocumentState> known_document(std::string_view source) const HR_REQUIRES(mutex_) {
    if (const auto found = pending_documents_.find(source); found != pending_documents_.end())
      return found->second;
    return state_->document(source);
  }

  Status add(Change change) HR_REQUIRES(mutex_) {
    log_change(change, *log_);
    pending_.push_back(std::move(change));
    if (log_->buffered_bytes() < options_.log_buffer_bytes_max) return {};
    if (Status status = log_->write_buffer(); !status) return give_up(std::move(status));
    return {};
  }

  // What was put since the last commit is forgotten; what was acknowledged stays.
  Status give_up(Status status) HR_REQUIRES(mutex_) {
    log_->roll_back(log_->last_failure_was_sync());
    pending_.clear();
    pending_documents_.clear();
    return status;
  }

  Status commit_locked() HR_REQUIRES(mutex_) {
    if (pending_.empty()) return {};
    HR_TRY(settle_folder());
    // What went to the log is let go of before the segment is built.
    if (Status status = log_->write_and_sync(log_->close_transaction()); !status)
      return give_up(std::move(status));
    log_->acknowledge();
    std::vector<Change> changes = std::exchange(pending_, {});
    pending_documents_.clear();
    HR_TRY(state_->apply(std::move(changes), options_.memory_bytes_max));
    show();
    if (state_->memory_bytes() > options_.memory_bytes_max ||
        log_->end() > options_.memory_bytes_max) {
      // The commit itself is done: a flush that fails (a full disk) is tried again by the next one.
      const Status flushed = flush_locked();
      if (!flushed && state_->memory_bytes() > 4 * options_.memory_bytes_max) return flushed;
    }
    return {};
  }

  void show() HR_REQUIRES(mutex_) {
    snapshot_ = state_->view(files_bytes_ + log_->end(), log_->end());
  }

  // Writes `inputs` as one segment file; nothing when no row and no document is left.
  Result<std::optional<HeldSegment>> write_segment(std::span<const SegmentMergeInput> inputs,
                                                   Manifest& manifest) HR_REQUIRES(mutex_) {
    HR_ASSIGN(const SegmentMergeMaps maps, plan_merge(inputs, DeadRows::drop));
    if (maps.row_count == 0 && maps.document_count == 0) return std::optional<HeldSegment>();
    HeldSegment held;
    held.file = manifest.next_file++;
    const std::string path = path_of(FileKind::segment, held.file);
    HR_ASSIGN(const auto sink, FileSink::create(files_, path));
    const std::vector<std::string> spaces = state_->space_names();
    HR_TRY(merge_segments(inputs, maps, spaces, {held.file, BlobCodec::zstd}, *sink));
    HR_TRY(sink->finish());
    HR_ASSIGN(held.segment, Segment::open_file(files_, path, path, kCheckAtOpenBytesMax));
    held.segment->forget();
    return std::optional<HeldSegment>(std::move(held));
  }

  // Vectors that came late and are only in the log so far.
  Status write_late(HeldSegment& held, Manifest& manifest) HR_REQUIRES(mutex_) {
    for (auto& [space, sets] : held.late) {
      for (auto& set : sets) {
        if (set->file != 0) continue;
        ManifestPatch patch{manifest.next_file++, {}, space};
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

  // Publishes `segments` as the knowledge base. With `log`, everything in the old one is in them.
  Status publish(std::vector<HeldSegment> segments, Manifest manifest,
                 std::unique_ptr<LogWriter> log) HR_REQUIRES(mutex_) {
    manifest.segments.clear();
    bool any_deletes = false;
    for (HeldSegment& held : segments) {
      HR_TRY(write_late(held, manifest));
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
      manifest.deletes_file = manifest.next_file++;
      HR_ASSIGN(const auto sink,
                FileSink::create(files_, path_of(FileKind::deletes, manifest.deletes_file)));
      HR_ASSIGN(manifest.deletes_seal, write_deletes(*sink, manifest.deletes_file, segments));
      HR_TRY(sink->finish());
    }
    manifest.number = state_->manifest().number + 1;
    manifest.spaces = state_->spaces();
    manifest.settings = state_->settings();
    HR_TRY(files_.sync_folder(path_));
    bool visible = false;
    const Status published = publish_manifest(files_, path_, manifest, visible);
    if (!published && !visible) return published;
    const size_t before = state_->segments().size();
    state_->set_manifest(std::move(manifest));
    state_->replace_segments(0, before, std::move(segments));
    if (log) log_ = std::move(log);
    folder_owed_ = !published;
    if (published) remove_unreferenced();
    show();
    return published;
  }

  Status flush_locked() HR_REQUIRES(mutex_) {
    HR_TRY(settle_folder());
    const auto& segments = state_->segments();
    if (log_->end() <= kLogHeaderBytes && !log_->unfit()) return {};
    Manifest manifest = state_->manifest();
    std::vector<HeldSegment> kept;
    std::vector<SegmentMergeInput> inputs;
    for (const HeldSegment& held : segments) {
      if (held.file != 0) {
        kept.push_back(held);
      } else {
        inputs.push_back(merge_input(held));
      }
    }
    const Status status = [&]() -> Status {
      if (!inputs.empty()) {
        HR_ASSIGN(auto written, write_segment(inputs, manifest));
        if (written) kept.push_back(std::move(*written));
      }
      LogHeader header{manifest.first_log + 1, 0, log_->next_transaction(),
                       manifest.knowledge_base};
      manifest.first_log = header.id;
      HR_ASSIGN(auto log, LogWriter::create(files_, path_of(FileKind::log, header.id), header));
      return publish(std::move(kept), std::move(manifest), std::move(log));
    }();
    if (!status) {
      if (!folder_owed_) remove_unreferenced();
      return status;
    }
    return compact();
  }

  // A manifest that readers see already, but that a power cut might still undo: nothing is
  // acknowledged on top of it, and nothing it replaced is removed, until its name is durable.
  Status settle_folder() HR_REQUIRES(mutex_) {
    if (!folder_owed_) return {};
    HR_TRY(files_.sync_folder(path_));
    folder_owed_ = false;
    remove_unreferenced();
    return {};
  }

  // Neighbouring segments are merged where that is cheapest, as long as they are not too large to
  // be merged within the memory given.
  Status compact() HR_REQUIRES(mutex_) {
    while (state_->segments().size() > options_.segments_max) {
      const auto& segments = state_->segments();
      size_t best = 0;
      uint64_t best_bytes = UINT64_MAX;
      const size_t width = std::min(kMergeWidth, options_.segments_max + 1);
      for (size_t begin = 0; begin + width <= segments.size(); ++begin) {
        uint64_t bytes = 0;
        for (size_t i = begin; i < begin + width; ++i) bytes += segments[i].segment->bytes().size();
        if (bytes < best_bytes) {
          best_bytes = bytes;
          best = begin;
        }
      }
      if (best_bytes > 4 * options_.memory_bytes_max) return {};
      HR_TRY(merge(best, width));
    }
    return {};
  }

  // Only when the log is empty: the manifest it publishes names the same log.
  Status merge(size_t first, size_t count) HR_REQUIRES(mutex_) {
    const auto& segments = state_->segments();
    Manifest manifest = state_->manifest();
    std::vector<SegmentMergeInput> inputs;
    for (size_t i = first; i < first + count; ++i) inputs.push_back(merge_input(segments[i]));
    const Status status = [&]() -> Status {
      HR_ASSIGN(auto written, write_segment(inputs, manifest));
      std::vector<HeldSegment> result(segments.begin(),
                                      segments.begin() + static_cast<std::ptrdiff_t>(first));
      if (written) result.push_back(std::move(*written));
      for (size_t i = first + count; i < segments.size(); ++i) result.push_back(segments[i]);
      return publish(std::move(result), std::move(manifest), nullptr);
    }();
    if (!status && !folder_owed_) remove_unreferenced();
    return status;
  }

  // Files that the manifest does not name: left by a crash, a failed flush, or superseded. Readers
  // that have them mapped keep them.
  void remove_unreferenced() HR_REQUIRES(mutex_) {
    const Manifest& manifest = state_->manifest();
    std::set<std::string> named = {kLockName, file_name(FileKind::manifest, manifest.number),
                                   file_name(FileKind::log, manifest.first_log)};
    for (const ManifestSegment& segment : manifest.segments) {
      named.insert(file_name(FileKind::segment, segment.file));
      for (const ManifestPatch& patch : segment.patches)
        named.insert(file_name(FileKind::vectors, patch.file));
    }
    if (manifest.deletes_file != 0)
      named.insert(file_name(FileKind::deletes, manifest.deletes_file));
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

  FileSystem& files_;
  const std::string path_;
  const WriterOptions options_;
  mutable Mutex mutex_;
  std::unique_ptr<FileLock> lock_ HR_GUARDED_BY(mutex_);
  std::unique_ptr<StoreState> state_ HR_GUARDED_BY(mutex_);
  std::unique_ptr<LogWriter> log_ HR_GUARDED_BY(mutex_);
  std::vector<Change> pending_ HR_GUARDED_BY(mutex_);
  std::map<std::string, std::optional<DocumentState>, std::less<>> pending_documents_
      HR_GUARDED_BY(mutex_);
  bool folder_owed_ HR_GUARDED_BY(mutex_) = false;
  uint64_t files_bytes_ HR_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<const Snapshot> snapshot_ HR_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<Writer>> Writer::open(FileSystem& files, const std::string& path,
                                             WriterOptions options) {
  auto writer = std::make_unique<LoggedWriter>(files, path, std::move(options));
  HR_TRY(writer->start());
  return std::unique_ptr<Writer>(std::move(writer));
}

}  // namespace headrace::index
