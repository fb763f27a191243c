#include "plan/knowledge.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <utility>

#include "embed/model_store.h"
#include "plan/passage.h"
#include "plan/search_page.h"
#include "plan/space_filler.h"
#include "transform/chunker.h"

namespace headrace {

namespace {

// Texts that may wait for a further space's model.
constexpr uint64_t kLaneBytes = 16ULL << 20;

// Documents that one thread cuts into rows at a time.
constexpr size_t kDocumentsPerTask = 64;

// Rows with vectors of their own that are written between two looks at whether to stop.
constexpr size_t kRowsBetweenLooks = 16 << 10;

constexpr const char* kSpace = "default";

bool has_space(const index::Info& info, const std::string& name) {
  return std::any_of(info.spaces.begin(), info.spaces.end(),
                     [&](const index::SpaceInfo& known) { return known.space.name == name; });
}

// Whether a model of ours turns queries into vectors of this space.
bool makes_queries(const index::Info& info, const Settings& settings, const std::string& name) {
  const std::vector<ModelSpace> spaces = settings.model_spaces();
  return has_space(info, name) &&
         std::ranges::find(spaces, name, &ModelSpace::name) != spaces.end();
}

Result<std::optional<index::Filter>> parse_filter(const std::string& expression) {
  if (expression.empty()) return std::optional<index::Filter>();
  HR_ASSIGN(index::Filter filter, index::Filter::parse(expression));
  return std::optional<index::Filter>(std::move(filter));
}

std::vector<index::ScoredRow> join_lists(const index::Snapshot& current, const SpaceChoice& choice,
                                         std::span<const index::ScoredRow> main,
                                         std::span<const index::ScoredRow> rest,
                                         index::SearchMode mode, size_t k) {
  std::vector<float> vector;
  for (const index::SpaceInfo& known : current.info().spaces) {
    if (known.space.name == choice.main) vector.resize(known.space.dimension);
  }
  return join_spaces(
      main, rest, choice.covered, mode == index::SearchMode::vector,
      [&](const index::ScoredRow& row) { return current.vector(row, choice.main, vector); }, k);
}

// The same for whole answers. A row is explained by the space that found it by meaning.
index::SearchAnswer join_answers(const index::Snapshot& current, const SpaceChoice& choice,
                                 index::SearchAnswer main, const index::SearchAnswer& rest,
                                 index::SearchMode mode, size_t k) {
  std::map<std::pair<uint32_t, uint32_t>, index::Explanation> explained;
  for (const index::SearchAnswer* answer :
       {static_cast<const index::SearchAnswer*>(&main), &rest}) {
    for (size_t i = 0; i < answer->explanations.size(); ++i) {
      const auto at = std::pair(answer->rows[i].segment, answer->rows[i].row);
      const auto known = explained.try_emplace(at, answer->explanations[i]).first;
      if (!known->second.vector) known->second = answer->explanations[i];
    }
  }
  index::SearchAnswer joined;
  joined.rows = join_lists(current, choice, main.rows, rest.rows, mode, k);
  for (const index::ScoredRow& row : joined.rows) {
    if (explained.empty()) break;
    joined.explanations.push_back(std::move(explained[{row.segment, row.row}]));
  }
  joined.facets = std::move(main.facets);
  return joined;
}

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

Error no_own_vectors(const std::string& path) {
  return Error(ErrorCode::invalid_argument, fmt::format("{} has no vectors of its own", path),
               "make it with hr.open(path, model=None, dimension=…)");
}

// One that is there keeps what it was made with.
Status check_own_vectors(const index::Info& info, const std::string& path,
                         const KnowledgeOptions& options) {
  for (const index::SpaceInfo& known : info.spaces) {
    if (known.space.name != kSpace) continue;
    if (options.dimension != 0 && known.space.dimension != options.dimension) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} holds vectors of dimension {}, not {}", path,
                              known.space.dimension, options.dimension),
                  "open it with that dimension, or make another knowledge base");
    }
    if (options.metric && known.space.metric != *options.metric) {
      return fail(
          ErrorCode::invalid_argument,
          fmt::format("{} holds vectors for the metric {}, not {}", path,
                      index::metric_name(known.space.metric), index::metric_name(*options.metric)),
          "open it with that metric or without one, or make another knowledge base");
    }
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
  if (settings.own_vectors && options_.dimension != 0 && !has_space(info, kSpace)) {
    index::Space space;
    space.name = kSpace;
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
  return Settings::from_json(current->info().settings);
}

