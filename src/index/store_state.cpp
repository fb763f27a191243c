#include "index/store_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"
#include "index/segment_merge.h"
#include "index/snapshot.h"

namespace headrace::index {

namespace {

// So many memory segments of one size become one, and of all sizes when there are more than the
// latter.
constexpr size_t kJoinWidth = 8;
constexpr size_t kMemorySegmentsMax = 24;
// Segments of this level or above (some thousand rows) are as good as a joined one for searches,
// and soon go into a file.
constexpr int kLevelNotJoined = 4;
// The system brings neighbours of a page along. A search in a table of sources looks at two places.
constexpr uint64_t kBytesPerTouch = 64 << 10;
constexpr uint64_t kBytesPerSearch = 2 * kBytesPerTouch;
// Fewer changes of a log are applied faster than threads are made.
constexpr size_t kChangesWorthThreads = 2048;

}  // namespace

std::vector<const VectorSet*> HeldSegment::vectors(std::string_view space) const {
  std::vector<const VectorSet*> sets;
  const bool hidden =
      std::find(hidden_spaces.begin(), hidden_spaces.end(), space) != hidden_spaces.end();
  if (!hidden) {
    if (const VectorSet* own = segment->vectors(space)) sets.push_back(own);
  }
  if (const auto found = late.find(space); found != late.end()) {
    for (const auto& vectors : found->second) sets.push_back(vectors->set.get());
  }
  return sets;
}

uint32_t HeldSegment::live_rows(uint32_t document) const {
  const DocumentTable& table = segment->documents();
  const uint32_t begin = table.first_row(document);
  uint32_t live = table.row_count(document);
  if (!deleted) return live;
  for (uint32_t row = begin, end = begin + live; row < end; ++row) live -= deleted->test(row);
  return live;
}

void HeldSegment::drop_vectors(std::string_view space) {
  if (const auto found = late.find(space); found != late.end()) late.erase(found);
  if (segment->vectors(space) != nullptr &&
      std::find(hidden_spaces.begin(), hidden_spaces.end(), space) == hidden_spaces.end())
    hidden_spaces.emplace_back(space);
}

SegmentMergeInput merge_input(const HeldSegment& held) {
  return {held.segment.get(), held.deleted.get(), held.stale.get(),
          [&held](std::string_view space) { return held.vectors(space); }};
}

Result<StoreState> StoreState::open(FileSystem& files, const std::string& folder, Manifest manifest,
                                    const StoreState* before) {
  StoreState state;
  const auto held_before = [&](uint64_t file) -> const HeldSegment* {
    if (before == nullptr) return nullptr;
    for (const HeldSegment& held : before->segments_) {
      if (held.file == file) return &held;
    }
    return nullptr;
  };
  for (const ManifestSegment& entry : manifest.segments) {
    HeldSegment held;
    held.file = entry.file;
    const std::string path = file_path(folder, FileKind::segment, entry.file);
    const HeldSegment* known = held_before(entry.file);
    if (known != nullptr) {
      held.segment = known->segment;
    } else {
      HR_ASSIGN(held.segment, Segment::open_file(files, path, path, kCheckAtOpenBytesMax));
      held.segment->forget();  // what was read to check it is not what searches will read
    }
    if (held.segment->file().seal() != entry.seal) {
      return fail(ErrorCode::damaged, fmt::format("{} is not the file the manifest names", path),
                  "restore it from a backup");
    }
    for (const ManifestPatch& patch : entry.patches) {
      std::shared_ptr<const LateVectors> late;
      if (known != nullptr) {
        if (const auto found = known->late.find(patch.space); found != known->late.end()) {
          for (const auto& set : found->second) {
            if (set->file == patch.file && set->seal == patch.seal) late = set;
          }
        }
      }
      if (late) {
        held.late[patch.space].push_back(std::move(late));
        continue;
      }
      const std::string late_path = file_path(folder, FileKind::vectors, patch.file);
      HR_ASSIGN(auto vectors, open_late_vectors(files, late_path, patch));
      held.late[patch.space].push_back(std::move(vectors));
    }
    held.hidden_spaces = entry.hidden_spaces;
    state.segments_.push_back(std::move(held));
  }
  if (manifest.deletes_file != 0) {
    HR_TRY(load_deletes(files, file_path(folder, FileKind::deletes, manifest.deletes_file),
                        manifest, state.segments_));
  }
  state.spaces_ = manifest.spaces;
  state.settings_ = manifest.settings;
  state.manifest_ = std::move(manifest);
  for (HeldSegment& held : state.segments_) {
    held.id = state.next_id_++;
    state.add_places(held);
  }
  return state;
}

void StoreState::add_places(const HeldSegment& held) {
  if (held.segment->sources() != nullptr) return;
  const DocumentTable& table = held.segment->documents();
  places_.open_segment(held.id, table.count());
  for (uint32_t d = 0; d < table.count(); ++d) {
    if (!held.is_stale(d) || held.live_rows(d) > 0) places_.add(table.source_hash(d), {held.id, d});
    if ((d + 1) % kDocumentsInSight == 0) held.segment->forget();
  }
  held.segment->forget();
}

void StoreState::remove_places(const HeldSegment& held) {
  if (held.segment->sources() != nullptr) {
    source_filters_.erase(held.id);
    return;
  }
  const DocumentTable& table = held.segment->documents();
  for (uint32_t d = 0; d < table.count(); ++d) {
    places_.remove(table.source_hash(d), {held.id, d});
    if ((d + 1) % kDocumentsInSight == 0) held.segment->forget();
  }
  places_.close_segment(held.id);
  held.segment->forget();
}

const std::vector<StoreState::Sourced>& StoreState::sourced() const {
  if (is_sourced_known_) return sourced_;
  sourced_.clear();
  for (size_t i = 0; i < segments_.size(); ++i) {
    const HeldSegment& held = segments_[i];
    const PrefixTable* const sources = held.segment->sources();
    if (sources == nullptr) continue;
    const auto [filter, is_new] = source_filters_.try_emplace(held.id, *sources);
    if (is_new) held.segment->forget();
    sourced_.push_back({i, sources, &filter->second});
  }
  is_sourced_known_ = true;
  return sourced_;
}

template <typename Visit>
void StoreState::for_each_entry(std::string_view source, uint64_t hash, const Visit& visit) const {
  const auto visit_if_of = [&](const HeldSegment& held, uint32_t document) {
    touch(held, document);
    if (held.segment->documents().is_of(document, source, hash)) visit(Place{held.id, document});
    return false;
  };
  places_.find(hash,
               [&](Place place) { return visit_if_of(held_by_id(place.segment), place.document); });
  const SourceFilter::Wanted wanted(hash);
  for (const Sourced& each : sourced()) {
    if (!each.filter->may_hold(wanted)) continue;
    count_touched(kBytesPerSearch);
    const HeldSegment& held = segments_[each.segment];
    each.sources->find(hash, [&](uint32_t document) { return visit_if_of(held, document); });
  }
}

// Looking up documents in no order makes page after page of their tables resident.
void StoreState::touch(const HeldSegment& held, uint32_t document) const {
  if (held.file == 0) return;
  constexpr uint64_t kNearDocuments = 256;
  const Place before = std::exchange(touched_, {held.id, document});
  if (before.segment == held.id && document - before.document < kNearDocuments) return;
  count_touched(kBytesPerTouch);
}

void StoreState::count_touched(uint64_t bytes) const {
  touched_bytes_ += bytes;
  if (touched_bytes_ < touched_bytes_max_) return;
  touched_bytes_ = 0;
  for (const HeldSegment& each : segments_) each.segment->forget();
}

const HeldSegment& StoreState::held_by_id(uint32_t id) const {
  const auto found = std::ranges::find(segments_, id, &HeldSegment::id);
  HR_CHECK(found != segments_.end(), "a document's place names no segment");
  return *found;
}

HeldSegment& StoreState::held_by_id(uint32_t id) {
  return const_cast<HeldSegment&>(std::as_const(*this).held_by_id(id));
}

void StoreState::push_segment(HeldSegment held) {
  held.id = next_id_++;
  segments_.push_back(std::move(held));
  is_sourced_known_ = false;
  add_places(segments_.back());
}

std::optional<DocumentState> StoreState::document(std::string_view source) const {
  std::optional<DocumentState> state;
  uint32_t rows = 0;
  for_each_entry(source, hash64(source), [&](Place place) {
    const HeldSegment& held = held_by_id(place.segment);
    rows += held.live_rows(place.document);
    if (!held.is_stale(place.document)) state = held.segment->documents().state(place.document);
  });
  if (state) state->row_count = rows;
  return state;
}

void StoreState::mark_rows(HeldSegment& held, uint32_t begin, uint32_t end) {
  if (begin != end) mark(held.deleted, held.segment->row_count(), begin, end);
}

void StoreState::mark(std::shared_ptr<const RowBitmap>& bits, uint32_t size, uint32_t begin,
                      uint32_t end) {
  const auto known =
      std::find_if(fresh_.begin(), fresh_.end(), [&](const auto& fresh) { return fresh == bits; });
  std::shared_ptr<RowBitmap> target;
  if (known != fresh_.end()) {
    target = *known;
  } else {
    target = bits ? std::make_shared<RowBitmap>(*bits) : std::make_shared<RowBitmap>(size);
    fresh_.push_back(target);
    bits = target;
  }
  for (uint32_t i = begin; i < end; ++i) target->set(i);
}

void StoreState::remove_source(std::string_view source, uint64_t hash, bool keep_rows) {
  std::vector<Place> gone;
  for_each_entry(source, hash, [&](Place place) {
    HeldSegment& held = held_by_id(place.segment);
    const DocumentTable& table = held.segment->documents();
    // A table still names what is gone since it was written: marking that again copies the marks.
    const bool was_stale = held.is_stale(place.document);
    if (was_stale && (keep_rows || held.live_rows(place.document) == 0)) return;
    if (!was_stale)
      mark(held.stale, held.segment->document_count(), place.document, place.document + 1);
    if (keep_rows) return;
    const uint32_t begin = table.first_row(place.document);
    mark_rows(held, begin, begin + table.row_count(place.document));
    if (held.segment->sources() == nullptr) gone.push_back(place);
  });
  for (const Place& place : gone) places_.remove(hash, place);
}

void StoreState::remove_rows(const RemoveRows& change) {
  for (const Hash128& key : change.keys) {
    for (HeldSegment& held : segments_) {
      held.segment->rows().find(key, [&](uint32_t row) {
        if (!held.is_deleted(row)) mark_rows(held, row, row + 1);
        return false;
      });
    }
  }
}

const Space* StoreState::find_space(std::string_view name) const {
  for (const Space& space : spaces_) {
    if (space.name == name) return &space;
  }
  return nullptr;
}

// Each source is at most once in the segment, so that the order does not matter.
Status StoreState::add_documents(std::shared_ptr<const Segment> segment) {
  const DocumentTable& table = segment->documents();
  for (uint32_t d = 0; d < table.count(); ++d)
    remove_source(table.source(d), table.source_hash(d), table.has_error(d));
  HeldSegment held;
  held.segment = std::move(segment);
  push_segment(std::move(held));
  return {};
}

Status add_late_vectors(HeldSegment& held, const std::string& space, VectorSetBuilder& builder) {
  auto late = std::make_shared<LateVectors>();
  HR_TRY(builder.finish(late->image));
  HR_ASSIGN(VectorSet set, VectorSet::open(late->image.bytes()));
  bool covered_before = false;
  for (const VectorSet* known : held.vectors(space)) {
    for (uint32_t i = 0; i < set.count() && !covered_before; ++i)
      covered_before = known->covers(set.row_at(i));
  }
  late->set = std::make_unique<VectorSet>(std::move(set));
  constexpr size_t kLateSetsMax = 6;
  auto& sets = held.late[space];
  if (!covered_before && sets.size() < kLateSetsMax) {
    sets.push_back(std::move(late));
    return {};
  }
  // No row may be covered twice: all sets become one, later vectors win.
  const NumberMap same = NumberMap::moved_by(0, held.segment->row_count());
  std::vector<MergeInput<VectorSet>> inputs;
  for (const VectorSet* known : held.vectors(space)) inputs.push_back({known, same});
  inputs.push_back({late->set.get(), same});
  auto merged = std::make_shared<LateVectors>();
  HR_TRY(merge_vectors(inputs, {}, merged->image));
  HR_ASSIGN(VectorSet all, VectorSet::open(merged->image.bytes()));
  merged->set = std::make_unique<VectorSet>(std::move(all));
  sets.assign(1, std::move(merged));
  if (held.segment->vectors(space) != nullptr &&
      std::find(held.hidden_spaces.begin(), held.hidden_spaces.end(), space) ==
          held.hidden_spaces.end())
    held.hidden_spaces.push_back(space);
  return {};
}

Status StoreState::apply_vectors(const SetVectors& change) {
  const Space* space = find_space(change.space);
  if (space == nullptr || change.values.size() != change.keys.size() * space->dimension) {
    return fail(ErrorCode::damaged,
                fmt::format("vectors of an unknown space \"{}\"", change.space));
  }
  // By segment and row; a key that is gone by now is skipped, of a key given twice the last counts.
  std::map<size_t, std::map<uint32_t, size_t>> found;
  for (size_t i = 0; i < change.keys.size(); ++i) {
    bool placed = false;
    for (size_t s = segments_.size(); s-- > 0 && !placed;) {
      segments_[s].segment->rows().find(change.keys[i], [&](uint32_t row) {
        if (segments_[s].is_deleted(row)) return false;
        found[s][row] = i;
        placed = true;
        return true;
      });
    }
  }
  for (const auto& [segment, rows] : found) {
    VectorSetBuilder builder(space->dimension, space->metric);
    for (const auto& [row, i] : rows) {
      builder.add(
          row,
          std::span<const float>(change.values).subspan(i * space->dimension, space->dimension));
    }
    HR_TRY(add_late_vectors(segments_[segment], change.space, builder));
  }
  return {};
}

Status StoreState::apply(std::vector<PreparedChange>&& changes) {
  fresh_.clear();
  for (PreparedChange& change : changes) {
    if (auto* segment = std::get_if<std::shared_ptr<const Segment>>(&change)) {
      HR_TRY(add_documents(std::move(*segment)));
    } else if (const auto* removed = std::get_if<RemoveSource>(&change)) {
      remove_source(removed->source, hash64(removed->source), false);
    } else if (const auto* rows = std::get_if<RemoveRows>(&change)) {
      remove_rows(*rows);
    } else if (const auto* vectors = std::get_if<SetVectors>(&change)) {
      HR_TRY(apply_vectors(*vectors));
    } else if (const auto* space = std::get_if<Space>(&change)) {
      if (find_space(space->name) == nullptr) spaces_.push_back(*space);
    } else {
      settings_ = std::get<std::string>(change);
    }
  }
  fresh_.clear();
  changes.clear();
  return {};
}

Status StoreState::replay(std::vector<Change>&& changes) {
  std::optional<ThreadPool> pool;
  if (changes.size() >= kChangesWorthThreads) pool.emplace();
  HR_ASSIGN(auto prepared, prepare_changes(std::move(changes), manifest_.language, spaces_,
                                           pool ? &*pool : nullptr));
  HR_TRY(apply(std::move(prepared)));
  return join_memory_segments();
}

std::optional<StoreState::Range> StoreState::worth_joining(bool only_many) const {
  const auto level_of = [](const HeldSegment& held) {
    const uint64_t size = uint64_t{held.segment->row_count()} + held.segment->document_count();
    return static_cast<int>(std::bit_width(size | 1) - 1) / std::bit_width(kJoinWidth - 1);
  };
  for (int level = 0;; ++level) {
    // The newest ones that are not above this level.
    size_t first = segments_.size();
    size_t on_level = 0;
    bool above = false;
    while (first > 0 && segments_[first - 1].file == 0 && !segments_[first - 1].is_folding) {
      const int next = level_of(segments_[first - 1]);
      above = next > level;
      if (above) break;
      on_level += next == level;
      --first;
    }
    const size_t count = segments_.size() - first;
    if ((!only_many && on_level >= kJoinWidth && level < kLevelNotJoined) ||
        count > kMemorySegmentsMax)
      return Range{first, count};
    if (!above) return std::nullopt;
  }
}

Result<HeldSegment> StoreState::join(std::span<const HeldSegment> segments,
                                     std::span<const std::string> spaces) {
  std::vector<SegmentMergeInput> inputs;
  uint64_t bytes = 0;
  for (const HeldSegment& held : segments) {
    inputs.push_back(merge_input(held));
    bytes += held.segment->bytes().size();
  }
  HR_ASSIGN(const SegmentMergeMaps maps, plan_merge(inputs, DeadRows::drop));
  ImageSink image;
  image.reserve(bytes);
  HR_TRY(merge_segments(inputs, maps, spaces, {0, BlobCodec::raw}, image));
  HeldSegment joined;
  HR_ASSIGN(joined.segment, Segment::open_image(std::move(image)));
  return joined;
}

void StoreState::adopt_join(std::span<const HeldSegment> segments, HeldSegment joined) {
  std::vector<HeldSegment> next = segments_;
  const auto begin = std::ranges::find(next, segments.front().id, &HeldSegment::id);
  const auto count = static_cast<std::ptrdiff_t>(segments.size());
  HR_CHECK(next.end() - begin >= count, "segments that were joined are gone");
  *begin = std::move(joined);
  next.erase(begin + 1, begin + count);
  set_segments(std::move(next));
}

Status StoreState::join_memory_segments() {
  while (const std::optional<Range> range = worth_joining()) {
    const std::vector<HeldSegment> segments(
        segments_.begin() + static_cast<std::ptrdiff_t>(range->first),
        segments_.begin() + static_cast<std::ptrdiff_t>(range->first + range->count));
    HR_ASSIGN(HeldSegment joined, join(segments, space_names()));
    adopt_join(segments, std::move(joined));
  }
  return {};
}

void StoreState::set_segments(std::vector<HeldSegment> segments) {
  for (const HeldSegment& held : segments_) {
    if (std::ranges::find(segments, held.id, &HeldSegment::id) == segments.end())
      remove_places(held);
  }
  segments_ = std::move(segments);
  is_sourced_known_ = false;
  for (HeldSegment& held : segments_) {
    if (held.id != 0) continue;
    held.id = next_id_++;
    add_places(held);
  }
}

uint64_t HeldSegment::memory_bytes() const {
  uint64_t bytes = segment->memory_bytes();
  for (const auto& [space, sets] : late) {
    for (const auto& set : sets) bytes += set->image.memory_bytes();
  }
  return bytes;
}

uint64_t StoreState::memory_bytes() const {
  uint64_t bytes = 0;
  for (const HeldSegment& held : segments_) bytes += held.memory_bytes();
  return bytes;
}

std::vector<std::string> StoreState::space_names() const {
  std::vector<std::string> names;
  for (const Space& space : spaces_) names.push_back(space.name);
  return names;
}

std::shared_ptr<const Snapshot> StoreState::view(uint64_t bytes_on_disk, uint64_t log_bytes) const {
  return make_snapshot(segments_, spaces_, settings_, manifest_, bytes_on_disk, log_bytes);
}

}  // namespace headrace::index
