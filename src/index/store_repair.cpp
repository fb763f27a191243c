// repair: a new manifest of what damaged files still prove. Nothing is thrown away: damaged files
// stay under another name.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "index/log.h"
#include "index/row_codec.h"
#include "index/segment_merge.h"
#include "index/segment_salvage.h"
#include "index/snapshot.h"
#include "index/store_state.h"

namespace headrace::index {

namespace {

class Repairer {
 public:
  Repairer(FileSystem& files, const std::string& path) : files_(files), path_(path) {}

  Result<RepairReport> run() {
    HR_ASSIGN(const auto names, files_.list(path_));
    const bool any = std::any_of(names.begin(), names.end(), [](const std::string& name) {
      return parse_file_name(name).kind != FileKind::other;
    });
    if (!any) {
      return fail(ErrorCode::not_found, fmt::format("{} is no knowledge base", path_),
                  "check the path");
    }
    HR_ASSIGN(const auto lock, files_.lock(path_ + "/LOCK"));
    // What is whole needs no new manifest.
    HR_ASSIGN(const VerifyReport before, verify(files_, path_));
    if (before.ok()) return finish();
    for (const std::string& name : names) {
      const FileName parsed = parse_file_name(name);
      if (parsed.kind == FileKind::manifest) manifests_.push_back(parsed.number);
      if (parsed.kind == FileKind::segment) segments_.push_back(parsed.number);
      if (parsed.kind == FileKind::log) logs_.push_back(parsed.number);
      if (parsed.kind == FileKind::segment || parsed.kind == FileKind::vectors ||
          parsed.kind == FileKind::deletes || parsed.kind == FileKind::temporary)
        next_file_ = std::max(next_file_, parsed.number + 1);
    }
    HR_TRY(choose_manifest());
    for (const ManifestSegment& entry : manifest_.segments) HR_TRY(take_segment(entry));
    take_deletes();
    supersede();
    retire_past_states();
    HR_TRY(write_log());
    HR_TRY(publish());
    for (const std::string& damaged : damaged_) {
      if (!files_.rename(damaged, damaged + ".damaged")) continue;
      report_.moved.push_back(damaged + ".damaged");
    }
    HR_TRY(files_.sync_folder(path_));
    return finish();
  }

 private:
  struct Taken {
    HeldSegment held;
    uint64_t old_file = 0;
    uint32_t old_rows = 0, old_documents = 0;
    // Old number → new number; empty: as they were.
    std::vector<uint32_t> row_map, document_map;
  };

  Result<RepairReport> finish() {
    HR_ASSIGN(const auto reader, Reader::open(files_, path_));
    HR_ASSIGN(const auto snapshot, reader->snapshot());
    const Info info = snapshot->info();
    report_.rows = info.rows;
    report_.documents = info.documents;
    return report_;
  }

  void lose(std::string what) { report_.lost.push_back(std::move(what)); }
  std::string path_of(FileKind kind, uint64_t number) const {
    return file_path(path_, kind, number);
  }

  Status choose_manifest() {
    std::sort(manifests_.rbegin(), manifests_.rend());
    for (const uint64_t number : manifests_) {
      auto manifest = load_manifest(files_, path_, number);
      if (manifest) {
        manifest_ = std::move(*manifest);
        next_file_ = std::max(next_file_, manifest_.next_file);
        number_ = std::max(number_, manifests_.front());
        if (number != manifests_.front()) take_what_is_newer();
        return {};
      }
      if (manifest.error().code() == ErrorCode::unsupported)
        return std::unexpected(std::move(manifest).error());
      lose(manifest.error().message() + "; settings, deleted rows and the order of files are lost");
      damaged_.push_back(path_of(FileKind::manifest, number));
    }
    // Every segment says itself what it holds.
    number_ = manifests_.empty() ? 1 : manifests_.front();
    manifest_.language = "en";
    manifest_.knowledge_base = hash128(path_);
    find_logs();
    if (manifests_.empty()) lose(path_ + ": there is no manifest");
    for (const uint64_t file : segments_) {
      ManifestSegment entry;
      entry.file = file;
      manifest_.segments.push_back(std::move(entry));
      find_spaces(path_of(FileKind::segment, file));
    }
    return {};
  }

