#include "index/bm25.h"

#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "index/bm25_kernels.h"
#include "index/postings_state.h"

namespace headrace::index {
namespace {

constexpr double kScoreRange = 1 << 30;

std::unexpected<Error> damaged(std::string_view what) {
  return std::unexpected<Error>(damaged_postings(what));
}

// What a term adds to a row. Every step is monotone in tf and in the length, also after rounding,
// so that the impact of a block is never below any of its postings.
inline uint32_t contribution(float weight, float tf, float inverse_norm) {
  return static_cast<uint32_t>(weight - weight / (1.0f + tf * inverse_norm));
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
  if (sum <= 0) return query;
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
  return query;
}

// What a term adds to a row, by the row's length code and how often the term is in it: nearly all
// postings have a small tf, so that adding them up is looking them up.
class Contributions {
 public:
  Contributions(float weight, const std::array<float, 256>& inverse_norms)
      : weight_(weight), inverse_norms_(inverse_norms) {
    for (uint32_t tf = 1; tf <= kTabled; ++tf) {
      for (uint32_t code = 0; code < 256; ++code) {
        table_[(tf - 1) * 256 + code] =
            contribution(weight, static_cast<float>(tf), inverse_norms[code]);
      }
    }
  }

  uint32_t of(uint32_t tf, uint8_t code) const {
    if (tf - 1 < kTabled) return table_[(tf - 1) * 256 + code];
    return contribution(weight_, static_cast<float>(tf), inverse_norms_[code]);
  }
  // The most that a posting covered by the impact can add.
  uint32_t of(Impact impact) const {
    if (impact.tf != 255) return of(impact.tf, impact.length_code);
    return contribution(weight_, std::numeric_limits<float>::infinity(),
                        inverse_norms_[impact.length_code]);
  }
  template <size_t count>
  uint32_t bound(const std::array<Impact, count>& impacts) const {
    uint32_t most = 0;
    for (const Impact impact : impacts) most = std::max(most, of(impact));
    return most;
  }

 private:
  static constexpr uint32_t kTabled = 4;
  float weight_;
  const std::array<float, 256>& inverse_norms_;
  std::array<uint32_t, kTabled * 256> table_;
};

// Scores one segment in windows of rows (MaxScore with block impacts). In each window the terms
// that cannot lift a row over the threshold together ("non-essential") are only looked up for rows
// that the others have brought near it; the others are added up in an array, block by block.
class WindowScorer {
 public:
  WindowScorer(const Bm25Query& query, uint32_t segment, std::span<const uint64_t> allowed,
               Bm25Query::Top& top)
      : query_(query),
        segment_(segment),
        allowed_(allowed),
        top_(top),
        state_(query.segments_[segment].postings->state()),
        collect_above_(collect_above()) {}

  Status run() {
    HR_TRY(open_lists());
    if (terms_.empty()) return {};
    for (uint64_t begin = next_window(0); begin < state_.row_limit; begin = next_window(begin)) {
      window_begin_ = static_cast<uint32_t>(begin);
      window_end_ =
          static_cast<uint32_t>(std::min<uint64_t>(begin + kWindowRows, state_.row_limit));
      score_window();
      begin += kWindowRows;
    }
    for (const auto& term : terms_) {
      if (term->cursor.damaged()) return damaged("a list cannot be read");
    }
    return {};
  }

 private:
  static constexpr uint32_t kWindowRows = 4096;

  struct Term {
    Term(const ListCursor& list, float weight, const std::array<float, 256>& inverse_norms)
        : cursor(list), contributions(weight, inverse_norms) {}
    ListCursor cursor;
    Contributions contributions;
    uint32_t list_max = 0;
    uint32_t window_max = 0;
  };

  uint8_t length_code(uint32_t row) const { return static_cast<uint8_t>(state_.length_codes[row]); }

