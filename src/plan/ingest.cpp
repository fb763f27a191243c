#include "plan/ingest.h"

#include <algorithm>
#include <utility>

#include "plan/ingest_run.h"
#include "plan/memory_shares.h"
#include "plan/space_search.h"
#include "sources/watcher.h"

namespace headrace {

namespace {

// Documents are written and made durable in groups: large enough that an fsync is shared, small
// enough that a row is searchable well within a second.
constexpr size_t kGroupDocumentsMax = 2048;
constexpr auto kGroupTimeMax = std::chrono::milliseconds(200);
constexpr uint64_t kGroupKeptBytesMax = 8ULL << 20;  // when a run is ended
constexpr uint64_t kListMemoryLeast = 8ULL << 20;
constexpr int kCatchUpMs = 200;  // how often lanes that fell behind are looked after, watching

}  // namespace

StreamOptions IngestRun::stream_options() const {
  StreamOptions stream = options_.stream;
  stream.walk.target = options_.kb;
  stream.settings = settings_.row_fingerprint(tokenizer_fingerprint(*tokenizer_));
  stream.settings += options_.function_fingerprint;
  stream.document_bytes_max = document_bytes_max_;
  stream.follows = follows_;
  return stream;
}

Status IngestRun::forget(std::string_view source, bool counted) {
  if (counted) ++report_.removed;
  return writer_->remove(source);
}

// What the container held before and does not hold now.
Status IngestRun::remove_stale(const Outcome& outcome) {
  return gone_->for_each_gone_member(outcome, *known_, [&](std::string_view source) -> Status {
    const auto state = writer_->document(source);
    const bool counted = state && (!state->error || state->row_count > 0);
    if (!options_.dry_run) return forget(source, counted);
    if (counted) ++report_.removed;
    return {};
  });
}

Status IngestRun::take(Outcome&& outcome) {
  index::DocumentWrite& document = outcome.document;
  gone_->note_met(outcome, *known_);
  report_.bytes_in += outcome.kind == OutcomeKind::unchanged ? 0 : outcome.bytes;
  switch (outcome.kind) {
    case OutcomeKind::unchanged:
      report_.unchanged += outcome.count;
      return {};
    case OutcomeKind::listed:
      return options_.dry_run ? Status{} : forget(document.source, false);
    case OutcomeKind::absent:
      gone_->note_unreadable(document.source);
      if (absent_.insert(document.source) && !was_absent_.contains(document.source) &&
          options_.on_error)
        options_.on_error(*document.error);
      return {};
    case OutcomeKind::failed:
      if (failed_.insert(document.source)) {
        report_.failed += outcome.count;
        if (report_.failures.size() < IngestReport::kFailuresMax)
          report_.failures.push_back(*document.error);
      }
      progress_.failed.fetch_add(outcome.count, std::memory_order_relaxed);
      gone_->note_unreadable(document.source);
      if (options_.on_error) options_.on_error(*document.error);
      break;
    case OutcomeKind::document: {
      if (outcome.is_empty) {
        ++report_.empty;
        break;
      }
      const auto before = writer_->document(document.source);
      const bool was_good = before && (!before->error || before->row_count > 0);
      ++(was_good ? report_.updated : report_.added);
      break;
    }
    case OutcomeKind::container_end:
      if (gone_->is_partly_met(document.source)) return {};
      break;
  }
  // What is gone from it goes with the entry that says it was read: at once, or not at all.
  if (outcome.has_members) HR_TRY(remove_stale(outcome));
  if (group_.empty()) group_start_ = Clock::now();
  group_bytes_ += rows_bytes(document.rows);
  group_.push_back(std::move(document));
  if (group_.size() >= kGroupDocumentsMax || group_bytes_ >= MemoryShares(memory_).group ||
      Clock::now() - group_start_ >= kGroupTimeMax)
    return write_group();
  return {};
}

Status IngestRun::write_group() {
  if (group_.empty()) return {};
  std::vector<index::DocumentWrite> group = std::exchange(group_, {});
  const uint64_t group_bytes = std::exchange(group_bytes_, 0);
  if (options_.dry_run) return {};
  if (vectors_) HR_TRY(vectors_->take_instant(false));
  if (options_.on_documents) HR_TRY(options_.on_documents(group));
  const EmbeddedTexts texts = vectors_ ? vectors_->texts_of(group) : EmbeddedTexts{};
  for (index::DocumentWrite& document : group) {
    report_.rows += document.rows.size();
    progress_.rows.fetch_add(document.rows.size(), std::memory_order_relaxed);
    HR_TRY(writer_->put(std::move(document)));
  }
  if (vectors_) HR_TRY(vectors_->put(texts));
  HR_TRY(writer_->commit());
  if (group_bytes > MemoryShares(memory_).group) {
    // A large document is made searchable while what it takes is still reserved.
    writer_->snapshot();
    return_freed_memory();
  }
  report_.searchable_seconds = seconds_since(start_);
  return vectors_ ? vectors_->follow(texts) : Status{};
}

Status IngestRun::prune() {
  std::vector<std::pair<std::string, bool>> gone;
  HR_TRY(
      gone_->for_each_gone(*writer_->snapshot(), [&](const index::DocumentState& state) -> Status {
        gone.emplace_back(state.source,
                          !state.is_container && (!state.error || state.row_count > 0));
        return {};
      }));
  for (const auto& [source, counted] : gone) {
    if (options_.dry_run) {
      if (counted) ++report_.removed;
    } else {
      HR_TRY(forget(source, counted));
    }
  }
  return options_.dry_run ? Status{} : writer_->commit();
}

Status IngestRun::stream_once() {
  Budget budget(in_flight_);
  gone_->begin_pass();
  was_absent_ = std::exchange(absent_, {});
  const StreamOptions stream = stream_options();
  HR_TRY(run_document_stream(stream,
                             {documents_pool_ ? *documents_pool_ : *pool_, budget, workers_.get(),
                              *chunker_, known_.get(), progress_, cancel_, names_.get()},
                             [this](Outcome&& outcome) { return take(std::move(outcome)); }));
  HR_TRY(write_group());
  if (!options_.dry_run) HR_TRY(writer_->commit());
  if (options_.prune) HR_TRY(prune());
  return {};
}

// --watch: whenever something changes below the sources, run over them again; what did not change
// is skipped by its stamp.
Status IngestRun::follow() {
  const Walker walker(options_.stream.paths, options_.stream.walk);
  HR_ASSIGN(auto watcher, Watcher::create(walker.roots()));
  follows_ = true;
  progress_.limiting = JobStage::watching;
  bool changed = true;  // between the first pass and the watcher's start
  int restless_ms = Watcher::kRestlessMs;
  while (true) {
    if (changed) {
      const Clock::time_point begin = Clock::now();
      known_ = std::make_unique<KnownInWriter>(*writer_);
      HR_TRY(stream_once());
      // Files that are always written to take a fifth of the time at most.
      constexpr double kRestlessShare = 4.0 * 1000;
      restless_ms =
          std::max(Watcher::kRestlessMs, static_cast<int>(kRestlessShare * seconds_since(begin)));
    }
    const bool waits = vectors_ && vectors_->waits();
    HR_ASSIGN(changed, watcher->wait(cancel_, waits ? kCatchUpMs : -1, restless_ms));
    if (waits) HR_TRY(vectors_->go_on());
  }
}

void IngestRun::count_rows_without_vectors() {
  const index::Info info = writer_->snapshot()->info();
  const index::SpaceInfo* const space = find_space(info, settings_.main_space);
  if (space != nullptr && space->rows < info.rows)
    report_.without_vectors = info.rows - space->rows;
}

// Who searches next may have no writer that makes lists in quiet moments. What was written stays
// written where they are called off.
Status IngestRun::finish() {
  HR_TRY(writer_->flush());
  progress_.limiting = JobStage::indexing;
  const uint64_t held = resident_bytes();
  // A part of what is left is for pages of the segments that are read.
  const uint64_t left = std::max((std::max(memory_, held) - held) / 3 * 2, kListMemoryLeast);
  Status listed = writer_->make_lists(&cancel_, left);
  if (!listed && listed.error().code() == ErrorCode::cancelled) {
    report_.interrupted = true;
    return {};
  }
  return listed;
}

Result<IngestReport> IngestRun::execute() {
  HR_TRY(open());
  if (vectors_) vectors_->start();
  if (vectors_ && options_.watch) documents_pool_ = std::make_unique<ThreadPool>(pool_->size());
  Status status = vectors_ ? vectors_->catch_up() : Status{};
  if (status) status = stream_once();
  if (report_.searchable_seconds == 0) report_.searchable_seconds = seconds_since(start_);
  // Who watches must see the next change, whatever is still made.
  if (status && vectors_) status = vectors_->take_instant(!options_.watch);
  if (status && vectors_) status = vectors_->take_deferred();
  if (status && options_.watch) status = follow();
  if (vectors_) {
    if (status) status = vectors_->finish();
    const bool ended = status || status.error().code() == ErrorCode::cancelled;
    if (ended && !options_.dry_run) HR_TRY(vectors_->report_refused(report_));
    const Embeddings counts = vectors_->counts();
    report_.reused = counts.reused;
    report_.requests = counts.requests;
    report_.retries = counts.retries;
    report_.cost = counts.cost;
    if (const Status kept = vectors_->kept(); !kept) report_.not_kept = kept.error().text();
  }
  if (!status && status.error().code() == ErrorCode::cancelled) {
    report_.interrupted = true;
    if (vectors_) vectors_->stop();
    // What was taken but not yet written is cheap to keep, unless it is one large document.
    status = group_bytes_ <= kGroupKeptBytesMax ? write_group() : Status{};
    if (!status && status.error().code() == ErrorCode::cancelled) status = {};
  }
  if (status && !options_.dry_run && !report_.interrupted) status = finish();
  if (vectors_) vectors_->stop();
  HR_TRY(status);
  if (without_vectors_ && !options_.dry_run) count_rows_without_vectors();
  report_.tokens = progress_.tokens;
  report_.seconds = seconds_since(start_);
  report_.peak_rss_bytes = peak_resident_bytes();
  return report_;
}

Result<IngestReport> ingest(const IngestOptions& options, Progress& progress,
                            const CancelToken& cancel, FileSystem& files) {
  return IngestRun(options, progress, cancel, files).execute();
}

}  // namespace headrace