Result<std::shared_ptr<const VectorModel>> Knowledge::embedder(const std::string& space) {
  HR_ASSIGN(const Settings known, settings());
  const std::string name = space.empty() ? known.main_space : space;
  if (options_.given_model && name == known.main_space) {
    HR_ASSIGN(const auto current, snapshot());
    HR_TRY(check_model_space(current->info(), path_, name, options_.given_model->info()));
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
  const std::string key =
      fmt::format("{}|{}|{}", wanted->model, precision_name, model_options.dimensions);
  {
    MutexLock lock(mutex_);
    if (const auto found = models_.find(key); found != models_.end()) return found->second;
  }
  HR_ASSIGN(model_options.precision, parse_precision(precision_name));
  HR_ASSIGN(auto loaded, load_vector_model(wanted->model, model_options));
  MutexLock lock(mutex_);
  return models_.try_emplace(key, std::move(loaded)).first->second;
}

Result<SpaceChoice> Knowledge::choose(const index::Snapshot& current,
                                      const SearchOptions& options) const {
  if (!options.space.empty()) {
    HR_TRY(space_dimension(current, options.space));
    return SpaceChoice{options.space, std::nullopt, 1};
  }
  const index::Info info = current.info();
  HR_ASSIGN(const Settings known, Settings::from_json(info.settings));
  SpaceChoice choice = choose_spaces(info, known);
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

Result<uint32_t> Knowledge::space_dimension(const index::Snapshot& current,
                                            const std::string& space) const {
  for (const index::SpaceInfo& known : current.info().spaces) {
    if (known.space.name == space) return known.space.dimension;
  }
  return fail(ErrorCode::not_found, fmt::format("{} has no vectors named \"{}\"", path_, space),
              "headrace info shows its spaces; search it with mode text");
}

Result<HitPage> Knowledge::run_search(const std::string& text, const SpaceChoice& choice,
                                      std::span<const SpaceQuery> vectors,
                                      const SearchOptions& options, index::SearchMode mode) {
  HR_ASSIGN(const auto current, snapshot());
  HR_ASSIGN(const auto filter, parse_filter(options.filter));
  HR_ASSIGN(PageStart start, read_cursor(text, options));
  HR_ASSIGN(index::SearchRequest request, make_request(options, mode));
  request.text = text;
  request.filter = filter ? &*filter : nullptr;
  request.recall = 1.0;
  request.facets = options.facets;
  request.explain = options.explain;
  const uint32_t wanted = start.offset + options.k + 1;  // one more tells of another page
  request.k = vectors.size() > 1 ? std::max(wanted, kSpaceSearchDepth) : wanted;
  if (!vectors.empty()) {
    request.vector = vectors[0].vector;
    request.space = vectors[0].space;
  }
  HR_ASSIGN(index::SearchAnswer answer, index::search_answer(current->segments(), request));
  if (vectors.size() > 1) {
    request.vector = vectors[1].vector;
    request.space = vectors[1].space;
    request.facets.clear();  // they do not depend on the space
    HR_ASSIGN(const auto rest, index::search_answer(current->segments(), request));
    answer = join_answers(*current, choice, std::move(answer), rest, mode, wanted);
  }
  const std::string language = current->info().language;
  HR_ASSIGN(const Settings known, Settings::from_json(std::string(current->settings())));
  HitPage page;
  page.facets = std::move(answer.facets);
  size_t first = std::min<size_t>(start.offset, answer.rows.size());
  for (size_t i = 0; i < answer.rows.size() && !start.last_key.empty(); ++i) {
    if (current->row(answer.rows[i]).key != start.last_key) continue;
    first = i + 1;
    break;
  }
  const size_t end = std::min<size_t>(answer.rows.size(), first + options.k);
  for (size_t i = first; i < end; ++i) {
    const index::ScoredRow& at = answer.rows[i];
    Hit hit{current->row(at), at.score, {}};
    complete_own_row(hit.row, known);
    hit.matches = index::highlight(text, hit.row.text, language);
    hit.passage = best_passage(hit.row.text, hit.matches);
    hit.row.page = page_at(hit.row, hit.passage);
    hit.row.line = line_at(hit.row, hit.passage);
    if (options.explain) hit.explanation = std::move(answer.explanations[i]);
    page.hits.push_back(std::move(hit));
  }
  if (end < answer.rows.size() && !page.hits.empty()) {
    page.cursor = write_cursor(text, options, end, page.hits.back().row.key);
  }
  if (filter && answer.rows.empty()) {
    std::vector<const index::Columns*> columns;
    for (const index::SegmentView& segment : current->segments())
      columns.push_back(segment.columns);
    page.warning = filter->unknown_columns(columns);
  }
  return page;
}

Result<HitPage> Knowledge::search(const std::string& query, const SearchOptions& options) {
  if (!options.rerank.empty()) return search_reranked(query, options);
  HR_ASSIGN(const auto current, snapshot());
  const index::Info info = current->info();
  HR_ASSIGN(const Settings known, Settings::from_json(info.settings));
  HR_ASSIGN(SpaceChoice choice, choose(*current, options));
  const bool has_vectors = makes_queries(info, known, choice.main);
  const bool sorted = !options.sort.empty();
  const index::SearchMode mode = options.mode.value_or(
      has_vectors && !sorted ? index::SearchMode::hybrid : index::SearchMode::text);
  if (mode == index::SearchMode::text || query.empty() || options.k == 0) {
    return run_search(query, {}, {}, options, index::SearchMode::text);
  }
  if (choice.main.empty()) choice.main = kSpace;
  const std::string texts[] = {meaning_of(query, options)};
  std::vector<Embeddings> embeddings;
  std::vector<SpaceQuery> vectors;
  for (const std::string& space : choice.spaces()) {
    HR_TRY(space_dimension(*current, space));
    HR_ASSIGN(const auto model, embedder(space));
    HR_ASSIGN(embeddings.emplace_back(),
              model->embed(texts, {EmbedPurpose::query, EmbedPriority::query}, pool(1)));
    // The numbers stay where they are when the vector of vectors grows.
    vectors.push_back({space, embeddings.back().values});
  }
  return run_search(query, choice, vectors, options, mode);
}

Result<HitPage> Knowledge::search_by_vector(std::span<const float> vector,
                                            const SearchOptions& options) {
  HR_ASSIGN(const Settings known, settings());
  const SpaceQuery queries[] = {{options.space.empty() ? known.main_space : options.space, vector}};
  return run_search("", {}, queries, options, index::SearchMode::vector);
}

Result<BatchAnswers> Knowledge::run_batch(std::span<std::vector<index::SearchRequest>> by_space,
                                          const SpaceChoice& choice, const SearchOptions& options,
                                          size_t threads, const CancelToken* cancel,
                                          std::shared_ptr<const index::Snapshot> current) {
  HR_ASSIGN(const auto filter, parse_filter(options.filter));
  HR_ASSIGN(const Settings known, Settings::from_json(current->info().settings));
  const bool integers = known.own_vectors && known.integer_ids;
  std::vector<std::vector<std::vector<index::ScoredRow>>> lists;
  for (std::vector<index::SearchRequest>& requests : by_space) {
    for (index::SearchRequest& request : requests) {
      request.filter = filter ? &*filter : nullptr;
      if (by_space.size() > 1) request.k = std::max(request.k, kSpaceSearchDepth);
    }
    HR_ASSIGN(lists.emplace_back(),
              index::search_batch(current->segments(), requests, pool(threads), cancel));
  }
  std::vector<std::vector<index::ScoredRow>>& results = lists[0];
  if (lists.size() > 1) {
    pool(threads).parallel_for(results.size(), [&](size_t q) {
      results[q] =
          join_lists(*current, choice, results[q], lists[1][q], by_space[0][q].mode, options.k);
    });
  }
  BatchAnswers answers;
  answers.k = options.k;
  answers.counts.resize(results.size());
  answers.scores.resize(results.size() * options.k);
  answers.rows.resize(results.size() * options.k);
  if (integers) answers.ids.assign(results.size() * options.k, -1);
  // A hit's id lies anywhere in the files: reading many is work for all threads.
  constexpr size_t kQueriesTogether = 64;
  const size_t parts = (results.size() + kQueriesTogether - 1) / kQueriesTogether;
  pool(threads).parallel_for(parts, [&](size_t part) {
    const size_t end = std::min(results.size(), (part + 1) * kQueriesTogether);
    for (size_t q = part * kQueriesTogether; q < end; ++q) {
      answers.counts[q] = static_cast<uint32_t>(results[q].size());
      for (size_t i = 0; i < results[q].size(); ++i) {
        const size_t at = q * options.k + i;
        answers.scores[at] = results[q][i].score;
        answers.rows[at] = results[q][i];
        if (!integers) continue;
        const std::string_view id = current->source(results[q][i]);
        std::from_chars(id.data(), id.data() + id.size(), answers.ids[at]);
      }
    }
  });
  answers.snapshot = std::move(current);
  return answers;
}

Result<BatchAnswers> Knowledge::search_batch(std::span<const float> vectors, size_t count,
                                             const SearchOptions& options, double recall,
                                             size_t threads, const CancelToken* cancel) {
  HR_ASSIGN(auto current, snapshot());
  HR_ASSIGN(const Settings known, Settings::from_json(current->info().settings));
  const std::string space = options.space.empty() ? known.main_space : options.space;
  HR_ASSIGN(const uint32_t dimension, space_dimension(*current, space));
  if (vectors.size() != count * dimension) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the vectors of {} have dimension {}", path_, dimension),
                fmt::format("give an array of shape [n, {}]", dimension));
  }
  HR_ASSIGN(const index::SearchRequest base, make_request(options, index::SearchMode::vector));
  std::vector<index::SearchRequest> requests(count, base);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].vector = vectors.subspan(i * dimension, dimension);
    requests[i].space = space;
    requests[i].recall = recall;
  }
  return run_batch({&requests, 1}, {}, options, threads, cancel, std::move(current));
}