  Status open_lists() {
    for (const Bm25Query::Term& term : query_.terms_) {
      if (!term.lists[segment_]) continue;
      HR_ASSIGN(const ListCursor cursor, ListCursor::open(*term.lists[segment_], state_.row_limit));
      auto opened = std::make_unique<Term>(cursor, term.weight, query_.inverse_norms_);
      ListCursor& list = opened->cursor;
      if (list.has_impacts()) {
        opened->list_max = opened->contributions.bound(list.list_impacts());
      } else if (list.load_block()) {
        for (uint32_t i = 0; i < list.block_size(); ++i) {
          opened->list_max = std::max(
              opened->list_max,
              opened->contributions.of(list.block_tfs()[i], length_code(list.block_rows()[i])));
        }
      }
      terms_.push_back(std::move(opened));
    }
    std::ranges::sort(terms_, {}, [](const auto& term) { return term->list_max; });
    return {};
  }

  // A row must score more than this.
  int64_t threshold() const { return top_.full() ? int64_t{top_.threshold()} : 0; }

  // The first window from `begin` on with a row of an essential term: all others cannot matter.
  uint64_t next_window(uint64_t begin) {
    if (begin >= state_.row_limit) return begin;
    uint64_t next = state_.row_limit;
    uint64_t sum = 0;
    for (const auto& term : terms_) {
      sum += term->list_max;
      if (static_cast<int64_t>(sum) <= threshold()) continue;
      ListCursor& cursor = term->cursor;
      cursor.skip_to(static_cast<uint32_t>(begin));
      if (cursor.at_end()) continue;
      // A list with a block for every few rows has one in this window: no need to look.
      if (cursor.has_impacts() && cursor.block_last_row(cursor.block()) < begin + kWindowRows) {
        return begin;
      }
      if (cursor.seek(static_cast<uint32_t>(begin))) {
        next = std::min<uint64_t>(next, cursor.block_rows()[cursor.position()]);
      }
    }
    return next / kWindowRows * kWindowRows;
  }

  uint32_t window_bound(Term& term) const {
    ListCursor& cursor = term.cursor;
    cursor.skip_to(window_begin_);
    if (cursor.at_end()) return 0;
    if (!cursor.has_impacts()) return term.list_max;
    uint32_t most = 0;
    for (uint32_t block = cursor.block(); block < cursor.block_count(); ++block) {
      most = std::max(most, term.contributions.bound(cursor.block_impacts(block)));
      if (cursor.block_last_row(block) >= window_end_ - 1) break;
    }
    return most;
  }

  void score_window() {
    if (!window_allows()) return;
    active_.clear();
    uint64_t sum = 0;
    for (const auto& term : terms_) {
      term->window_max = window_bound(*term);
      if (term->window_max == 0) continue;
      sum += term->window_max;
      active_.push_back(term.get());
    }
    if (static_cast<int64_t>(sum) <= threshold()) return;
    std::ranges::sort(active_, {}, &Term::window_max);
    bounds_.clear();  // bounds_[i]: what the terms up to i can add together
    size_t essential = 0;
    uint64_t below = 0;
    for (size_t i = 0; i < active_.size(); ++i) {
      below += active_[i]->window_max;
      bounds_.push_back(below);
      if (static_cast<int64_t>(below) <= threshold()) essential = i + 1;
    }
    first_ = kWindowRows;
    last_ = 0;
    for (size_t i = essential; i < active_.size(); ++i) accumulate(*active_[i]);
    collect(essential);
  }

  bool window_allows() const {
    if (allowed_.empty()) return true;
    const size_t first = window_begin_ / 64;
    const size_t last = std::min<size_t>(allowed_.size(), first + kWindowRows / 64);
    for (size_t i = first; i < last; ++i) {
      if (allowed_[i] != 0) return true;
    }
    return false;
  }

  bool is_allowed(uint32_t row) const {
    return allowed_.empty() ||
           (row / 64 < allowed_.size() && ((allowed_[row / 64] >> (row % 64)) & 1) != 0);
  }

  void accumulate(Term& term) {
    ListCursor& cursor = term.cursor;
    if (!cursor.seek(window_begin_)) return;
    do {
      const uint32_t* const rows = cursor.block_rows();
      const uint32_t size = cursor.block_size();
      uint32_t end = size;
      if (rows[size - 1] >= window_end_) {
        end = static_cast<uint32_t>(
            std::lower_bound(rows + cursor.position(), rows + size, window_end_) - rows);
      }
      add_postings(rows, cursor.block_tfs(), cursor.position(), end, term.contributions);
      if (end < size) {
        cursor.set_position(end);
        return;
      }
      cursor.next_block();
    } while (cursor.load_block());
  }

