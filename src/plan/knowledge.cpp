#include "plan/knowledge.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "embed/model_store.h"
#include "plan/space_filler.h"
#include "plan/space_search.h"
#include "transform/chunker.h"

namespace headrace {

namespace {

// Texts that may wait for a further space's model.
constexpr uint64_t kLaneBytes = 16ULL << 20;

// The tokenizer that cut the rows: titles before a text are cut by it too. Where it cannot be found
// any more the new model's does.
std::shared_ptr<const Tokenizer> chunk_tokenizer(const Settings& settings,
                                                 std::shared_ptr<const Tokenizer> otherwise) {
  if (settings.model.empty()) return otherwise;
  constexpr std::string_view kStatic = "static:";
  const bool is_static = settings.model.starts_with(kStatic);
  const auto files = find_model(is_static ? settings.model.substr(kStatic.size()) : settings.model);
  if (!files) return otherwise;
  auto tokenizer = Tokenizer::load(files->directory);
  return tokenizer ? *tokenizer : otherwise;
}

// What a space is called when nobody says: the model's name without its place.
std::string space_name_of(const VectorModelInfo& model) {
  if (model.kind == "static") return "static";
  const size_t slash = model.name.find_last_of("/#");
  return slash == std::string::npos ? model.name : model.name.substr(slash + 1);
}

// One that is there keeps what it was made with.
Status check_own_vectors(const index::Info& info, const std::string& path,
                         const KnowledgeOptions& options) {
  const index::SpaceInfo* const known = find_space(info, kDefaultSpace);
  if (known == nullptr) return {};
  const index::Space& space = known->space;
  if (options.dimension != 0 && space.dimension != options.dimension) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} holds vectors of dimension {}, not {}", path, space.dimension,
                            options.dimension),
                "open it with that dimension, or make another knowledge base");
  }
  if (options.metric && space.metric != *options.metric) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} holds vectors for the metric {}, not {}", path,
                            index::metric_name(space.metric), index::metric_name(*options.metric)),
                "open it with that metric or without one, or make another knowledge base");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Knowledge>> Knowledge::open(const std::string& path,
                                                   KnowledgeOptions options, FileSystem& files) {
  auto knowledge = std::make_unique<Knowledge>(path, options, files);
  if (!options.at.empty()) {
    HR_ASSIGN(knowledge->past_, index::snapshot_at(files, path, options.at));
    return knowledge;
  }
  auto reader = index::Reader::open(files, path);
  if (reader) {
    {
      MutexLock lock(knowledge->mutex_);
      knowledge->reader_ = std::move(*reader);
    }
    if (options.own_vectors) {
      HR_ASSIGN(const auto snapshot, knowledge->snapshot());
      HR_TRY(check_own_vectors(snapshot->info(), path, options));
    }
    return knowledge;
  }
  if (!options.create || reader.error().code() != ErrorCode::not_found) {
    return std::unexpected(std::move(reader).error());
  }
  MutexLock lock(knowledge->write_mutex_);
  HR_TRY(knowledge->writer());
  return knowledge;
}

Result<index::Writer*> Knowledge::writer() {
  if (past_) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("{} is open as it was ({}): the past does not change", path_, options_.at),
        "open it without a past state to write");
  }
  {
    MutexLock lock(mutex_);
    if (writer_) return writer_.get();
  }
  index::WriterOptions writer_options;
  if (options_.memory_bytes != 0) writer_options.memory_bytes_max = options_.memory_bytes;
  writer_options.durability = options_.durability;
  HR_ASSIGN(auto opened, index::Writer::open(files_, path_, writer_options));
  const index::Info info = opened->snapshot()->info();
  HR_ASSIGN(Settings settings, Settings::from_json(info.settings));
  if (info.settings.empty()) {
    settings.own_vectors = options_.own_vectors;
    settings.precision = precision_name(default_precision());
    settings.model = options_.own_vectors       ? ""
                     : options_.model == "none" ? ""
                     : options_.model.empty()   ? kDefaultModel
                                                : options_.model;
    HR_TRY(opened->set_settings(settings.to_json()));
  }
  if (settings.own_vectors && options_.dimension != 0 &&
      find_space(info, kDefaultSpace) == nullptr) {
    index::Space space;
    space.name = kDefaultSpace;
    space.dimension = options_.dimension;
    space.metric = options_.metric.value_or(index::Metric::cosine);
    HR_TRY(opened->add_space(space));
  }
  MutexLock lock(mutex_);
  writer_ = std::move(opened);
  return writer_.get();
}

Result<std::vector<index::RecallReport>> Knowledge::measure_recall(double target) {
  HR_ASSIGN(const auto current, snapshot());
  return index::measure_recall(*current, target, pool(0));
}