  // A manifest of the past knows the settings, but not the files that came after it.
  void take_what_is_newer() {
    find_logs();
    for (const uint64_t file : segments_) {
      if (std::ranges::find(manifest_.segments, file, &ManifestSegment::file) !=
          manifest_.segments.end())
        continue;
      ManifestSegment entry;
      entry.file = file;
      manifest_.segments.push_back(std::move(entry));
      find_spaces(path_of(FileKind::segment, file));
    }
  }

  void find_logs() {
    manifest_.last_log = logs_.empty() ? 1 : *std::max_element(logs_.begin(), logs_.end());
    manifest_.first_log = manifest_.last_log;
    while (goes_on_from_the_one_before(manifest_.first_log)) --manifest_.first_log;
  }

  bool goes_on_from_the_one_before(uint64_t id) const {
    if (id <= 1 || !files_.stat(path_of(FileKind::log, id - 1))) return false;
    const auto log = LogReader::open(files_, path_of(FileKind::log, id), id);
    return log && (*log)->header().previous_end != 0;
  }

  // Without a manifest the model of a space is not known any more, but its vectors are.
  void find_spaces(const std::string& path) {
    const auto segment = Segment::open_file(files_, path, path, kCheckAtOpenBytesMax);
    if (!segment) return;
    for (const auto& section : (*segment)->file().sections()) {
      if (section.kind != SectionKind::vectors) continue;
      const auto known =
          std::find_if(manifest_.spaces.begin(), manifest_.spaces.end(),
                       [&](const Space& space) { return space.name == section.name; });
      if (known != manifest_.spaces.end()) continue;
      const VectorSet* set = (*segment)->vectors(section.name);
      Space space;
      space.name = section.name;
      space.dimension = set->dimension();
      space.metric = set->metric();
      manifest_.spaces.push_back(std::move(space));
    }
  }

  Status take_segment(const ManifestSegment& entry) {
    const std::string path = path_of(FileKind::segment, entry.file);
    Taken taken;
    taken.old_file = entry.file;
    const bool sealed = entry.seal.size != 0;
    const auto whole = [&]() -> Result<std::shared_ptr<const Segment>> {
      HR_ASSIGN(auto segment, Segment::open_file(files_, path, path, UINT64_MAX));
      HR_TRY(segment->file().check_all());
      HR_TRY(segment->check());
      if (sealed && segment->file().seal() != entry.seal)
        return fail(ErrorCode::damaged, path + " is not the file the manifest names");
      return segment;
    }();
    if (whole) {
      taken.held.segment = *whole;
      taken.held.file = entry.file;
      taken.held.hidden_spaces = entry.hidden_spaces;
    } else {
      lose(whole.error().message());
      const auto mapped = files_.map(path);
      if (!mapped) {
        lose(fmt::format("{}: {} rows of {} documents", path, entry.row_count,
                         entry.document_count));
        return {};
      }
      damaged_.push_back(path);
      auto salvaged =
          salvage_segment((*mapped)->bytes(), path, manifest_.language, manifest_.spaces);
      if (!salvaged) {
        lose(fmt::format("{}: {} rows of {} documents ({})", path, entry.row_count,
                         entry.document_count, salvaged.error().message()));
        return {};
      }
      for (std::string& lost : salvaged->lost) lose(std::move(lost));
      HR_ASSIGN(auto written, write_segment(*salvaged));
      if (!written) return {};
      taken.held.segment = std::move(written);
      taken.held.file = next_file_ - 1;
      taken.held.stale = salvaged->stale;
      taken.row_map = std::move(salvaged->row_map);
      taken.document_map = std::move(salvaged->document_map);
      // Vectors that were hidden in the old file must stay so.
      for (const std::string& space : entry.hidden_spaces) {
        if (taken.held.segment->vectors(space) != nullptr)
          taken.held.hidden_spaces.push_back(space);
      }
    }
    for (const ManifestPatch& patch : entry.patches) HR_TRY(take_patch(patch, taken));
    taken_.push_back(std::move(taken));
    return {};
  }

