#include "plan/knowledge.h"

#include <fmt/format.h>
#include <charconv>

#include <algorithm>

#include "embed/model_store.h"
#include "plan/search_page.h"
#include "transform/chunker.h"

namespace headrace {

namespace {

constexpr const char* kSpace = "default";

bool has_space(const index::Info& info, const std::string& name) {
  return std::any_of(info.spaces.begin(), info.spaces.end(),
                     [&](const index::SpaceInfo& known) { return known.space.name == name; });
}

Result<std::optional<index::Filter>> parse_filter(const std::string& expression) {
  if (expression.empty()) return std::optional<index::Filter>();
  HR_ASSIGN(index::Filter filter, index::Filter::parse(expression));
  return std::optional<index::Filter>(std::move(filter));
}

}  // namespace

Result<std::unique_ptr<Knowledge>> Knowledge::open(const std::string& path,
                                                   KnowledgeOptions options, FileSystem& files) {
  auto knowledge = std::make_unique<Knowledge>(path, options, files);
  auto reader = index::Reader::open(files, path);
  if (reader) {
    {
      MutexLock lock(knowledge->mutex_);
      knowledge->reader_ = std::move(*reader);
    }
    if (options.own_vectors && options.dimension != 0) {
      HR_ASSIGN(const auto snapshot, knowledge->snapshot());
      for (const index::SpaceInfo& known : snapshot->info().spaces) {
        if (known.space.name == kSpace && known.space.dimension != options.dimension) {
          return fail(ErrorCode::invalid_argument,
                      fmt::format("{} holds vectors of dimension {}, not {}", path,
                                  known.space.dimension, options.dimension),
                      "open it with that dimension, or make another knowledge base");
        }
      }
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
    space.metric = options_.metric;
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
}

Result<std::shared_ptr<const index::Snapshot>> Knowledge::snapshot() {
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

// A function's vectors only make sense beside those of the same function.
Status Knowledge::check_given_model() {
  HR_ASSIGN(const auto current, snapshot());
  const VectorModelInfo& given = options_.given_model->info();
  for (const index::SpaceInfo& known : current->info().spaces) {
    if (known.space.name == kSpace && known.space.fingerprint != given.fingerprint) {
      return fail(
          ErrorCode::invalid_argument,
          fmt::format("{} has vectors of {}, not of {}", path_, known.space.model, given.name),
          fmt::format("open it with {}", known.space.model));
    }
  }
  return {};
}

Result<std::shared_ptr<const VectorModel>> Knowledge::embedder() {
  {
    MutexLock lock(mutex_);
    if (embedder_) return embedder_;
  }
  if (options_.given_model) {
    HR_TRY(check_given_model());
    return options_.given_model;
  }
  HR_ASSIGN(const Settings known, settings());
  if (known.model.empty()) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} has no model", path_),
                "search it with mode text, or with a vector of your own");
  }
  HR_ASSIGN(const Precision precision, parse_precision(known.precision));
  HR_ASSIGN(auto loaded, load_vector_model(known.model, {.precision = precision}));
  MutexLock lock(mutex_);
  if (!embedder_) embedder_ = std::move(loaded);
  return embedder_;
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

Result<HitPage> Knowledge::run_search(const std::string& text, std::span<const float> vector,
                                      const SearchOptions& options, index::SearchMode mode) {
  HR_ASSIGN(const auto current, snapshot());
  HR_ASSIGN(const auto filter, parse_filter(options.filter));
  HR_ASSIGN(PageStart start, read_cursor(text, options));
  HR_ASSIGN(index::SearchRequest request, make_request(options, mode));
  request.text = text;
  request.vector = vector;
  request.space = options.space.empty() ? kSpace : options.space;
  request.filter = filter ? &*filter : nullptr;
  request.recall = 1.0;
  request.facets = options.facets;
  request.explain = options.explain;
  request.k = start.offset + options.k + 1;  // one more tells whether there is another page
  HR_ASSIGN(index::SearchAnswer answer, index::search_answer(current->segments(), request));
  const std::string language = current->info().language;
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
    hit.matches = index::highlight(text, hit.row.text, language);
    if (options.explain) hit.explanation = std::move(answer.explanations[i]);
    page.hits.push_back(std::move(hit));
  }
  if (end < answer.rows.size() && !page.hits.empty()) {
    page.cursor = write_cursor(text, options, end, page.hits.back().row.key);
  }
  return page;
}

Result<HitPage> Knowledge::search(const std::string& query, const SearchOptions& options) {
  HR_ASSIGN(const auto current, snapshot());
  HR_ASSIGN(const Settings known, Settings::from_json(current->info().settings));
  const std::string space = options.space.empty() ? kSpace : options.space;
  const bool has_vectors = !known.model.empty() && has_space(current->info(), space);
  const bool sorted = !options.sort.empty();
  const index::SearchMode mode = options.mode.value_or(
      has_vectors && !sorted ? index::SearchMode::hybrid : index::SearchMode::text);
  if (mode == index::SearchMode::text || query.empty() || options.k == 0) {
    return run_search(query, {}, options, index::SearchMode::text);
  }
  HR_TRY(space_dimension(*current, space));
  HR_ASSIGN(const auto model, embedder());
  const std::string texts[] = {meaning_of(query, options)};
  HR_ASSIGN(const Embeddings embedding,
            model->embed(texts, {EmbedPurpose::query, EmbedPriority::query}, pool(1)));
  return run_search(query, embedding.values, options, mode);
}

Result<HitPage> Knowledge::search_by_vector(std::span<const float> vector,
                                            const SearchOptions& options) {
  return run_search("", vector, options, index::SearchMode::vector);
}

Result<BatchAnswers> Knowledge::run_batch(std::vector<index::SearchRequest> requests,
                                          const SearchOptions& options, size_t threads,
                                          std::shared_ptr<const index::Snapshot> current) {
  HR_ASSIGN(const auto filter, parse_filter(options.filter));
  for (index::SearchRequest& request : requests) request.filter = filter ? &*filter : nullptr;
  HR_ASSIGN(const auto results, index::search_batch(current->segments(), requests, pool(threads)));
  HR_ASSIGN(const Settings known, Settings::from_json(current->info().settings));
  const bool integers = known.own_vectors && known.integer_ids;
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

Result<BatchAnswers> Knowledge::search_batch(std::span<const float> vectors,
                                             const SearchOptions& options, double recall,
                                             size_t threads) {
  HR_ASSIGN(auto current, snapshot());
  const std::string space = options.space.empty() ? kSpace : options.space;
  HR_ASSIGN(const uint32_t dimension, space_dimension(*current, space));
  if (vectors.size() % dimension != 0) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("the vectors of {} have dimension {}", path_, dimension),
                fmt::format("give an array of shape [n, {}]", dimension));
  }
  HR_ASSIGN(const index::SearchRequest base, make_request(options, index::SearchMode::vector));
  std::vector<index::SearchRequest> requests(vectors.size() / dimension, base);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].vector = vectors.subspan(i * dimension, dimension);
    requests[i].space = space;
    requests[i].recall = recall;
  }
  return run_batch(std::move(requests), options, threads, std::move(current));
}