Result<BatchAnswers> Knowledge::search_batch(std::span<const std::string> queries,
                                             const SearchOptions& options, double recall,
                                             size_t threads, const CancelToken* cancel) {
  HR_ASSIGN(auto current, snapshot());
  const index::Info info = current->info();
  HR_ASSIGN(const Settings known, Settings::from_json(info.settings));
  HR_ASSIGN(SpaceChoice choice, choose(*current, options));
  const bool has_vectors = makes_queries(info, known, choice.main);
  const index::SearchMode mode =
      options.mode.value_or(has_vectors ? index::SearchMode::hybrid : index::SearchMode::text);
  if (choice.main.empty()) choice.main = kSpace;
  if (mode == index::SearchMode::text) choice.rest.reset();
  std::vector<std::string> texts;
  for (const std::string& query : queries) texts.push_back(meaning_of(query, options));
  HR_ASSIGN(const index::SearchRequest base, make_request(options, mode));
  std::vector<Embeddings> embeddings;
  std::vector<std::vector<index::SearchRequest>> by_space;
  for (const std::string& space : choice.spaces()) {
    size_t dimension = 0;
    embeddings.emplace_back();
    if (mode != index::SearchMode::text) {
      HR_ASSIGN(dimension, space_dimension(*current, space));
      HR_ASSIGN(const auto model, embedder(space));
      HR_ASSIGN(
          embeddings.back(),
          model->embed(texts, {EmbedPurpose::query, EmbedPriority::bulk, cancel}, pool(threads)));
    }
    std::vector<index::SearchRequest>& requests = by_space.emplace_back(queries.size(), base);
    for (size_t i = 0; i < requests.size(); ++i) {
      requests[i].text = queries[i];
      requests[i].vector =
          std::span<const float>(embeddings.back().values).subspan(i * dimension, dimension);
      requests[i].space = space;
      requests[i].recall = recall;
    }
  }
  return run_batch(by_space, choice, options, threads, cancel, std::move(current));
}

