// Knowledge: searches whose best rows a cross-encoder orders anew.
#include <algorithm>
#include <utility>

#include "plan/knowledge.h"
#include "plan/search_page.h"

namespace headrace {

namespace {

// What the cross-encoder reads of a row: as what stands for it among the vectors.
std::string reranked_text(const Row& row) {
  if (row.title.empty() || row.text.starts_with(row.title)) return row.text;
  return row.title + "\n" + row.text;
}

}  // namespace

Result<std::shared_ptr<const TextReranker>> Knowledge::reranker(const std::string& model) {
  {
    const MutexLock lock(mutex_);
    if (const auto found = rerankers_.find(model); found != rerankers_.end()) return found->second;
  }
  HR_ASSIGN(auto loaded, TextReranker::load(model));
  const MutexLock lock(mutex_);
  return rerankers_.try_emplace(model, std::move(loaded)).first->second;
}

Result<HitPage> Knowledge::search_reranked(const std::string& query, const SearchOptions& options) {
  if (!options.sort.empty() || !options.cursor.empty()) {
    return fail(ErrorCode::invalid_argument,
                "a reranker orders by its own score, and only the first page",
                "leave out the column to sort by and the cursor, or the reranker");
  }
  HR_ASSIGN(const auto model, reranker(options.rerank));
  SearchOptions all = options;
  all.rerank.clear();
  all.k = std::max(options.k, options.rerank_rows);
  HR_ASSIGN(HitPage page, search(query, all));
  page.cursor.clear();
  if (!query.empty() && !page.hits.empty()) {
    std::vector<std::string> texts;
    for (const Hit& hit : page.hits) texts.push_back(reranked_text(hit.row));
    HR_ASSIGN(const std::vector<float> scores,
              model->rerank(meaning_of(query, options), texts, pool(0)));
    for (size_t i = 0; i < scores.size(); ++i) page.hits[i].score = scores[i];
    std::ranges::stable_sort(page.hits, std::greater(), &Hit::score);
  }
  if (page.hits.size() > options.k) page.hits.erase(page.hits.begin() + options.k, page.hits.end());
  return page;
}

}  // namespace headrace