  Result<std::shared_ptr<const Segment>> write_segment(const SalvagedSegment& salvaged) {
    const SegmentMergeInput input{salvaged.segment.get(), nullptr, nullptr,
                                  [&](std::string_view space) {
                                    std::vector<const VectorSet*> sets;
                                    if (const auto* own = salvaged.segment->vectors(space))
                                      sets.push_back(own);
                                    return sets;
                                  }};
    HR_ASSIGN(const SegmentMergeMaps maps, plan_merge({&input, 1}, DeadRows::keep));
    if (maps.row_count == 0 && maps.document_count == 0) return std::shared_ptr<const Segment>();
    const uint64_t file = next_file_++;
    const std::string path = path_of(FileKind::segment, file);
    HR_ASSIGN(const auto sink, FileSink::create(files_, path));
    std::vector<std::string> spaces;
    for (const Space& space : manifest_.spaces) spaces.push_back(space.name);
    HR_TRY(merge_segments({&input, 1}, maps, spaces, {file, BlobCodec::zstd}, *sink));
    HR_TRY(sink->finish());
    return Segment::open_file(files_, path, path, kCheckAtOpenBytesMax);
  }

  Status take_patch(const ManifestPatch& patch, Taken& taken) {
    const std::string path = path_of(FileKind::vectors, patch.file);
    const auto late = [&]() -> Result<std::shared_ptr<const LateVectors>> {
      HR_ASSIGN(auto opened, open_late_vectors(files_, path, patch));
      HR_ASSIGN(const SectionFile file, SectionFile::open(opened->mapped->bytes(), path,
                                                          SectionFileType::vectors, UINT64_MAX));
      HR_TRY(file.check_all());
      HR_TRY(opened->set->check());
      return opened;
    }();
    if (!late) {
      lose(late.error().message() + "; its vectors are made again by the next `index`");
      if (files_.stat(path)) damaged_.push_back(path);
      return {};
    }
    if (taken.row_map.empty()) {
      taken.held.late[patch.space].push_back(*late);
      return {};
    }
    const auto space = std::find_if(manifest_.spaces.begin(), manifest_.spaces.end(),
                                    [&](const Space& known) { return known.name == patch.space; });
    if (space == manifest_.spaces.end()) return {};
    VectorSetBuilder builder(space->dimension, space->metric);
    std::vector<float> vector(space->dimension);
    for (uint32_t i = 0; i < (*late)->set->count(); ++i) {
      const uint32_t row = (*late)->set->row_at(i);
      if (row >= taken.row_map.size() || taken.row_map[row] == kDroppedRow) continue;
      if ((*late)->set->vector(row, vector)) builder.add(taken.row_map[row], vector);
    }
    if (builder.count() == 0) return {};
    return add_late_vectors(taken.held, patch.space, builder);
  }

  void take_deletes() {
    if (manifest_.deletes_file == 0) return;
    const std::string path = path_of(FileKind::deletes, manifest_.deletes_file);
    const Status status = [&]() -> Status {
      HR_ASSIGN(const auto mapped, files_.map(path));
      HR_ASSIGN(const SectionFile file,
                SectionFile::open(mapped->bytes(), path, SectionFileType::deletes, UINT64_MAX));
      for (Taken& taken : taken_) {
        const auto* section = file.find(SectionKind::deletes, std::to_string(taken.old_file));
        if (section != nullptr) HR_TRY(mark(section->bytes, taken, path));
      }
      return {};
    }();
    if (status) return;
    lose(status.error().message() + "; rows that were deleted may be back");
    if (files_.stat(path)) damaged_.push_back(path);
  }