Status Knowledge::check_is_own(const index::Writer& out) {
  if (!own_vectors_) {
    HR_ASSIGN(const Settings known, Settings::from_json(out.settings()));
    own_vectors_ = known.own_vectors;
  }
  return *own_vectors_ ? Status{} : std::unexpected(no_own_vectors(path_));
}

Status Knowledge::note_text_ids(const std::vector<GivenDocument>& documents) {
  const bool integers = std::ranges::all_of(documents, [](const GivenDocument& given) {
    int64_t whole = 0;
    const char* const end = given.id.data() + given.id.size();
    const auto [at, wrong] = std::from_chars(given.id.data(), end, whole);
    return wrong == std::errc() && at == end && whole != -1;
  });
  if (integers) return {};
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  return give_up_integer_ids(*out);
}

Status Knowledge::give_up_integer_ids(index::Writer& out) {
  if (!integer_ids_.value_or(true)) return {};
  HR_ASSIGN(Settings known, Settings::from_json(out.settings()));
  if (known.integer_ids) {
    known.integer_ids = false;
    HR_TRY(out.set_settings(known.to_json()));
  }
  integer_ids_ = false;
  return {};
}

Status Knowledge::add(std::vector<GivenDocument> documents, const CancelToken* cancel) {
  Settings known;
  {
    MutexLock lock(write_mutex_);
    HR_ASSIGN(const index::Writer* out, writer());
    HR_ASSIGN(known, Settings::from_json(out->settings()));
  }
  std::vector<std::pair<std::string, std::shared_ptr<const VectorModel>>> models;
  for (const ModelSpace& space : known.model_spaces()) {
    HR_ASSIGN(auto loaded, embedder(space.name));
    models.emplace_back(space.name, std::move(loaded));
  }
  const std::shared_ptr<const VectorModel> model = models.empty() ? nullptr : models.front().second;
  HR_ASSIGN(const Chunker chunker,
            Chunker::create(model ? model->tokenizer() : Tokenizer::without_model(),
                            known.chunk_options()));
  if (std::ranges::any_of(documents, [](const GivenDocument& given) { return given.id.empty(); }))
    return fail(ErrorCode::invalid_argument, "a document has no id", "give each an \"id\"");
  if (known.own_vectors) HR_TRY(note_text_ids(documents));
  std::vector<index::DocumentWrite> writes(documents.size());
  const auto write_some = [&](size_t part) {
    if (cancel != nullptr && cancel->requested()) return;
    const size_t end = std::min(documents.size(), (part + 1) * kDocumentsPerTask);
    for (size_t i = part * kDocumentsPerTask; i < end; ++i)
      writes[i] = write_given_document(std::move(documents[i]), chunker);
  };
  if (documents.size() <= kDocumentsPerTask) {
    if (!documents.empty()) write_some(0);
  } else {
    pool(0).parallel_for((documents.size() + kDocumentsPerTask - 1) / kDocumentsPerTask,
                         write_some);
  }
  if (cancel != nullptr) HR_TRY(cancel->check());
  std::vector<std::string> keys;
  std::vector<std::string> texts;
  for (size_t i = 0; i < writes.size() && model; ++i) {
    for (const Row& row : writes[i].rows) {
      keys.push_back(row.key);
      texts.push_back(chunker.embedded_text(row));
    }
  }
  std::vector<Embeddings> embeddings;
  for (const auto& [space, loaded] : models) {
    EmbedOptions how{EmbedPurpose::passage};
    how.cancel = cancel;
    HR_ASSIGN(embeddings.emplace_back(), loaded->embed(texts, how, pool(0)));
  }
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  for (const auto& [space, loaded] : models) {
    if (!out->space(space)) HR_TRY(add_model_space(*out, path_, space, loaded->info()));
  }
  const Status written = [&]() -> Status {
    for (index::DocumentWrite& write : writes) {
      if (cancel != nullptr) HR_TRY(cancel->check());
      HR_TRY(out->put(std::move(write)));
    }
    for (size_t i = 0; i < models.size() && !keys.empty(); ++i)
      HR_TRY(out->put_vectors(models[i].first, keys, embeddings[i].values));
    return out->commit();
  }();
  if (!written) out->discard();  // all of them or none
  return written;
}

