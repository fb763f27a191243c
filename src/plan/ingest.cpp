#include "plan/ingest.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "base/hash_set.h"
#include "embed/model_store.h"
#include "env/simulated_file_system.h"
#include "index/analyzer.h"
#include "plan/document_task.h"
#include "plan/gone_sources.h"
#include "plan/ingest_vectors.h"
#include "plan/known_in_writer.h"
#include "plan/memory_shares.h"
#include "plan/settings.h"
#include "plan/source_names.h"
#include "plan/space_search.h"
#include "sources/source_stamp.h"
#include "sources/watcher.h"

namespace headrace {

namespace {

using Clock = std::chrono::steady_clock;

// Documents are written and made durable in groups: large enough that an fsync is shared, small
// enough that a row is searchable well within a second.
constexpr size_t kGroupDocumentsMax = 2048;
constexpr auto kGroupTimeMax = std::chrono::milliseconds(200);
constexpr uint64_t kGroupKeptBytesMax = 8ULL << 20;  // when a run is ended
// Making lists of vectors takes some hundred bytes a row: with less it waits for the run's end.
constexpr uint64_t kListsBesideMemory = 1ULL << 30;
constexpr uint64_t kListMemoryLeast = 8ULL << 20;
constexpr int kCatchUpMs = 200;  // how often lanes that fell behind are looked after, watching

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool has_manifest(FileSystem& files, const std::string& kb) {
  const auto names = files.list(kb);
  return names && std::any_of(names->begin(), names->end(), [](const std::string& name) {
           return name.starts_with("manifest-");
         });
}

bool is_free(FileSystem& files, const std::string& kb) {
  if (!files.stat(kb)) return true;
  const auto names = files.list(kb);
  return names && names->empty();
}

// One run over one knowledge base.
class Run {
 public:
  Run(const IngestOptions& options, Progress& progress, const CancelToken& cancel,
      FileSystem& files)
      : options_(options), progress_(progress), cancel_(cancel), files_(files) {}

  Result<IngestReport> execute();

