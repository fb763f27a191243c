// Merging file segments beside the writing. The inputs are immutable; what happens to their rows
// while they are merged (deletes, late vectors) is carried over when the result takes their place.
#include <algorithm>

#include "index/logged_writer.h"
#include "index/snapshot.h"

namespace headrace::index {

namespace {

// So many neighbouring file segments become one. Of all such neighbours the smallest are taken, so
// sizes grow in steps and a row is written again about once a step.
constexpr size_t kMergeWidth = 5;
// What a merge holds in memory for each row: the list of a word that is in all of them, or where
// the texts of a column went. Segments whose merge would hold more than the writer may are left as
// they are, however many there get to be: only optimize makes them one.
constexpr uint64_t kMergeBytesPerRow = 24;
constexpr uint64_t kMergeBytesMin = 1 << 20;
// A segment of which more than half is deleted is written again by itself.
constexpr uint32_t kRowsWorthRewriting = 64;
// Readers of other processes replay the log when a manifest names it again; a long one waits for
// the next flush.
constexpr uint64_t kCheapReplayBytes = 1 << 20;

class CancellableSink : public SectionSink {
 public:
  CancellableSink(SectionSink& target, const std::atomic<bool>& cancelled)
      : target_(target), cancelled_(cancelled) {}
  Status append(std::string_view bytes) override {
    if (cancelled_) return fail(ErrorCode::cancelled, "the merge was called off");
    return target_.append(bytes);
  }

 private:
  SectionSink& target_;
  const std::atomic<bool>& cancelled_;
};

// Marks in the result what is marked in an input now.
void carry_marks(const std::shared_ptr<const RowBitmap>& now, const NumberMap& map, uint32_t size,
                 std::shared_ptr<RowBitmap>& marks) {
  if (!now) return;
  for (uint32_t i = 0; i < map.size(); ++i) {
    if (map[i] == kDroppedRow || !now->test(i)) continue;
    if (!marks) marks = std::make_shared<RowBitmap>(size);
    marks->set(map[i]);
  }
}

}  // namespace

std::optional<LoggedWriter::Range> LoggedWriter::worth_merging() const {
  const auto& segments = state_->segments();
  const size_t count = file_segments();
  if (count > options_.segments_max) {
    const uint64_t rows_max =
        std::max(kMergeBytesMin, 2 * options_.memory_bytes_max) / kMergeBytesPerRow;
    // Fewer at once where more would not fit.
    for (size_t width = std::min({kMergeWidth, options_.segments_max + 1, count}); width > 1;
         --width) {
      std::optional<Range> best;
      uint64_t best_bytes = UINT64_MAX;
      for (size_t begin = 0; begin + width <= count; ++begin) {
        uint64_t bytes = 0, rows = 0;
        for (size_t i = begin; i < begin + width; ++i) {
          bytes += segments[i].segment->bytes().size();
          rows += segments[i].segment->row_count();
        }
        if (bytes >= best_bytes || rows > rows_max) continue;
        best_bytes = bytes;
        best = Range{begin, width};
      }
      if (best) return best;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const HeldSegment& held = segments[i];
    const uint32_t rows = held.segment->row_count();
    if (held.deleted && rows >= kRowsWorthRewriting && held.deleted->count() > rows / 2)
      return Range{i, 1};
  }
  return std::nullopt;
}

// Vectors of the space that could be in lists, and that no merge was asked to put there.
uint64_t LoggedWriter::unlisted(const HeldSegment& held, const std::string& space) const {
  const VectorSet* const own = held.segment->vectors(space);
  uint64_t vectors = own != nullptr && own->wants_lists() && !held.tried_lists ? own->count() : 0;
  const auto late = held.late.find(space);
  if (late == held.late.end()) return vectors;
  for (const auto& set : late->second) vectors += set->set->count();
  return vectors;
}

// A file segment with many of them; many for its size, since it is written anew.
std::optional<LoggedWriter::Range> LoggedWriter::worth_listing() const {
  const auto& segments = state_->segments();
  for (size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].file == 0) continue;
    const uint64_t many =
        std::max<uint64_t>(kListedVectorsMin, segments[i].segment->row_count() / 4);
    for (const Space& space : state_->spaces()) {
      if (unlisted(segments[i], space.name) >= many) return Range{i, 1};
    }
  }
  return std::nullopt;
}

LoggedWriter::Merge LoggedWriter::plan(Range range) {
  Merge merge;
  const auto begin = state_->segments().begin() + static_cast<std::ptrdiff_t>(range.first);
  merge.inputs.assign(begin, begin + static_cast<std::ptrdiff_t>(range.count));
  merge.spaces = state_->space_names();
  merge.file = next_file_++;
  return merge;
}

