#include "index/store_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "index/row_codec.h"
#include "index/segment_merge.h"
#include "index/snapshot.h"
#include "memory/budget.h"

namespace headrace::index {

namespace {

// Memory segments are joined when a newer one has at least half the rows of the one before.
constexpr size_t kMemorySegmentsMax = 12;
constexpr uint64_t kLargeBytes = 8ULL << 20;

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
  state.index_documents();
  return state;
}

void StoreState::index_documents() {
  documents_.clear();
  for (uint32_t s = 0; s < segments_.size(); ++s) {
    const DocumentTable& table = segments_[s].segment->documents();
    for (uint32_t d = 0; d < table.count(); ++d) {
      if (!segments_[s].is_stale(d) || segments_[s].live_rows(d) > 0)
        documents_[table.source_hash(d)].push_back({s, d});
    }
  }
}

std::vector<StoreState::Place>* StoreState::places(std::string_view source) {
  const auto found = documents_.find(hash64(source));
  return found == documents_.end() ? nullptr : &found->second;
}

std::optional<DocumentState> StoreState::document(std::string_view source) const {
  const auto found = documents_.find(hash64(source));
  if (found == documents_.end()) return std::nullopt;
  std::optional<DocumentState> state;
  uint32_t rows = 0;
  for (const Place& place : found->second) {
    const HeldSegment& held = segments_[place.segment];
    if (held.segment->documents().source(place.document) != source) continue;
    rows += held.live_rows(place.document);
    if (!held.is_stale(place.document)) state = held.segment->documents().state(place.document);
  }
  if (state) state->row_count = rows;
  return state;
}

void StoreState::mark_rows(size_t segment, uint32_t begin, uint32_t end) {
  if (begin == end) return;
  HeldSegment& held = segments_[segment];
  mark(held.deleted, held.segment->row_count(), begin, end);
}

void StoreState::mark_stale(size_t segment, uint32_t document) {
  HeldSegment& held = segments_[segment];
  mark(held.stale, held.segment->document_count(), document, document + 1);
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

void StoreState::remove_source(std::string_view source, bool keep_rows) {
  std::vector<Place>* known = places(source);
  if (known == nullptr) return;
  for (const Place& place : *known) {
    const DocumentTable& table = segments_[place.segment].segment->documents();
    if (table.source(place.document) != source) continue;
    mark_stale(place.segment, place.document);
    if (keep_rows) continue;
    const uint32_t begin = table.first_row(place.document);
    mark_rows(place.segment, begin, begin + table.row_count(place.document));
  }
  if (!keep_rows) documents_.erase(hash64(source));
}

const Space* StoreState::find_space(std::string_view name) const {
  for (const Space& space : spaces_) {
    if (space.name == name) return &space;
  }
  return nullptr;
}

// Documents of one commit become one memory segment. Of several writes of one source only the last
// has rows; vectors of its rows that came in the same commit go into the segment itself.
Status StoreState::add_documents(std::vector<Change>& changes, size_t begin, size_t end) {
  std::unordered_map<std::string_view, size_t> last;
  for (size_t i = begin; i < end; ++i) last[std::get<DocumentWrite>(changes[i]).source] = i;
  SegmentBuilder builder(manifest_.language);
  std::vector<std::pair<uint64_t, uint32_t>> added;
  std::string blob;
  uint32_t row_number = 0;
  for (size_t i = begin; i < end; ++i) {
    auto& write = std::get<DocumentWrite>(changes[i]);
    if (last[write.source] != i) continue;
    remove_source(write.source, write.error.has_value());
    const auto rows = static_cast<uint32_t>(write.error ? 0 : write.rows.size());
    added.emplace_back(hash64(write.source), builder.add_document(write, rows));
    for (uint32_t r = 0; r < rows; ++r, ++row_number) {
      Hash128 key;
      if (!parse_row_key(write.rows[r].key, key))
        return fail(ErrorCode::invalid_argument,
                    fmt::format("\"{}\" is no row key", write.rows[r].key));
      blob.clear();
      encode_row_blob(write.rows[r], blob);
      builder.add_row(key, write.rows[r], blob);
      write.rows[r] = Row();  // what follows needs its room
    }
  }
  // A large document's rows are many small pieces, which the allocator would keep.
  if (builder.memory_bytes() >= kLargeBytes) return_freed_memory();
  std::map<std::string, VectorSetBuilder> none;
  HR_ASSIGN(ImageSink image, builder.finish(none));
  HeldSegment held;
  HR_ASSIGN(held.segment, Segment::open_image(std::move(image)));
  segments_.push_back(std::move(held));
  for (const auto& [hash, document] : added)
    documents_[hash].push_back({static_cast<uint32_t>(segments_.size() - 1), document});
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
  std::vector<uint32_t> same(held.segment->row_count());
  for (uint32_t row = 0; row < same.size(); ++row) same[row] = row;
  std::vector<MergeInput<VectorSet>> inputs;
  for (const VectorSet* known : held.vectors(space)) inputs.push_back({known, same});
  inputs.push_back({late->set.get(), same});
  auto merged = std::make_shared<LateVectors>();
  HR_TRY(merge_vectors(inputs, false, merged->image));
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

Status StoreState::apply(std::vector<Change>&& changes, uint64_t join_bytes_max) {
  fresh_.clear();
  for (size_t i = 0; i < changes.size(); ++i) {
    Change& change = changes[i];
    if (std::holds_alternative<DocumentWrite>(change)) {
      // A failure keeps the rows of the good version before it, so the two are not one run.
      std::unordered_set<std::string_view> written;
      size_t end = i;
      for (; end < changes.size(); ++end) {
        const auto* write = std::get_if<DocumentWrite>(&changes[end]);
        if (write == nullptr || (write->error && written.contains(write->source))) break;
        written.insert(write->source);
      }
      HR_TRY(add_documents(changes, i, end));
      i = end - 1;
    } else if (const auto* removed = std::get_if<RemoveSource>(&change)) {
      remove_source(removed->source, false);
    } else if (const auto* rows = std::get_if<RemoveRows>(&change)) {
      for (const Hash128& key : rows->keys) {
        for (size_t s = 0; s < segments_.size(); ++s) {
          segments_[s].segment->rows().find(key, [&](uint32_t row) {
            if (!segments_[s].is_deleted(row)) mark_rows(s, row, row + 1);
            return false;
          });
        }
      }
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
  // What is about to become a file anyway is not joined before.
  return memory_bytes() > join_bytes_max ? Status{} : join_memory_segments();
}

Status StoreState::join_memory_segments() {
  while (true) {
    size_t first_memory = segments_.size();
    while (first_memory > 0 && segments_[first_memory - 1].file == 0) --first_memory;
    const size_t count = segments_.size() - first_memory;
    if (count < 2) return {};
    // The last ones, as long as each is not much smaller than all after it.
    size_t begin = segments_.size() - 1;
    uint64_t rows =
        segments_[begin].segment->row_count() + segments_[begin].segment->document_count();
    while (begin > first_memory) {
      const Segment& before = *segments_[begin - 1].segment;
      const uint64_t size = before.row_count() + before.document_count();
      if (size > 2 * rows && count <= kMemorySegmentsMax) break;
      rows += size;
      --begin;
    }
    if (segments_.size() - begin < 2) return {};
    std::vector<SegmentMergeInput> inputs;
    for (size_t i = begin; i < segments_.size(); ++i) inputs.push_back(merge_input(segments_[i]));
    HR_ASSIGN(const SegmentMergeMaps maps, plan_merge(inputs, DeadRows::drop));
    ImageSink image;
    uint64_t bytes = 0;
    for (const SegmentMergeInput& input : inputs) bytes += input.segment->bytes().size();
    image.reserve(bytes);
    const std::vector<std::string> spaces = space_names();
    HR_TRY(merge_segments(inputs, maps, spaces, {0, BlobCodec::raw}, image));
    HeldSegment merged;
    HR_ASSIGN(merged.segment, Segment::open_image(std::move(image)));
    std::vector<HeldSegment> result;
    result.push_back(std::move(merged));
    replace_segments(begin, segments_.size() - begin, std::move(result));
    return {};
  }
}

void StoreState::set_segments(std::vector<HeldSegment> segments) {
  // Those in front that stay (only what is marked in them may differ) keep their places.
  size_t same = 0;
  while (same < segments.size() && same < segments_.size() &&
         segments[same].segment == segments_[same].segment) {
    segments_[same] = std::move(segments[same]);
    ++same;
  }
  const auto changed = segments.begin() + static_cast<std::ptrdiff_t>(same);
  replace_segments(same, segments_.size() - same,
                   {std::make_move_iterator(changed), std::make_move_iterator(segments.end())});
}

void StoreState::replace_segments(size_t first, size_t count, std::vector<HeldSegment> merged) {
  const auto begin = segments_.begin() + static_cast<std::ptrdiff_t>(first);
  // Places in segments that stay keep their number when the replaced ones are the last.
  const bool at_end = first + count == segments_.size();
  for (auto& [hash, known] : documents_) {
    if (!at_end) break;
    std::erase_if(known, [&](const Place& place) { return place.segment >= first; });
  }
  segments_.erase(begin, begin + static_cast<std::ptrdiff_t>(count));
  segments_.insert(segments_.begin() + static_cast<std::ptrdiff_t>(first),
                   std::make_move_iterator(merged.begin()), std::make_move_iterator(merged.end()));
  if (!at_end) {
    index_documents();
    return;
  }
  for (uint32_t s = static_cast<uint32_t>(first); s < segments_.size(); ++s) {
    const DocumentTable& table = segments_[s].segment->documents();
    for (uint32_t d = 0; d < table.count(); ++d) {
      if (!segments_[s].is_stale(d) || segments_[s].live_rows(d) > 0)
        documents_[table.source_hash(d)].push_back({s, d});
    }
  }
}

uint64_t StoreState::memory_bytes() const {
  uint64_t bytes = 0;
  for (const HeldSegment& held : segments_) {
    bytes += held.segment->memory_bytes();
    for (const auto& [space, sets] : held.late) {
      for (const auto& set : sets) bytes += set->image.memory_bytes();
    }
  }
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
