// IngestRun: what is checked, opened and shared out before the first document.
#include <fmt/format.h>

#include <algorithm>

#include "embed/model_store.h"
#include "env/simulated_file_system.h"
#include "index/analyzer.h"
#include "plan/ingest_run.h"
#include "plan/memory_shares.h"
#include "plan/space_search.h"
#include "sources/source_stamp.h"

namespace headrace {

namespace {

// Making lists of vectors takes some hundred bytes a row: with less it waits for the run's end.
constexpr uint64_t kListsBesideMemory = 1ULL << 30;

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

}  // namespace

// Before anything is made.
Status IngestRun::check_sources() const {
  std::vector<std::string> paths = options_.stream.paths;
  std::erase(paths, "-");
  WalkOptions walk = options_.stream.walk;
  walk.target = options_.kb;
  return Walker(std::move(paths), std::move(walk)).check();
}

Status IngestRun::open() {
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
  take_options(is_new);

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

// What was not asked for stays as the knowledge base has it, or as a new one gets it.
void IngestRun::take_options(bool is_new) {
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
}

std::vector<std::string> IngestRun::roots() const {
  std::vector<std::string> paths = options_.stream.paths;
  std::erase(paths, "-");
  return Walker(std::move(paths), options_.stream.walk).roots();
}

// Whether a folder has one of the files that have relative names, as far as a few of them tell.
std::optional<bool> IngestRun::holds_relative_names(const std::string& folder, bool same) const {
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

Status IngestRun::open_writer(FileSystem& files, const std::string& folder) {
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
Status IngestRun::share_memory() {
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

Status IngestRun::open_model() {
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
      HR_TRY(check_precision_of(settings_.model, options_.precision));
      HR_ASSIGN(model_options.precision, parse_precision(settings_.precision));
      model_options.dimensions = settings_.dimensions;
      if (writer_) {
        const index::Info info = writer_->snapshot()->info();
        const index::SpaceInfo* const there = find_space(info, settings_.main_space);
        model_options.space_dimension = there != nullptr ? there->space.dimension : 0;
      }
      auto loaded = load_vector_model(settings_.model, model_options);
      if (!loaded && loaded.error().code() == ErrorCode::not_found) {
        const Error& error = loaded.error();
        return fail(error.code(), error.message(),
                    error.hint() + ", or do without vectors: --model none");
      }
      HR_ASSIGN(model_, std::move(loaded));
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

}  // namespace headrace