void Knowledge::close() {
  MutexLock writing(write_mutex_);
  MutexLock lock(mutex_);
  writer_.reset();
  integer_ids_.reset();
  own_vectors_.reset();
}

Result<std::shared_ptr<const index::Snapshot>> Knowledge::snapshot() {
  if (past_) return past_;
  MutexLock lock(mutex_);
  if (writer_) return writer_->snapshot();
  if (!reader_) {
    HR_ASSIGN(reader_, index::Reader::open(files_, path_));
  }
  return reader_->snapshot();
}

Result<Settings> Knowledge::settings() {
  HR_ASSIGN(const auto current, snapshot());
  return Settings::from_json(std::string(current->settings()));
}

Result<Knowledge::ReadState> Knowledge::read_state() {
  HR_ASSIGN(auto current, snapshot());
  {
    MutexLock lock(mutex_);
    // The same one, not another at the place where it was.
    const bool same = !known_of_.owner_before(current) && !current.owner_before(known_of_);
    if (same && known_) return ReadState{std::move(current), known_};
  }
  auto known = std::make_shared<KnownState>();
  known->info = current->info();
  HR_ASSIGN(known->settings, Settings::from_json(known->info.settings));
  MutexLock lock(mutex_);
  known_of_ = current;
  known_ = known;
  return ReadState{std::move(current), std::move(known)};
}

Result<std::shared_ptr<const VectorModel>> Knowledge::embedder(const KnownState& state,
                                                               const std::string& space) {
  const Settings& known = state.settings;
  const std::string name = space.empty() ? known.main_space : space;
  if (options_.given_model && name == known.main_space) {
    HR_TRY(check_model_space(state.info, path_, name, options_.given_model->info()));
    return options_.given_model;
  }
  const std::vector<ModelSpace> spaces = known.model_spaces();
  const auto wanted = std::ranges::find(spaces, name, &ModelSpace::name);
  if (wanted == spaces.end()) {
    return fail(ErrorCode::invalid_argument,
                space.empty() ? fmt::format("{} has no model", path_)
                              : fmt::format("no model makes queries for \"{}\" of {}", name, path_),
                "search it with mode text, or with a vector of your own");
  }
  const bool is_main = name == known.main_space;
  const std::string precision_name = is_main ? known.precision : "fp32";
  ModelOptions model_options;
  model_options.dimensions = is_main ? known.dimensions : 0;
  if (const index::SpaceInfo* const there = find_space(state.info, name); there != nullptr)
    model_options.space_dimension = there->space.dimension;
  const auto key = [&](uint32_t space_dimension) {
    return fmt::format("{}|{}|{}|{}", wanted->model, precision_name, model_options.dimensions,
                       space_dimension);
  };
  {
    MutexLock lock(mutex_);
    const auto found = models_.find(key(model_options.space_dimension));
    if (found != models_.end()) return found->second;
  }
  HR_ASSIGN(model_options.precision, parse_precision(precision_name));
  HR_ASSIGN(auto loaded, load_vector_model(wanted->model, model_options));
  MutexLock lock(mutex_);
  const auto kept =
      models_.try_emplace(key(model_options.space_dimension), std::move(loaded)).first->second;
  // Also under the dimension of the space that is made for it.
  models_.try_emplace(key(kept->info().dimension), kept);
  return kept;
}

Result<SpaceChoice> Knowledge::choose(const KnownState& known, const SearchOptions& options) const {
  if (!options.space.empty()) {
    HR_TRY(space_dimension(known, options.space));
    return SpaceChoice{options.space, std::nullopt, 1};
  }
  SpaceChoice choice = choose_spaces(known.info, known.settings);
  // What depends on all scores at once cannot be joined from two lists: the space that covers more
  // rows answers alone.
  if (choice.rest && (!options.sort.empty() || !options.group_by.empty() ||
                      options.diversity.has_value() || !options.decay.empty())) {
    choice = {*choice.rest, std::nullopt, 1};
  }
  return choice;
}

ThreadPool& Knowledge::pool(size_t threads) {
  MutexLock lock(mutex_);
  auto& made = pools_[threads];
  if (!made) made = std::make_unique<ThreadPool>(threads);
  return *made;
}

Result<uint32_t> Knowledge::space_dimension(const KnownState& known,
                                            const std::string& space) const {
  if (const index::SpaceInfo* const found = find_space(known.info, space))
    return found->space.dimension;
  return fail(ErrorCode::not_found, fmt::format("{} has no vectors named \"{}\"", path_, space),
              "headrace info shows its spaces; search it with mode text");
}