  Status mark(std::string_view bytes, Taken& taken, const std::string& path) {
    FieldReader in(bytes);
    const auto take = [&](std::vector<uint32_t>& map, uint32_t new_size,
                          std::shared_ptr<const RowBitmap>& bits) {
      const auto old_size = map.empty() ? new_size : static_cast<uint32_t>(map.size());
      auto marked =
          bits ? std::make_shared<RowBitmap>(*bits) : std::make_shared<RowBitmap>(new_size);
      for (uint32_t word = 0; word < (old_size + 63) / 64; ++word) {
        for (uint64_t left = in.u64(); left != 0; left &= left - 1) {
          const uint32_t old = word * 64 + static_cast<uint32_t>(__builtin_ctzll(left));
          if (old >= old_size) continue;
          const uint32_t target = map.empty() ? old : map[old];
          if (target != kDroppedRow) marked->set(target);
        }
      }
      bits = std::move(marked);
    };
    take(taken.row_map, taken.held.segment->row_count(), taken.held.deleted);
    take(taken.document_map, taken.held.segment->document_count(), taken.held.stale);
    if (in.ok()) return {};
    return fail(ErrorCode::damaged, path + " does not fit its segments");
  }

  // Of a source that stands in several segments only the newest version counts; this matters only
  // where the deletes were lost.
  void supersede() {
    std::unordered_map<uint64_t, std::pair<size_t, uint32_t>> newest;
    for (size_t s = 0; s < taken_.size(); ++s) {
      HeldSegment& held = taken_[s].held;
      const DocumentTable& table = held.segment->documents();
      for (uint32_t d = 0; d < table.count(); ++d) {
        if (held.is_stale(d) || table.has_error(d)) continue;
        const auto [at, fresh] = newest.emplace(table.source_hash(d), std::pair{s, d});
        if (fresh) continue;
        HeldSegment& older = taken_[at->second.first].held;
        const uint32_t document = at->second.second;
        const DocumentTable& older_table = older.segment->documents();
        if (older_table.source(document) != table.source(d)) continue;
        auto stale = older.stale ? std::make_shared<RowBitmap>(*older.stale)
                                 : std::make_shared<RowBitmap>(older.segment->document_count());
        auto deleted = older.deleted ? std::make_shared<RowBitmap>(*older.deleted)
                                     : std::make_shared<RowBitmap>(older.segment->row_count());
        stale->set(document);
        const uint32_t first = older_table.first_row(document);
        for (uint32_t i = 0; i < older_table.row_count(document); ++i) deleted->set(first + i);
        older.stale = std::move(stale);
        older.deleted = std::move(deleted);
        at->second = {s, d};
      }
    }
  }

  // States of the past of which a file is damaged or missing are no states any more.
  void retire_past_states() {
    const std::set<std::string> known(damaged_.begin(), damaged_.end());
    std::map<std::string, bool> whole;  // by path
    const auto is_whole = [&](FileKind kind, SectionFileType type, uint64_t number,
                              const SectionFileSeal& seal) {
      const std::string path = path_of(kind, number);
      const auto [at, fresh] = whole.emplace(path, false);
      if (!fresh || known.contains(path)) return at->second;
      const auto mapped = files_.map(path);
      if (!mapped) return false;
      const auto file = SectionFile::open((*mapped)->bytes(), path, type, UINT64_MAX);
      at->second = file && file->seal() == seal && file->check_all();
      if (!at->second) damaged_.push_back(path);
      return at->second;
    };
    for (const uint64_t number : manifests_) {
      const std::string path = path_of(FileKind::manifest, number);
      if (known.contains(path)) continue;
      const auto past = load_manifest(files_, path_, number);
      if (!past) {
        damaged_.push_back(path);
        continue;
      }
      bool all = past->deletes_file == 0 || is_whole(FileKind::deletes, SectionFileType::deletes,
                                                     past->deletes_file, past->deletes_seal);
      for (const ManifestSegment& entry : past->segments) {
        all = is_whole(FileKind::segment, SectionFileType::segment, entry.file, entry.seal) && all;
        for (const ManifestPatch& patch : entry.patches) {
          all =
              is_whole(FileKind::vectors, SectionFileType::vectors, patch.file, patch.seal) && all;
        }
      }
      if (all) continue;
      if (past->is_whole) lose(fmt::format("state {} of the past", number));
      damaged_.push_back(path);
    }
  }