  void add_postings(const uint32_t* rows, const uint32_t* tfs, uint32_t begin, uint32_t end,
                    const Contributions& contributions) {
    if (begin == end) return;
    first_ = std::min(first_, rows[begin] - window_begin_);
    last_ = std::max(last_, rows[end - 1] - window_begin_);
    const auto* const codes = reinterpret_cast<const uint8_t*>(state_.length_codes.data());
    for (uint32_t i = begin; i < end; ++i) {
      const uint32_t row = rows[i];
      sums_[row - window_begin_] += contributions.of(tfs[i], codes[row]);
    }
  }

  void collect(size_t essential) {
    if (first_ > last_) return;
    const auto rest = essential == 0 ? 0 : static_cast<int64_t>(bounds_[essential - 1]);
    const auto bar = static_cast<uint32_t>(std::max<int64_t>(0, threshold() - rest));
    const uint32_t begin = first_ / 8 * 8;
    const uint32_t count = (last_ / 8 + 1) * 8 - begin;
    const size_t found = collect_above_(sums_.data() + begin, count, bar, near_.data());
    for (size_t i = 0; i < found; ++i) {
      const uint32_t row = window_begin_ + begin + near_[i].place;
      if (is_allowed(row)) consider(row, near_[i].sum, essential);
    }
  }

  // Adds the terms that were left out, the greatest first, as long as the row can still get there.
  void consider(uint32_t row, uint64_t score, size_t essential) {
    const int64_t needed = threshold();
    for (size_t i = essential; i > 0; --i) {
      if (static_cast<int64_t>(score + bounds_[i - 1]) <= needed) return;
      Term& term = *active_[i - 1];
      ListCursor& cursor = term.cursor;
      cursor.skip_to(row);
      if (cursor.at_end()) continue;
      if (cursor.has_impacts() && !cursor.is_loaded()) {
        const uint64_t others = i > 1 ? bounds_[i - 2] : 0;
        const uint64_t most = term.contributions.bound(cursor.block_impacts(cursor.block()));
        if (static_cast<int64_t>(score + others + most) <= needed) return;
      }
      const uint32_t tf = cursor.tf_at(row);
      if (tf != 0) score += term.contributions.of(tf, length_code(row));
    }
    if (score > 0 && static_cast<int64_t>(score) > needed) {
      top_.add(static_cast<uint32_t>(score), segment_, row);
    }
  }

  const Bm25Query& query_;
  uint32_t segment_;
  std::span<const uint64_t> allowed_;
  Bm25Query::Top& top_;
  const Postings::State& state_;
  CollectAbove collect_above_;
  std::vector<std::unique_ptr<Term>> terms_;  // by list_max, least first
  std::vector<Term*> active_;                 // in this window, by window_max
  std::vector<uint64_t> bounds_;
  uint32_t window_begin_ = 0;
  uint32_t window_end_ = 0;
  uint32_t first_ = 0;  // places of the window that were added to
  uint32_t last_ = 0;
  alignas(64) std::array<uint32_t, kWindowRows> sums_{};
  std::array<ScoredPlace, kWindowRows> near_;
};

// With fewer allowed rows than this share of all postings, they are looked up one by one.
constexpr uint64_t kFewShare = 32;

Status Bm25Query::add_best(uint32_t segment, std::span<const uint64_t> allowed, Top& top) const {
  if (segments_[segment].postings == nullptr) return {};
  if (!allowed.empty()) {
    uint64_t rows = 0;
    uint64_t postings = 0;
    for (const uint64_t word : allowed) rows += static_cast<uint64_t>(__builtin_popcountll(word));
    for (const Term& term : terms_) {
      if (term.lists[segment]) postings += term.lists[segment]->df;
    }
    if (rows == 0) return {};
    if (rows * terms_.size() * kFewShare < postings + kFewShare) {
      return score_few(segment, allowed, top);
    }
  }
  return WindowScorer(*this, segment, allowed, top).run();
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