Status LoggedWriter::write_merged(Merge& merge) const {
  std::vector<SegmentMergeInput> inputs;
  for (const HeldSegment& held : merge.inputs) inputs.push_back(merge_input(held));
  HR_ASSIGN(merge.maps, plan_merge(inputs, DeadRows::drop));
  if (merge.maps.row_count == 0 && merge.maps.document_count == 0) return {};
  const std::string path = path_of(FileKind::segment, merge.file);
  HR_ASSIGN(const auto file, FileSink::create(files_, path));
  const std::atomic<bool>& cancelled = merge.cancelled != nullptr ? *merge.cancelled
                                       : merge.is_fold            ? cancel_fold_
                                                                  : cancel_merge_;
  CancellableSink sink(*file, cancelled);
  HR_TRY(merge_segments(inputs, merge.maps, merge.spaces,
                        {merge.file,
                         BlobCodec::zstd,
                         {merge.lists, &cancelled, merge.list_memory_bytes},
                         options_.background ? options_.memory_bytes_max / 2 : 0},
                        sink));
  HR_TRY(file->finish());
  HR_ASSIGN(merge.result, Segment::open_file(files_, path, path, kCheckAtOpenBytesMax));
  merge.result->forget();
  return {};
}

Status LoggedWriter::run(Merge& merge) const {
  Status status = write_merged(merge);
  if (!status) static_cast<void>(files_.remove(path_of(FileKind::segment, merge.file)));
  return status;
}

Status LoggedWriter::adopt(const Merge& merge, std::vector<HeldSegment>& segments) {
  const auto begin = std::find_if(segments.begin(), segments.end(), [&](const HeldSegment& held) {
    return held.id == merge.inputs.front().id;
  });
  const auto count = static_cast<std::ptrdiff_t>(merge.inputs.size());
  if (segments.end() - begin < count) return fail(ErrorCode::internal, path_ + ": a merge is lost");
  const std::vector<HeldSegment> now(begin, begin + count);
  HeldSegment merged;
  merged.file = merge.file;
  merged.tried_lists = merge.lists;
  merged.segment = merge.result;
  if (!merge.result) {  // nothing was left, so nothing can have happened to it
    segments.erase(begin, begin + count);
    return {};
  }
  std::shared_ptr<RowBitmap> deleted;
  std::shared_ptr<RowBitmap> stale;
  for (size_t i = 0; i < now.size(); ++i) {
    carry_marks(now[i].deleted, merge.maps.rows[i].map(), merged.segment->row_count(), deleted);
    carry_marks(now[i].stale, merge.maps.documents[i].map(), merged.segment->document_count(),
                stale);
  }
  merged.deleted = std::move(deleted);
  merged.stale = std::move(stale);
  // Vectors that came after the merge began.
  for (const Space& space : state_->spaces()) {
    VectorSetBuilder builder(space.dimension, space.metric);
    std::vector<float> vector(space.dimension);
    for (size_t i = 0; i < now.size(); ++i) {
      const auto found = now[i].late.find(space.name);
      if (found == now[i].late.end()) continue;
      std::vector<const VectorSet*> fresh;
      const auto before = merge.inputs[i].late.find(space.name);
      for (const auto& set : found->second) {
        const bool known =
            before != merge.inputs[i].late.end() &&
            std::find(before->second.begin(), before->second.end(), set) != before->second.end();
        if (!known) fresh.push_back(set->set.get());
      }
      const NumberMap rows = merge.maps.rows[i].map();
      for (uint32_t row = 0; row < rows.size() && !fresh.empty(); ++row) {
        const uint32_t target = rows[row];
        if (target == kDroppedRow) continue;
        const bool any = std::any_of(fresh.begin(), fresh.end(), [&](const VectorSet* set) {
          return set->vector(row, vector);
        });
        if (any) builder.add(target, vector);
      }
    }
    if (builder.count() > 0) HR_TRY(add_late_vectors(merged, space.name, builder));
  }
  segments.insert(segments.erase(begin, begin + count), std::move(merged));
  return {};
}

// While the log is empty, or at a moment when nobody writes: the calling thread merges.
Status LoggedWriter::merge_now(Merge merge) {
  const uint64_t number = state_->manifest().number;
  const Status status = [&]() HR_REQUIRES(mutex_) -> Status {
    HR_TRY(run(merge));
    std::vector<HeldSegment> segments = state_->segments();
    HR_TRY(adopt(merge, segments));
    return publish(std::move(segments), state_->manifest(), nullptr);
  }();
  if (!status && !folder_owed_ && state_->manifest().number == number) remove_unreferenced();
  return status;
}