 private:
  Status open();
  Status check_sources() const;
  Status open_writer(FileSystem& files, const std::string& folder);
  Status open_model();
  Status share_memory();
  Status stream_once();
  Status take(Outcome&& outcome);
  Status write_group();
  Status remove_stale(const Outcome& outcome);
  Status prune();
  std::vector<std::string> roots() const;
  std::optional<bool> holds_relative_names(const std::string& folder, bool same) const;
  Status follow();
  Status finish();
  void count_rows_without_vectors();
  Status forget(std::string_view source, bool counted);
  StreamOptions stream_options() const;
  const IngestOptions& options_;
  Progress& progress_;
  const CancelToken& cancel_;
  FileSystem& files_;
  const Clock::time_point start_ = Clock::now();
  uint64_t memory_ = 0;
  uint64_t in_flight_ = 0;  // the part of it that documents may take on their way
  uint64_t document_bytes_max_ = 0;
  IngestReport report_;
  Settings settings_;
  std::unique_ptr<FileSystem> no_disk_;  // of a dry run where there is nothing yet
  std::unique_ptr<index::Writer> writer_;
  std::shared_ptr<const VectorModel> model_;  // of the main space; cuts the rows in any case
  bool without_vectors_ = false;              // --model none
  std::shared_ptr<const Tokenizer> tokenizer_ = Tokenizer::without_model();
  std::unique_ptr<Chunker> chunker_;
  std::unique_ptr<ThreadPool> pool_;
  // Beside vectors that are still computed, while watching: a document does not wait for theirs.
  std::unique_ptr<ThreadPool> documents_pool_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<IngestVectors> vectors_;  // where there are any
  bool follows_ = false;                    // the first pass is over
  std::unique_ptr<KnownInWriter> known_;
  std::unique_ptr<SourceNames> names_;
  std::unique_ptr<GoneSources> gone_;
  std::vector<index::DocumentWrite> group_;
  uint64_t group_bytes_ = 0;
  Clock::time_point group_start_;
  HashSet absent_, was_absent_;  // sources that are not there, were not the last time
  HashSet failed_;               // counted once, also when watched repeatedly
};

// Before anything is made.
Status Run::check_sources() const {
  std::vector<std::string> paths = options_.stream.paths;
  std::erase(paths, "-");
  WalkOptions walk = options_.stream.walk;
  walk.target = options_.kb;
  return Walker(std::move(paths), std::move(walk)).check();
}

Status Run::open() {
  if (options_.kb.empty()) {
    return fail(ErrorCode::invalid_argument, "the path of the knowledge base is empty",
                "name a folder, such as --into kb");
  }
  memory_ = options_.memory_bytes != 0 ? options_.memory_bytes : Budget::default_limit_bytes();
  constexpr uint64_t kSmallestBudget = 64ULL << 20;
  if (memory_ < kSmallestBudget) {
    return fail(ErrorCode::invalid_argument, fmt::format("--memory {} is too small", memory_),
                "give at least 64MiB");
  }
  if (!options_.language.empty()) HR_TRY(index::Analyzer::create(options_.language));
  if (!options_.stream.next_record) HR_TRY(check_sources());
  const bool existed = has_manifest(files_, options_.kb);
  bool is_new = true;
  // A new one is made when its model is there and fits; a dry run makes none.
  if (!is_free(files_, options_.kb)) {
    HR_TRY(open_writer(files_, options_.kb));
    const index::Info info = writer_->snapshot()->info();
    HR_ASSIGN(settings_, Settings::from_json(info.settings));
    if (settings_.own_vectors) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} holds vectors of your own, without a model", options_.kb),
                  "index into another knowledge base");
    }
    is_new = !existed || info.settings.empty();
  }
  if (is_new) {
    settings_.model = kDefaultModel;
    settings_.precision = precision_name(default_precision());
  }
  without_vectors_ = options_.model == "none";
  if (without_vectors_) {
    // Those that are there stay, with their model: this run leaves it out, a later one catches up.
    if (is_new) settings_.model.clear();
  } else if (!options_.model.empty()) {
    settings_.model = options_.model;
  }
  if (!options_.precision.empty() && options_.precision != "auto")
    settings_.precision = options_.precision;
  if (options_.dimensions != 0) settings_.dimensions = options_.dimensions;
  if (options_.chunk_tokens != 0) settings_.chunk_tokens = options_.chunk_tokens;
  if (options_.overlap >= 0) settings_.overlap = static_cast<uint32_t>(options_.overlap);
  // An overlap that was not asked for makes room for small chunks.
  if (options_.overlap < 0)
    settings_.overlap = std::min(settings_.overlap, settings_.chunk_tokens / 4);
  if (options_.embed_headings) settings_.embed_headings = *options_.embed_headings;
  if (!options_.language.empty()) settings_.language = options_.language;

  // A small budget has no room for many documents at once.
  const size_t threads = options_.threads != 0 ? options_.threads : usable_cpu_count();
  pool_ = std::make_unique<ThreadPool>(std::min<size_t>(threads, memory_ / kMemoryPerThread));
  WorkerPoolOptions worker_options;
  worker_options.workers_max = workers_needed(pool_->size());
  worker_options.memory_bytes_max = decoder_bytes_max(memory_);
  HR_ASSIGN(workers_, WorkerPool::create(worker_options));
  HR_TRY(open_model());
  if (!writer_ && options_.dry_run) {
    no_disk_ = std::make_unique<SimulatedFileSystem>();
    HR_TRY(open_writer(*no_disk_, "kb"));
  } else if (!writer_) {
    HR_TRY(open_writer(files_, options_.kb));
    if (!writer_->snapshot()->info().settings.empty()) {
      return fail(ErrorCode::busy,
                  fmt::format("{} was made by another process meanwhile", options_.kb),
                  "run again");
    }
  }
  if (model_ && !without_vectors_) {
    vectors_ = std::make_unique<IngestVectors>(IngestVectors::Parts{
        options_, *writer_, *pool_, *chunker_, MemoryShares(memory_).lane, progress_, cancel_});
    HR_TRY(vectors_->open(settings_, model_));
  }
  if (!options_.stream.next_record) {
    settings_.sources = note_sources(std::move(settings_.sources), options_.kb, roots(),
                                     [this](const std::string& folder, bool same) {
                                       return holds_relative_names(folder, same);
                                     });
  }
  if (!options_.dry_run) HR_TRY(writer_->set_settings(settings_.to_json()));
  known_ = std::make_unique<KnownInWriter>(*writer_);
  names_ = std::make_unique<SourceNames>(settings_.sources, roots());
  gone_ = std::make_unique<GoneSources>(options_.stream, *names_, options_.prune);
  return {};
}

std::vector<std::string> Run::roots() const {
  std::vector<std::string> paths = options_.stream.paths;
  std::erase(paths, "-");
  return Walker(std::move(paths), options_.stream.walk).roots();
}

// Whether a folder has one of the files that have relative names, as far as a few of them tell.
std::optional<bool> Run::holds_relative_names(const std::string& folder, bool same) const {
  constexpr size_t kAskedMax = 256;
  size_t asked = 0;
  bool any = false;
  const Status seen =
      writer_->snapshot()->for_each_document([&](const index::DocumentState& state) -> Status {
        if (!state.container.empty() || state.stamp.inode == 0 || state.source.starts_with('/'))
          return {};
        const auto found = stamp_at(folder + "/" + state.source);
        any = found && (!same || (found->size_bytes == state.stamp.size_bytes &&
                                  (found->inode == state.stamp.inode ||
                                   found->modified_ns == state.stamp.modified_ns)));
        return any || ++asked == kAskedMax ? fail(ErrorCode::cancelled, "enough") : Status{};
      });
  return any || asked > 0 ? std::optional(any) : std::nullopt;
}

