// Knowledge: its searches, one by one and in batches.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "plan/knowledge.h"
#include "plan/passage.h"
#include "plan/search_page.h"

namespace headrace {

namespace {

// Whether a model of ours turns queries into vectors of this space.
bool makes_queries(const index::Info& info, const Settings& settings, const std::string& name) {
  const std::vector<ModelSpace> spaces = settings.model_spaces();
  return find_space(info, name) != nullptr &&
         std::ranges::find(spaces, name, &ModelSpace::name) != spaces.end();
}

Result<std::optional<index::Filter>> parse_filter(const std::string& expression) {
  if (expression.empty()) return std::optional<index::Filter>();
  HR_ASSIGN(index::Filter filter, index::Filter::parse(expression));
  return std::optional<index::Filter>(std::move(filter));
}

// So many vectors are compared in two milliseconds or less.
constexpr uint64_t kExactVectorsMax = 50'000;
constexpr double kSearchRecall = 0.99;
// Of the hundred candidates that words and vectors are fused from; of the ten nearest more is
// found.
constexpr double kHybridRecall = 0.95;

double recall_in(const index::Info& info, const std::string& space, index::SearchMode mode,
                 std::optional<double> asked) {
  if (asked) return *asked;
  const index::SpaceInfo* const known = find_space(info, space);
  if (known == nullptr || known->rows <= kExactVectorsMax) return 1.0;
  return mode == index::SearchMode::hybrid ? kHybridRecall : kSearchRecall;
}

std::vector<index::ScoredRow> join_lists(const index::Snapshot& current, const index::Info& info,
                                         const SpaceChoice& choice,
                                         std::span<const index::ScoredRow> main,
                                         std::span<const index::ScoredRow> rest,
                                         index::SearchMode mode, size_t k) {
  const index::SpaceInfo* const space = find_space(info, choice.main);
  std::vector<float> vector(space != nullptr ? space->space.dimension : 0);
  return join_spaces(
      main, rest, choice.covered, mode == index::SearchMode::vector,
      [&](const index::ScoredRow& row) { return current.vector(row, choice.main, vector); }, k);
}

// The same for whole answers. A row is explained by the space that found it by meaning.
index::SearchAnswer join_answers(const index::Snapshot& current, const index::Info& info,
                                 const SpaceChoice& choice, index::SearchAnswer main,
                                 const index::SearchAnswer& rest, index::SearchMode mode,
                                 size_t k) {
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
  joined.rows = join_lists(current, info, choice, main.rows, rest.rows, mode, k);
  for (const index::ScoredRow& row : joined.rows) {
    if (explained.empty()) break;
    joined.explanations.push_back(std::move(explained[{row.segment, row.row}]));
  }
  joined.facets = std::move(main.facets);
  return joined;
}

}  // namespace

Hit Knowledge::make_hit(const ReadState& state, const index::ScoredRow& at,
                        const std::string& text) const {
  Hit hit{state.snapshot->row(at), at.score, {}};
  complete_own_row(hit.row, state.known->settings);
  hit.matches = index::highlight(text, hit.row.text, state.known->info.language);
  hit.passage = best_passage(hit.row.text, hit.matches);
  hit.row.page = page_at(hit.row, hit.passage);
  hit.row.line = line_at(hit.row, hit.passage);
  return hit;
}

// A hit lies anywhere in the files and takes some fifty microseconds; waking a thread ten.
void Knowledge::make_hits(const ReadState& state, std::span<const index::ScoredRow> rows,
                          const std::string& text, std::vector<Hit>& hits) {
  constexpr size_t kTogether = 5;
  hits.resize(rows.size());
  pool(0).parallel_for((rows.size() + kTogether - 1) / kTogether, [&](size_t part) {
    const size_t end = std::min(rows.size(), (part + 1) * kTogether);
    for (size_t i = part * kTogether; i < end; ++i) hits[i] = make_hit(state, rows[i], text);
  });
}

Result<HitPage> Knowledge::run_search(const ReadState& state, const std::string& text,
                                      const SpaceChoice& choice,
                                      std::span<const SpaceQuery> vectors,
                                      const SearchOptions& options, index::SearchMode mode) {
  const auto& current = state.snapshot;
  const index::Info& info = state.known->info;
  HR_ASSIGN(const auto filter, parse_filter(options.filter));
  HR_ASSIGN(PageStart start, read_cursor(text, options));
  HR_ASSIGN(index::SearchRequest request, make_request(options, mode));
  request.text = text;
  request.filter = filter ? &*filter : nullptr;
  request.facets = options.facets;
  request.explain = options.explain;
  const uint32_t wanted = start.offset + options.k + 1;  // one more tells of another page
  request.k = vectors.size() > 1 ? std::max(wanted, kSpaceSearchDepth) : wanted;
  if (!vectors.empty()) {
    request.vector = vectors[0].vector;
    request.space = vectors[0].space;
    request.recall = recall_in(info, request.space, mode, options.recall);
  }
  HR_ASSIGN(index::SearchAnswer answer,
            index::search_answer(current->segments(), request, &pool(0)));
  if (vectors.size() > 1) {
    request.vector = vectors[1].vector;
    request.space = vectors[1].space;
    request.recall = recall_in(info, request.space, mode, options.recall);
    request.facets.clear();  // they do not depend on the space
    HR_ASSIGN(const auto rest, index::search_answer(current->segments(), request, &pool(0)));
    answer = join_answers(*current, info, choice, std::move(answer), rest, mode, wanted);
  }
  HitPage page;
  page.facets = std::move(answer.facets);
  size_t first = std::min<size_t>(start.offset, answer.rows.size());
  for (size_t i = 0; i < answer.rows.size() && !start.last_key.empty(); ++i) {
    if (current->row(answer.rows[i]).key != start.last_key) continue;
    first = i + 1;
    break;
  }
  const size_t end = std::min<size_t>(answer.rows.size(), first + options.k);
  make_hits(state, std::span(answer.rows).subspan(first, end - first), text, page.hits);
  for (size_t i = first; i < end && options.explain; ++i)
    page.hits[i - first].explanation = std::move(answer.explanations[i]);
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
  HR_ASSIGN(const ReadState state, read_state());
  const KnownState& known = *state.known;
  HR_ASSIGN(SpaceChoice choice, choose(known, options));
  const bool has_vectors = makes_queries(known.info, known.settings, choice.main);
  const bool sorted = !options.sort.empty();
  const index::SearchMode mode = options.mode.value_or(
      has_vectors && !sorted ? index::SearchMode::hybrid : index::SearchMode::text);
  if (mode == index::SearchMode::text || query.empty() || options.k == 0) {
    return run_search(state, query, {}, {}, options, index::SearchMode::text);
  }
  if (choice.main.empty()) choice.main = kDefaultSpace;
  const std::string texts[] = {meaning_of(query, options)};
  std::vector<Embeddings> embeddings;
  std::vector<SpaceQuery> vectors;
  for (const std::string& space : choice.spaces()) {
    HR_TRY(space_dimension(known, space));
    HR_ASSIGN(const auto model, embedder(known, space));
    HR_ASSIGN(embeddings.emplace_back(),
              model->embed(texts, {EmbedPurpose::query, EmbedPriority::query}, pool(1)));
    // The numbers stay where they are when the vector of vectors grows.
    vectors.push_back({space, embeddings.back().values});
  }
  return run_search(state, query, choice, vectors, options, mode);
}

Result<HitPage> Knowledge::search_by_vector(std::span<const float> vector,
                                            const SearchOptions& options) {
  HR_ASSIGN(const ReadState state, read_state());
  const std::string& main = state.known->settings.main_space;
  const SpaceQuery queries[] = {{options.space.empty() ? main : options.space, vector}};
  return run_search(state, "", {}, queries, options, index::SearchMode::vector);
}

Result<BatchAnswers> Knowledge::run_batch(const ReadState& state,
                                          std::span<std::vector<index::SearchRequest>> by_space,
                                          const SpaceChoice& choice, const SearchOptions& options,
                                          size_t threads, const CancelToken* cancel) {
  const auto& current = state.snapshot;
  HR_ASSIGN(const auto filter, parse_filter(options.filter));
  const Settings& known = state.known->settings;
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
      results[q] = join_lists(*current, state.known->info, choice, results[q], lists[1][q],
                              by_space[0][q].mode, options.k);
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
  answers.snapshot = current;
  return answers;
}

Result<BatchAnswers> Knowledge::search_batch(std::span<const float> vectors, size_t count,
                                             const SearchOptions& options, size_t threads,
                                             const CancelToken* cancel) {
  HR_ASSIGN(const ReadState state, read_state());
  const KnownState& known = *state.known;
  const std::string space = options.space.empty() ? known.settings.main_space : options.space;
  HR_ASSIGN(const uint32_t dimension, space_dimension(known, space));
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
    requests[i].recall = recall_in(known.info, space, index::SearchMode::vector, options.recall);
  }
  return run_batch(state, {&requests, 1}, {}, options, threads, cancel);
}

Result<BatchAnswers> Knowledge::search_batch(std::span<const std::string> queries,
                                             const SearchOptions& options, size_t threads,
                                             const CancelToken* cancel) {
  HR_ASSIGN(const ReadState state, read_state());
  const KnownState& known = *state.known;
  HR_ASSIGN(SpaceChoice choice, choose(known, options));
  const bool has_vectors = makes_queries(known.info, known.settings, choice.main);
  const index::SearchMode mode =
      options.mode.value_or(has_vectors ? index::SearchMode::hybrid : index::SearchMode::text);
  if (choice.main.empty()) choice.main = kDefaultSpace;
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
      HR_ASSIGN(dimension, space_dimension(known, space));
      HR_ASSIGN(const auto model, embedder(known, space));
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
      requests[i].recall = recall_in(known.info, space, mode, options.recall);
    }
  }
  return run_batch(state, by_space, choice, options, threads, cancel);
}

}  // namespace headrace