Result<BatchAnswers> Knowledge::search_batch(std::span<const std::string> queries,
                                             const SearchOptions& options, double recall,
                                             size_t threads) {
  HR_ASSIGN(auto current, snapshot());
  HR_ASSIGN(const Settings known, Settings::from_json(current->info().settings));
  const std::string space = options.space.empty() ? kSpace : options.space;
  const bool has_vectors = !known.model.empty() && has_space(current->info(), space);
  const index::SearchMode mode =
      options.mode.value_or(has_vectors ? index::SearchMode::hybrid : index::SearchMode::text);
  Embeddings embeddings;
  size_t dimension = 0;
  if (mode != index::SearchMode::text) {
    HR_ASSIGN(dimension, space_dimension(*current, space));
    HR_ASSIGN(const auto model, embedder());
    std::vector<std::string> texts;
    for (const std::string& query : queries) texts.push_back(meaning_of(query, options));
    HR_ASSIGN(embeddings, model->embed(texts, {EmbedPurpose::query}, pool(threads)));
  }
  HR_ASSIGN(const index::SearchRequest base, make_request(options, mode));
  std::vector<index::SearchRequest> requests(queries.size(), base);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].text = queries[i];
    requests[i].vector =
        std::span<const float>(embeddings.values).subspan(i * dimension, dimension);
    requests[i].space = space;
    requests[i].recall = recall;
  }
  return run_batch(std::move(requests), options, threads, std::move(current));
}