Status LoggedWriter::merge_all_now() {
  while (const auto range = worth_merging()) {
    Merge merge = plan(*range);
    merge.lists = options_.lists_beside;
    HR_TRY(merge_now(std::move(merge)));
  }
  return {};
}

// While commits come faster than they are prepared, all cores have enough to do: merges are put off
// until it is quiet, and where files become too many they leave out the lists.
void LoggedWriter::merge_beside() {
  if (merging_.stage == MergeStage::done) static_cast<void>(adopt_if_cheap());
  if (merging_.stage == MergeStage::none) {
    auto range = worth_merging();
    if (!range && options_.background && options_.lists_beside) range = worth_listing();
    if (!range) return;
    if (!options_.background) {
      Merge merge = plan(*range);
      merge.lists = options_.lists_beside;
      static_cast<void>(merge_now(std::move(merge)));  // tried again by the next commit
      return;
    }
    if (is_pressed() && file_segments() <= 2 * options_.segments_max) {
      put_off();
      return;
    }
    Merge merge = plan(*range);
    merge.lists = options_.lists_beside && !is_pressed();
    begin(&LoggedWriter::merging_, std::move(merge));
  }
  // Writing that is faster than merging waits here, before there are too many files.
  if (file_segments() > 3 * options_.segments_max) {
    wait_for(merging_);
    static_cast<void>(adopt_if_cheap());
    put_off();  // there may be more to merge
  }
}

void LoggedWriter::put_off() {
  care_due_ = true;
  preparation_wanted_.notify_one();
}

Status LoggedWriter::adopt_if_cheap() {
  if (merging_.stage != MergeStage::done || log_->end() > kCheapReplayBytes || !is_one_log() ||
      log_->unfit())
    return {};
  const uint64_t number = state_->manifest().number;
  const Status status = [&]() HR_REQUIRES(mutex_) -> Status {
    std::vector<HeldSegment> segments = state_->segments();
    HR_TRY(adopt(*merging_.merge, segments));
    return publish(std::move(segments), state_->manifest(), nullptr);
  }();
  // A merge that cannot be adopted now is tried again, unless nothing could ever be done with it.
  if (state_->manifest().number != number) drop(merging_);
  if (!status && !folder_owed_) remove_unreferenced();
  return status;
}

// What was put off to a quiet moment: merges, and putting in place what they made.
void LoggedWriter::care() {
  MutexLock turn(turn_);
  MutexLock guard(mutex_);
  care_due_ = false;
  if (stopping_ || log_->unfit() || !prepare_failure_ || !owed_.bytes.empty()) return;
  if (merging_.stage == MergeStage::done) static_cast<void>(flush_locked());
  if (!stopping_) merge_beside();
}

void LoggedWriter::begin(Lane LoggedWriter::* which, Merge merge) {
  Lane& lane = this->*which;
  lane.merge = std::make_unique<Merge>(std::move(merge));
  lane.stage = MergeStage::wanted;
  if (!lane.thread)
    lane.thread = std::make_unique<Thread>([this, which] { work(which); }, Pace::bulk);
  merge_changed_.notify_all();
}

void LoggedWriter::wait_for(const Lane& lane) {
  while (is_busy(lane)) merge_changed_.wait(mutex_);
}

// In non-background mode a fold is run by who finishes it.
void LoggedWriter::wait_for_both() {
  while (is_busy(merging_) || (is_busy(folding_) && options_.background))
    merge_changed_.wait(mutex_);
}

void LoggedWriter::drop(Lane& lane) {
  lane.merge.reset();
  lane.stage = MergeStage::none;
}

void LoggedWriter::call_off_merges() {
  cancel_merge_ = true;
  wait_for_both();
  cancel_merge_ = false;
  drop(merging_);
}

void LoggedWriter::work(Lane LoggedWriter::* which) {
  mutex_.lock();
  Lane& lane = this->*which;
  while (!stopping_) {
    if (lane.stage != MergeStage::wanted) {
      merge_changed_.wait(mutex_);
      continue;
    }
    lane.stage = MergeStage::running;
    Merge& merge = *lane.merge;
    mutex_.unlock();
    const Status status = run(merge);
    mutex_.lock();
    if (status) {
      lane.stage = MergeStage::done;
    } else {
      drop(lane);  // the disk may be full: a later commit tries again
    }
    merge_changed_.notify_all();
    preparation_wanted_.notify_one();
  }
  if (lane.stage == MergeStage::wanted) drop(lane);
  merge_changed_.notify_all();
  mutex_.unlock();
}

}  // namespace headrace::index
