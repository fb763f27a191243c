#include "index/bm25.h"

#include <bit>
#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "index/bm25_contributions.h"
#include "index/bm25_windows.h"
#include "index/postings_state.h"

namespace headrace::index {
namespace {

constexpr double kScoreRange = 1 << 30;

std::unexpected<Error> damaged(std::string_view what) {
  return std::unexpected<Error>(damaged_postings(what));
}

}  // namespace

Result<Bm25Query> Bm25Query::prepare(std::span<const SegmentView> segments, const QueryPlan& plan,
                                     Bm25Parameters parameters) {
  Bm25Query query;
  query.segments_ = segments;
  uint64_t rows = 0;
  uint64_t total_terms = 0;
  for (const SegmentView& segment : segments) {
    if (segment.postings == nullptr) continue;
    rows += segment.postings->row_count();
    total_terms += segment.postings->total_terms();
  }
  if (rows == 0) return query;
  std::vector<const PlannedTerm*> planned;
  std::map<uint32_t, uint64_t> group_df;
  for (const PlannedTerm& term : plan.terms) {
    Term found;
    for (const SegmentView& segment : segments) {
      std::optional<PostingList> list;
      if (segment.postings != nullptr) {
        HR_ASSIGN(list, segment.postings->state().find(term.text));
        if (list) found.df += list->df;
      }
      found.lists.push_back(list);
    }
    if (found.df == 0) continue;
    group_df[term.group] += found.df;
    found.text = term.text;
    planned.push_back(&term);
    query.terms_.push_back(std::move(found));
  }
  std::vector<double> weights;
  for (size_t i = 0; i < planned.size(); ++i) {
    const uint64_t df = planned[i]->group == 0 ? query.terms_[i].df : group_df[planned[i]->group];
    const double n = static_cast<double>(std::max(rows, df));
    const double present = static_cast<double>(df);
    const double idf = std::log(1.0 + (n - present + 0.5) / (present + 0.5));
    weights.push_back(idf * (parameters.k1 + 1) * planned[i]->count *
                      static_cast<double>(planned[i]->boost));
  }
  double sum = 0;
  for (const double weight : weights) sum += weight;
  if (sum <= 0) {
    query.terms_.clear();
    return query;
  }
  query.weight_sum_ = kScoreRange;
  query.scale_ = kScoreRange / sum;
  query.unit_ = sum / kScoreRange;
  for (size_t i = 0; i < weights.size(); ++i) {
    query.terms_[i].weight = static_cast<float>(weights[i] * query.scale_);
  }
  const double average = static_cast<double>(total_terms) / static_cast<double>(rows);
  for (size_t code = 0; code < query.inverse_norms_.size(); ++code) {
    const double length = decode_length(static_cast<uint8_t>(code));
    const double norm = parameters.k1 * (1 - parameters.b + parameters.b * length / average);
    query.inverse_norms_[code] = static_cast<float>(1.0 / std::max(norm, 1e-6));
  }
  for (Term& term : query.terms_) {
    term.adds = std::make_unique<const Contributions>(term.weight, query.inverse_norms_);
  }
  return query;
}

// With fewer allowed rows than this share of all postings, they are looked up one by one.
constexpr uint64_t kFewShare = 32;

// Whether so few rows are allowed that they are best looked up one by one.
bool Bm25Query::are_few(uint32_t segment, std::span<const uint64_t> allowed) const {
  if (allowed.empty()) return false;
  uint64_t rows = 0;
  uint64_t postings = 0;
  for (const uint64_t word : allowed) rows += static_cast<uint64_t>(std::popcount(word));
  for (const Term& term : terms_) {
    if (term.lists[segment]) postings += term.lists[segment]->df;
  }
  return rows * terms_.size() * kFewShare < postings + kFewShare;
}

Status Bm25Query::add_best(std::span<const std::vector<uint64_t>> allowed, Bm25Search& search,
                           Top& top) const {
  if (empty()) return {};
  // The largest first: they set a bar that few rows of the others reach.
  std::vector<uint32_t> order;
  for (uint32_t segment = 0; segment < segments_.size(); ++segment) {
    if (segments_[segment].postings != nullptr) order.push_back(segment);
  }
  std::ranges::stable_sort(order, std::greater{},
                           [this](uint32_t segment) { return segments_[segment].row_count; });
  WindowScorer scorer(*this, search, top);
  for (const uint32_t segment : order) {
    if (search.is_done(segment)) continue;
    if (are_few(segment, allowed[segment])) {
      if (search.take(segment) == 0) HR_TRY(score_few(segment, allowed[segment], top));
    } else {
      HR_TRY(scorer.add_best(segment, allowed[segment]));
    }
  }
  return {};
}

Status Bm25Query::score_few(uint32_t segment, std::span<const uint64_t> allowed, Top& top) const {
  std::vector<uint32_t> rows;
  for (size_t word = 0; word < allowed.size(); ++word) {
    for (uint64_t bits = allowed[word]; bits != 0; bits &= bits - 1) {
      rows.push_back(
          static_cast<uint32_t>(word * 64 + static_cast<size_t>(std::countr_zero(bits))));
    }
  }
  std::vector<uint32_t> scores(rows.size());
  HR_TRY(score_rows(segment, rows, scores));
  for (size_t i = 0; i < rows.size(); ++i) {
    if (scores[i] > 0) top.add(scores[i], segment, rows[i]);
  }
  return {};
}

Result<std::vector<Bm25Query::Part>> Bm25Query::parts(uint32_t segment, uint32_t row) const {
  std::vector<Part> parts;
  if (segments_[segment].postings == nullptr) return parts;
  const Postings::State& state = segments_[segment].postings->state();
  for (const Term& term : terms_) {
    if (!term.lists[segment] || row >= state.row_limit) continue;
    HR_ASSIGN(ListCursor cursor, ListCursor::open(*term.lists[segment], state.row_limit));
    const uint32_t tf = cursor.tf_at(row);
    if (cursor.damaged()) return damaged("a list cannot be read");
    if (tf == 0) continue;
    const auto code = static_cast<uint8_t>(state.length_codes[row]);
    const uint32_t scaled = contribution(term.weight, static_cast<float>(tf), inverse_norms_[code]);
    parts.push_back({term.text, tf, term.df, score(scaled)});
  }
  return parts;
}

Status Bm25Query::score_rows(uint32_t segment, std::span<const uint32_t> rows,
                             std::span<uint32_t> scores) const {
  std::ranges::fill(scores, 0u);
  if (segments_[segment].postings == nullptr) return {};
  const Postings::State& state = segments_[segment].postings->state();
  for (const Term& term : terms_) {
    if (!term.lists[segment]) continue;
    HR_ASSIGN(ListCursor cursor, ListCursor::open(*term.lists[segment], state.row_limit));
    for (size_t i = 0; i < rows.size() && rows[i] < state.row_limit; ++i) {
      const uint32_t tf = cursor.tf_at(rows[i]);
      if (tf == 0) continue;
      const auto code = static_cast<uint8_t>(state.length_codes[rows[i]]);
      scores[i] += contribution(term.weight, static_cast<float>(tf), inverse_norms_[code]);
    }
    if (cursor.damaged()) return damaged("a list cannot be read");
  }
  return {};
}

}  // namespace headrace::index