Status Run::open_writer(FileSystem& files, const std::string& folder) {
  index::WriterOptions writer_options;
  writer_options.memory_bytes_max = MemoryShares(memory_).segments;
  writer_options.log_buffer_bytes_max = MemoryShares(memory_).log;
  writer_options.lists_beside = memory_ >= kListsBesideMemory;
  if (!options_.language.empty()) writer_options.language = options_.language;
  HR_ASSIGN(writer_, index::Writer::open(files, folder, writer_options));
  return {};
}

// What the process holds now, and what the parts take that run beside the documents, is not for
// documents in flight. What is left must be enough to work with.
Status Run::share_memory() {
  const bool embeds = model_ && !without_vectors_;
  const RunLoad load{resident_bytes(), pool_->size(), options_.watch, embeds};
  const uint64_t taken = taken_beside_documents(memory_, load) + kInFlightLeast;
  // Nobody asked for the default: it gives way where the process around us is large.
  const bool asked = options_.memory_bytes != 0;
  if (asked && embeds && memory_ < taken) {
    const uint64_t needed = least_budget_mib(memory_ >> 20, load);
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("--memory {}MiB is too small to work with the model {}: {} MiB are needed",
                    memory_ >> 20, model_->info().name, needed),
        fmt::format("give --memory {}MiB or more, or --model none", needed));
  }
  in_flight_ = std::max(memory_, taken) - taken + kInFlightLeast;
  document_bytes_max_ = std::min(document_bytes_max(in_flight_),
                                 usual_document_bytes_max(memory_, load, usable_cpu_count()));
  return {};
}

Status Run::open_model() {
  const ChunkOptions chunk = settings_.chunk_options();
  if (options_.instant && (without_vectors_ || settings_.model.empty())) {
    return fail(ErrorCode::invalid_argument, "--instant needs a model",
                "leave --model none out: without vectors every row is searchable at once");
  }
  // What only Python can call brings no tokenizer.
  const bool not_needed =
      without_vectors_ && !options_.given_model && settings_.model.starts_with("python:");
  if (!settings_.model.empty() && !not_needed) {
    model_ = options_.given_model;
    if (!model_) {
      ModelOptions model_options = options_.model_options;
      model_options.cancel = &cancel_;
      HR_ASSIGN(model_options.precision, parse_precision(settings_.precision));
      model_options.dimensions = settings_.dimensions;
      HR_ASSIGN(model_, load_vector_model(settings_.model, model_options));
      // A later search may run in another folder.
      settings_.model = lasting_spec(settings_.model, *model_);
    }
    tokenizer_ = model_->tokenizer();
    const VectorModelInfo& model = model_->info();
    if (model.tokens_max != 0 && chunk.tokens_max > model.tokens_max) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} reads at most {} tokens, --chunk-tokens is {}", model.name,
                              model.tokens_max, chunk.tokens_max),
                  fmt::format("give --chunk-tokens {} or less", model.tokens_max));
    }
  }
  HR_TRY(share_memory());
  HR_ASSIGN(Chunker chunker, Chunker::create(tokenizer_, chunk));
  chunker_ = std::make_unique<Chunker>(std::move(chunker));
  return {};
}

StreamOptions Run::stream_options() const {
  StreamOptions stream = options_.stream;
  stream.walk.target = options_.kb;
  stream.settings = settings_.row_fingerprint(tokenizer_fingerprint(*tokenizer_));
  stream.settings += options_.function_fingerprint;
  stream.document_bytes_max = document_bytes_max_;
  stream.follows = follows_;
  return stream;
}

Status Run::forget(std::string_view source, bool counted) {
  if (counted) ++report_.removed;
  return writer_->remove(source);
}

// What the container held before and does not hold now.
Status Run::remove_stale(const Outcome& outcome) {
  return gone_->for_each_gone_member(outcome, *known_, [&](std::string_view source) -> Status {
    const auto state = writer_->document(source);
    const bool counted = state && (!state->error || state->row_count > 0);
    if (!options_.dry_run) return forget(source, counted);
    if (counted) ++report_.removed;
    return {};
  });
}

Status Run::take(Outcome&& outcome) {
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

Status Run::write_group() {
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

Status Run::prune() {
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

Status Run::stream_once() {
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
Status Run::follow() {
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

void Run::count_rows_without_vectors() {
  const index::Info info = writer_->snapshot()->info();
  const index::SpaceInfo* const space = find_space(info, settings_.main_space);
  if (space != nullptr && space->rows < info.rows)
    report_.without_vectors = info.rows - space->rows;
}

// Who searches next may have no writer that makes lists in quiet moments. What was written stays
// written where they are called off.
Status Run::finish() {
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

Result<IngestReport> Run::execute() {
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
    const Embeddings counts = vectors_->counts();
    report_.reused = counts.reused;
    report_.requests = counts.requests;
    report_.retries = counts.retries;
    report_.cost = counts.cost;
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

}  // namespace

Result<IngestReport> ingest(const IngestOptions& options, Progress& progress,
                            const CancelToken& cancel, FileSystem& files) {
  return Run(options, progress, cancel, files).execute();
}

}  // namespace headrace