namespace {

// A filter that removes nothing because of a name that is spelled wrong should not look like one
// that found nothing to remove.
Status check_columns(const index::Filter& filter, const index::Snapshot& snapshot) {
  std::vector<const index::Columns*> columns;
  for (const index::SegmentView& segment : snapshot.segments()) columns.push_back(segment.columns);
  const std::string unknown = columns.empty() ? "" : filter.unknown_columns(columns);
  if (unknown.empty()) return {};
  return fail(ErrorCode::invalid_argument, "nothing is removed: " + unknown, "check the name");
}

}  // namespace

Result<uint64_t> Knowledge::remove_where(const std::string& expression) {
  if (expression.empty()) {
    return fail(ErrorCode::invalid_argument, "an empty filter would delete everything",
                "say which rows, e.g. \"source like 'old/%'\"");
  }
  HR_ASSIGN(const index::Filter filter, index::Filter::parse(expression));
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  HR_ASSIGN(const uint64_t removed, out->remove_where(filter));
  if (removed == 0) HR_TRY(check_columns(filter, *out->snapshot()));
  HR_TRY(out->commit());
  return removed;
}

Status Knowledge::set_history(const index::History& history) {
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  return out->set_history(history);
}

Result<std::vector<index::PastState>> Knowledge::past_states() {
  return index::past_states(files_, path_);
}

Status Knowledge::optimize(const CancelToken* cancel) {
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  return out->optimize(cancel);
}

Result<SpaceReport> Knowledge::add_space(const std::string& spec, const std::string& name,
                                         Progress& progress, const CancelToken& cancel) {
  const auto start = std::chrono::steady_clock::now();
  {
    MutexLock lock(write_mutex_);
    HR_TRY(writer());  // before a model is loaded for nothing
  }
  HR_ASSIGN(auto model, load_vector_model(spec));
  HR_ASSIGN(const auto as_it_is, snapshot());
  const index::Info known_spaces = as_it_is->info();
  const index::SpaceInfo* const there =
      find_space(known_spaces, name.empty() ? space_name_of(model->info()) : name);
  if (there != nullptr && there->space.dimension != model->info().dimension) {
    HR_ASSIGN(model, load_vector_model(spec, {.space_dimension = there->space.dimension}));
  }
  // A later search may run in another folder.
  const std::string known_as = lasting_spec(spec, *model);
  SpaceReport report;
  report.name = name.empty() ? space_name_of(model->info()) : name;
  report.model = model->info().name;
  report.dimension = model->info().dimension;
  std::shared_ptr<index::Writer> out;  // close() may be called meanwhile
  Settings known;
  {
    MutexLock writing(write_mutex_);
    HR_TRY(writer());
    {
      MutexLock lock(mutex_);
      out = writer_;
    }
    HR_ASSIGN(known, Settings::from_json(out->snapshot()->info().settings));
    HR_TRY(add_model_space(*out, path_, report.name, model->info()));
    known.add_space({report.name, known_as});
    HR_TRY(out->set_settings(known.to_json()));
  }
  const auto covered = [&] {
    const index::Info info = out->snapshot()->info();
    const index::SpaceInfo* const space = find_space(info, report.name);
    return space != nullptr ? space->rows : 0;
  };
  const uint64_t before = covered();
  HR_ASSIGN(const Chunker chunker,
            Chunker::create(chunk_tokenizer(known, model->tokenizer()), known.chunk_options()));
  SpaceFiller filler(*out, pool(0), kLaneBytes, progress, cancel);
  filler.add(report.name, model);
  filler.start();
  Status status = filler.catch_up_at_once(chunker);
  if (status) status = filler.catch_up(chunker);
  if (status) status = filler.finish();
  if (status) {
    status = filler.for_each_refused([&](const std::string& source, const Error& why) {
      if (report.refused++ == 0) report.refusal = fmt::format("{}: {}", source, why.text());
    });
  }
  filler.stop();
  if (const Status kept = filler.kept(); !kept) report.not_kept = kept.error().text();
  if (!status && status.error().code() == ErrorCode::cancelled) {
    report.interrupted = true;
    status = {};
  }
  HR_TRY(status);
  if (!report.interrupted) HR_TRY(out->flush());
  report.rows = covered();
  report.added = report.rows - std::min(before, report.rows);
  report.tokens = progress.tokens;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

Status Knowledge::drop_space(const std::string& name) {
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  HR_ASSIGN(Settings known, Settings::from_json(out->snapshot()->info().settings));
  HR_TRY(out->drop_space(name));
  known.drop_space(name);
  return out->set_settings(known.to_json());
}

}  // namespace headrace
