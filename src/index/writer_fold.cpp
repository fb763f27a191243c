// Folding beside the writing: what is in memory goes into a segment file while commits go on in a
// further log file. Both logs belong to the knowledge base until the segment is published.
#include <algorithm>
#include <utility>

#include "index/logged_writer.h"

namespace headrace::index {

// Memory and log hold at most what the options allow: half of it is being folded, half is filled.
Status LoggedWriter::fold_beside() {
  if (folding_.stage == MergeStage::done) HR_TRY(finish_fold());
  // What the fold that is to begin takes along is counted already.
  const uint64_t in_memory = fold_from_ == 0 ? memory_bytes_since_fold() + owed_.size : 0;
  const uint64_t bytes = std::max(in_memory, log_->end());
  if (bytes <= options_.memory_bytes_max / 2) return {};
  // A state that is kept must be whole. Without rows in memory (all the log has is marks in files)
  // a manifest says it all.
  const auto wants_flush = [&]() HR_REQUIRES(mutex_) {
    return state_->manifest().history.any() || state_->segments().empty() ||
           state_->segments().back().file != 0;
  };
  if (fold_from_ != 0 || folding_.stage != MergeStage::none || wants_flush()) {
    HR_TRY(settle());
    HR_TRY(finish_fold());
    if (wants_flush()) return flush_locked();
  }
  return begin_log_file();
}

uint64_t LoggedWriter::memory_bytes_since_fold() const {
  uint64_t bytes = 0;
  for (const HeldSegment& held : state_->segments()) {
    if (!held.is_folding) bytes += held.memory_bytes();
  }
  return bytes;
}

// Commits go on in a further file of the log; what is in those before it is to be folded. Part of
// it may not be in memory segments yet: that is no reason to wait for it here.
Status LoggedWriter::begin_log_file() {
  HR_TRY(settle_folder());
  HR_TRY(lock_->check());
  HR_TRY(log_->sync());  // what comes in the next file must not outlive what is in this one
  LogHeader header = next_log();
  header.previous_end = log_->end();
  const uint64_t number = state_->manifest().number;
  const Status begun = [&]() HR_REQUIRES(mutex_) -> Status {
    HR_ASSIGN(auto log, LogWriter::create(files_, path_of(FileKind::log, header.id), header));
    HR_TRY(files_.sync_folder(path_));
    Manifest manifest = state_->manifest();
    manifest.last_log = header.id;
    manifest.is_whole = false;
    const Status published = publish_as_is(std::move(manifest));
    if (state_->manifest().number != number) log_ = std::move(log);
    return published;
  }();
  if (state_->manifest().number == number) {
    if (!folder_owed_) remove_unreferenced();
    return begun;
  }
  fold_from_ = acknowledged_;
  // Without a thread that prepares, the next commit begins it, as that thread would.
  if (options_.background && !preparing_) begin_fold();
  return begun;
}

// Once all that the earlier files of the log have is in memory segments, these are folded. Some may
// hold what is in the newest file too: who opens the knowledge base hears it twice, which changes
// nothing (see publish).
void LoggedWriter::begin_fold() {
  if (fold_from_ == 0 || in_state_ < fold_from_ || folding_.stage != MergeStage::none) return;
  if (!prepare_failure_) return;  // what could not be prepared is in the log alone
  fold_from_ = 0;
  std::vector<HeldSegment> segments = state_->segments();
  Range range{segments.size(), 0};
  while (range.first > 0 && segments[range.first - 1].file == 0) {
    segments[--range.first].is_folding = true;
    ++range.count;
  }
  if (range.count == 0) return;
  state_->set_segments(std::move(segments));
  Merge merge = plan(range);
  merge.is_fold = true;
  if (options_.background) {
    begin(&LoggedWriter::folding_, std::move(merge));
  } else {
    folding_.merge = std::make_unique<Merge>(std::move(merge));
    folding_.stage = MergeStage::wanted;  // run by finish_fold
  }
}

// Publishes the folded segment in the place of what was in memory. When that cannot be done now,
// what was to be folded stays in memory and in both logs.
Status LoggedWriter::finish_fold() {
  if (!preparing_) begin_fold();
  if (folding_.stage == MergeStage::none) return {};
  if (folding_.stage == MergeStage::wanted && !options_.background)
    folding_.stage = run(*folding_.merge) ? MergeStage::done : MergeStage::none;
  wait_for(folding_);
  if (folding_.stage != MergeStage::done || log_->unfit()) {
    drop_fold();
    return {};
  }
  const uint64_t number = state_->manifest().number;
  const bool merges = merging_.stage == MergeStage::done;
  const Status status = [&]() HR_REQUIRES(mutex_) -> Status {
    std::vector<HeldSegment> segments = state_->segments();
    HR_TRY(adopt(*folding_.merge, segments));
    if (merges) HR_TRY(adopt(*merging_.merge, segments));
    Manifest manifest = state_->manifest();
    manifest.first_log = manifest.last_log;
    return publish(std::move(segments), std::move(manifest), nullptr);
  }();
  if (state_->manifest().number != number) {
    drop(folding_);
    if (merges) drop(merging_);
  } else {
    drop_fold();
    if (!folder_owed_) remove_unreferenced();
  }
  return status;
}

void LoggedWriter::drop_fold() {
  drop(folding_);
  fold_from_ = 0;
  std::vector<HeldSegment> segments = state_->segments();
  for (HeldSegment& held : segments) held.is_folding = false;
  state_->set_segments(std::move(segments));
}

}  // namespace headrace::index