Status Knowledge::add(std::span<const GivenDocument> documents) {
  std::shared_ptr<const VectorModel> model;
  {
    MutexLock lock(write_mutex_);
    HR_TRY(writer());
  }
  HR_ASSIGN(const Settings known, settings());
  if (!known.model.empty()) {
    HR_ASSIGN(model, embedder());
  }
  ChunkOptions chunk{known.chunk_tokens, known.overlap, true};
  HR_ASSIGN(const Chunker chunker,
            Chunker::create(model ? model->tokenizer() : Tokenizer::without_model(), chunk));
  std::vector<index::DocumentWrite> writes;
  std::vector<std::string> keys;
  std::vector<std::string> texts;
  for (const GivenDocument& given : documents) {
    if (given.id.empty()) {
      return fail(ErrorCode::invalid_argument, "a document has no id", "give each an \"id\"");
    }
    index::DocumentWrite write = write_given_document(given, chunker);
    if (model) {
      for (const Row& row : write.rows) {
        keys.push_back(row.key);
        texts.push_back(chunker.embedded_text(row));
      }
    }
    writes.push_back(std::move(write));
  }
  Embeddings embeddings;
  if (model) {
    HR_ASSIGN(embeddings, model->embed(texts, {EmbedPurpose::passage}, pool(0)));
  }
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  if (model && !has_space(out->snapshot()->info(), kSpace)) {
    const VectorModelInfo& info = model->info();
    HR_TRY(out->add_space(
        {kSpace, info.name, info.fingerprint, info.dimension, index::Metric::cosine, "text"}));
  }
  const Status written = [&]() -> Status {
    for (index::DocumentWrite& write : writes) HR_TRY(out->put(std::move(write)));
    if (model && !keys.empty()) HR_TRY(out->put_vectors(kSpace, keys, embeddings.values));
    return out->commit();
  }();
  if (!written) out->discard();  // all of them or none
  return written;
}

Status Knowledge::add_vectors(std::span<const std::string> ids, bool integer_ids,
                              std::span<const float> vectors, std::span<const std::string> texts,
                              std::span<const Metadata> metadata) {
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  const index::Info info = out->snapshot()->info();
  const auto space = std::find_if(info.spaces.begin(), info.spaces.end(),
                                  [](const auto& known) { return known.space.name == kSpace; });
  if (space == info.spaces.end()) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} has no vectors of its own", path_),
                "make it with hr.open(path, model=None, dimension=…)");
  }
  const uint32_t dimension = space->space.dimension;
  if (vectors.size() != ids.size() * dimension) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} ids need vectors of shape [{}, {}]",
                                                         ids.size(), ids.size(), dimension));
  }
  HR_TRY(index::check_vectors(vectors, dimension, space->space.metric));
  HR_ASSIGN(Settings known, Settings::from_json(info.settings));
  if (known.integer_ids && !integer_ids) {
    known.integer_ids = false;
    HR_TRY(out->set_settings(known.to_json()));
  }
  std::vector<std::string> keys(ids.size());
  const auto put = [&](size_t i) -> Status {
    index::DocumentWrite write;
    write.source = ids[i];
    Row row;
    row.source = ids[i];
    row.key = keys[i] = row_key(ids[i], 0);
    if (!texts.empty()) row.text = texts[i];
    if (!metadata.empty()) row.metadata = metadata[i];
    write.rows.push_back(std::move(row));
    return out->put(std::move(write));
  };
  const Status written = [&]() -> Status {
    for (size_t i = 0; i < ids.size(); ++i) HR_TRY(put(i));
    HR_TRY(out->put_vectors(kSpace, keys, vectors));
    return out->commit();
  }();
  if (!written) out->discard();  // all of them or none
  return written;
}

Result<uint64_t> Knowledge::remove_where(const std::string& expression) {
  HR_ASSIGN(const auto filter, parse_filter(expression));
  if (!filter) {
    return fail(ErrorCode::invalid_argument, "an empty filter would delete everything",
                "say which rows, e.g. \"source like 'old/%'\"");
  }
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  HR_ASSIGN(const uint64_t removed, out->remove_where(*filter));
  HR_TRY(out->commit());
  return removed;
}

Status Knowledge::optimize() {
  MutexLock lock(write_mutex_);
  HR_ASSIGN(index::Writer * out, writer());
  return out->optimize();
}

}  // namespace headrace