  // What the old log proves, in a new one.
  Status write_log() {
    const uint64_t first = manifest_.first_log;
    const uint64_t last = manifest_.last_log;
    const uint64_t newest = logs_.empty() ? last : *std::max_element(logs_.begin(), logs_.end());
    manifest_.first_log = manifest_.last_log = std::max(last, newest) + 1;
    const std::string path = path_of(FileKind::log, manifest_.first_log);
    HR_ASSIGN(
        const auto log,
        LogWriter::create(files_, path, {manifest_.first_log, 0, 1, manifest_.knowledge_base}));
    for (uint64_t old = first; old <= last; ++old)
      HR_TRY(take_log(path_of(FileKind::log, old), *log));
    return log->sync();
  }

  Status take_log(const std::string& old_path, LogWriter& log) {
    if (!files_.stat(old_path)) {
      lose(old_path + " is missing: what was written since the last flush");
      return {};
    }
    const auto salvage =
        salvage_log(files_, old_path, [&](std::vector<LogFrame>& frames) -> Status {
          std::vector<Change> changes;
          for (const LogFrame& frame : frames) HR_TRY(read_change(frame, changes));
          for (const LogFrame& frame : frames) log.add(frame.type, frame.payload);
          HR_TRY(log.write_and_sync(log.close_transaction(), false));
          log.acknowledge();
          return {};
        });
    if (!salvage) return std::unexpected(salvage.error());
    if (salvage->lost == 0) return {};
    damaged_.push_back(old_path);
    lose(fmt::format("{}: {} damaged places; {} later transactions were kept", old_path,
                     salvage->lost, salvage->transactions));
    return {};
  }

  Status publish() {
    std::vector<HeldSegment> held;
    manifest_.segments.clear();
    bool any_deletes = false;
    for (Taken& taken : taken_) {
      ManifestSegment entry;
      entry.file = taken.held.file;
      entry.seal = taken.held.segment->file().seal();
      entry.row_count = taken.held.segment->row_count();
      entry.document_count = taken.held.segment->document_count();
      entry.hidden_spaces = taken.held.hidden_spaces;
      for (auto& [space, sets] : taken.held.late) {
        for (auto& set : sets) {
          ManifestPatch patch{set->file, set->seal, space};
          if (patch.file == 0) HR_TRY(write_patch(*set, patch));
          entry.patches.push_back(std::move(patch));
        }
      }
      manifest_.segments.push_back(std::move(entry));
      any_deletes = any_deletes || taken.held.deleted || taken.held.stale;
      held.push_back(taken.held);
    }
    manifest_.deletes_file = 0;
    manifest_.deletes_seal = {};
    if (any_deletes) {
      manifest_.deletes_file = next_file_++;
      HR_ASSIGN(const auto sink,
                FileSink::create(files_, path_of(FileKind::deletes, manifest_.deletes_file)));
      HR_ASSIGN(manifest_.deletes_seal, write_deletes(*sink, manifest_.deletes_file, held));
      HR_TRY(sink->finish());
    }
    manifest_.number = number_ + 1;
    manifest_.is_whole = false;
    manifest_.published_ms = files_.now_ns() / 1'000'000;
    manifest_.next_file = next_file_;
    HR_TRY(files_.sync_folder(path_));
    bool visible = false;
    return publish_manifest(files_, path_, manifest_, visible);
  }

  Status write_patch(const LateVectors& late, ManifestPatch& patch) {
    patch.file = next_file_++;
    HR_ASSIGN(const auto sink, FileSink::create(files_, path_of(FileKind::vectors, patch.file)));
    SectionFileWriter writer(*sink, SectionFileType::vectors, patch.file);
    HR_ASSIGN(SectionSink * out, writer.begin(SectionKind::vectors, patch.space));
    HR_TRY(out->append(late.image.bytes()));
    HR_ASSIGN(patch.seal, writer.finish(0, 0));
    return sink->finish();
  }

  FileSystem& files_;
  const std::string& path_;
  RepairReport report_;
  std::vector<uint64_t> manifests_, segments_, logs_;
  uint64_t next_file_ = 1;
  uint64_t number_ = 0;
  Manifest manifest_;
  std::vector<Taken> taken_;
  std::vector<std::string> damaged_;
};

}  // namespace

Result<RepairReport> repair(FileSystem& files, const std::string& path) {
  return Repairer(files, path).run();
}

}  // namespace headrace::index