Status Knowledge::add_vectors(std::span<const std::string> ids, bool integer_ids,
                              std::span<const float> vectors,
                              std::span<const std::string_view> texts,
                              std::span<const index::MetadataColumn> columns,
                              const CancelToken* cancel) {
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  const std::optional<index::Space> space = out->space(kSpace);
  if (!space) return std::unexpected(no_own_vectors(path_));
  HR_TRY(check_is_own(*out));
  if (vectors.size() != ids.size() * space->dimension) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} ids need vectors of shape [{}, {}], not [{}, {}]", ids.size(),
                            ids.size(), space->dimension, ids.size(),
                            vectors.size() / std::max<size_t>(1, ids.size())));
  }
  if (!integer_ids && integer_ids_.value_or(true)) {
    HR_TRY(index::check_vectors(vectors, space->dimension, space->metric));
    HR_TRY(give_up_integer_ids(*out));
  }
  // What is wrong with one is said before any is written, by its place among all.
  if (ids.size() > kRowsBetweenLooks)
    HR_TRY(index::check_vectors(vectors, space->dimension, space->metric));
  std::vector<index::MetadataColumn> columns_of_part(columns.begin(), columns.end());
  const Status written = [&]() -> Status {
    for (size_t begin = 0; begin < ids.size() || begin == 0; begin += kRowsBetweenLooks) {
      if (cancel != nullptr) HR_TRY(cancel->check());
      const size_t count = std::min(kRowsBetweenLooks, ids.size() - begin);
      const auto part = [&](auto given) {
        return given.empty() ? given : given.subspan(begin, count);
      };
      for (size_t c = 0; c < columns.size(); ++c)
        columns_of_part[c].values = columns[c].values.subspan(begin, count);
      HR_TRY(out->put_rows({part(ids), part(texts), columns_of_part, kSpace,
                            vectors.subspan(begin * space->dimension, count * space->dimension)}));
    }
    return out->commit();
  }();
  if (!written) out->discard();  // all of them or none
  return written;
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
  HR_ASSIGN(const auto filter, parse_filter(expression));
  if (!filter) {
    return fail(ErrorCode::invalid_argument, "an empty filter would delete everything",
                "say which rows, e.g. \"source like 'old/%'\"");
  }
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  HR_ASSIGN(const uint64_t removed, out->remove_where(*filter));
  if (removed == 0) HR_TRY(check_columns(*filter, *out->snapshot()));
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
  HR_ASSIGN(const auto model, load_vector_model(spec));
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
    for (const index::SpaceInfo& space : out->snapshot()->info().spaces) {
      if (space.space.name == report.name) return space.rows;
    }
    return uint64_t{0};
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
  filler.stop();
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
