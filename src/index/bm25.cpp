#include "index/bm25.h"

#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "index/analyzer.h"
#include "index/postings_state.h"
#include "index/search_query_terms.h"

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

Result<Bm25Query> Bm25Query::prepare(std::span<const SegmentView> segments, std::string_view text,
                                     Bm25Parameters parameters) {
  Bm25Query query;
  query.segments_ = segments;
  uint64_t rows = 0;
  uint64_t total_terms = 0;
  std::string_view language = "none";
  for (const SegmentView& segment : segments) {
    if (segment.postings == nullptr || segment.postings->row_count() == 0) continue;
    rows += segment.postings->row_count();
    total_terms += segment.postings->total_terms();
    language = segment.postings->language();
  }
  if (rows == 0) return query;
  std::vector<double> weights;
  for (const QueryTerm& term : query_terms(text, language)) {
    Term found;
    uint64_t df = 0;
    for (const SegmentView& segment : segments) {
      std::optional<PostingList> list;
      if (segment.postings != nullptr) {
        HR_ASSIGN(list, segment.postings->state().find(term.text));
        if (list) df += list->df;
      }
      found.lists.push_back(list);
    }
    if (df == 0) continue;
    const double n = static_cast<double>(std::max(rows, df));
    const double present = static_cast<double>(df);
    const double idf = std::log(1.0 + (n - present + 0.5) / (present + 0.5));
    weights.push_back(idf * (parameters.k1 + 1) * term.count);
    query.terms_.push_back(std::move(found));
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
        state_(query.segments_[segment].postings->state()) {}

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
    ListCursor cursor;
    float weight = 0;
    uint32_t list_max = 0;
    uint32_t window_max = 0;
  };

  template <size_t count>
  uint32_t bound(float weight, const std::array<Impact, count>& impacts) const {
    uint32_t most = 0;
    for (const Impact impact : impacts) {
      const float tf =
          impact.tf == 255 ? std::numeric_limits<float>::infinity() : static_cast<float>(impact.tf);
      most = std::max(most, contribution(weight, tf, query_.inverse_norms_[impact.length_code]));
    }
    return most;
  }

  float inverse_norm(uint32_t row) const {
    return query_.inverse_norms_[static_cast<uint8_t>(state_.length_codes[row])];
  }

  Status open_lists() {
    for (const Bm25Query::Term& term : query_.terms_) {
      if (!term.lists[segment_]) continue;
      HR_ASSIGN(ListCursor cursor, ListCursor::open(*term.lists[segment_], state_.row_limit));
      auto opened = std::make_unique<Term>(Term{std::move(cursor), term.weight, 0, 0});
      ListCursor& list = opened->cursor;
      if (list.has_impacts()) {
        opened->list_max = bound(term.weight, list.list_impacts());
      } else if (list.load_block()) {
        for (uint32_t i = 0; i < list.block_size(); ++i) {
          opened->list_max = std::max(
              opened->list_max, contribution(term.weight, static_cast<float>(list.block_tfs()[i]),
                                             inverse_norm(list.block_rows()[i])));
        }
      }
      terms_.push_back(std::move(opened));
    }
    std::ranges::sort(terms_, {}, [](const auto& term) { return term->list_max; });
    return {};
  }

  // A row must score more than this.
  int64_t threshold() const { return top_.full() ? int64_t{top_.threshold()} : -1; }

  // The first window from `begin` on with a row of an essential term: all others cannot matter.
  uint64_t next_window(uint64_t begin) {
    if (begin >= state_.row_limit) return begin;
    uint64_t next = state_.row_limit;
    uint64_t sum = 0;
    for (const auto& term : terms_) {
      sum += term->list_max;
      if (static_cast<int64_t>(sum) <= threshold()) continue;
      if (term->cursor.seek(static_cast<uint32_t>(begin))) {
        next = std::min<uint64_t>(next, term->cursor.block_rows()[term->cursor.position()]);
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
      most = std::max(most, bound(term.weight, cursor.block_impacts(block)));
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

  void accumulate(Term& term) {
    ListCursor& cursor = term.cursor;
    if (!cursor.seek(window_begin_)) return;
    do {
      const uint32_t* const rows = cursor.block_rows();
      const uint32_t* const tfs = cursor.block_tfs();
      const uint32_t size = cursor.block_size();
      uint32_t end = size;
      if (rows[size - 1] >= window_end_) {
        end = static_cast<uint32_t>(
            std::lower_bound(rows + cursor.position(), rows + size, window_end_) - rows);
      }
      add_postings(rows, tfs, cursor.position(), end, term.weight);
      if (end < size) {
        cursor.set_position(end);
        return;
      }
      cursor.next_block();
    } while (cursor.load_block());
  }

  void add_postings(const uint32_t* rows, const uint32_t* tfs, uint32_t begin, uint32_t end,
                    float weight) {
    const char* const codes = state_.length_codes.data();
    const float* const norms = query_.inverse_norms_.data();
    for (uint32_t i = begin; i < end; ++i) {
      const uint32_t row = rows[i];
      const uint32_t at = row - window_begin_;
      const float norm = norms[static_cast<uint8_t>(codes[row])];
      sums_[at] += contribution(weight, static_cast<float>(tfs[i]), norm);
      touched_[at / 64] |= uint64_t{1} << (at % 64);
    }
  }

  void collect(size_t essential) {
    for (size_t word = 0; word < touched_.size(); ++word) {
      uint64_t rows = touched_[word];
      touched_[word] = 0;
      const size_t allowed_word = window_begin_ / 64 + word;
      const uint64_t allowed = allowed_.empty()                 ? ~uint64_t{0}
                               : allowed_word < allowed_.size() ? allowed_[allowed_word]
                                                                : 0;
      for (; rows != 0; rows &= rows - 1) {
        const auto bit = static_cast<uint32_t>(__builtin_ctzll(rows));
        const auto at = static_cast<uint32_t>(word * 64) + bit;
        const uint32_t score = sums_[at];
        sums_[at] = 0;
        if (((allowed >> bit) & 1) != 0) consider(window_begin_ + at, score, essential);
      }
    }
  }

  void consider(uint32_t row, uint64_t score, size_t essential) {
    const int64_t needed = threshold();
    for (size_t i = essential; i > 0; --i) {
      if (static_cast<int64_t>(score + bounds_[i - 1]) <= needed) return;
      Term& term = *active_[i - 1];
      const uint32_t tf = term.cursor.tf_at(row);
      if (tf != 0) score += contribution(term.weight, static_cast<float>(tf), inverse_norm(row));
    }
    if (static_cast<int64_t>(score) > needed) {
      top_.add(static_cast<uint32_t>(score), segment_, row);
    }
  }

  const Bm25Query& query_;
  uint32_t segment_;
  std::span<const uint64_t> allowed_;
  Bm25Query::Top& top_;
  const Postings::State& state_;
  std::vector<std::unique_ptr<Term>> terms_;  // by list_max, least first
  std::vector<Term*> active_;                 // in this window, by window_max
  std::vector<uint64_t> bounds_;
  uint32_t window_begin_ = 0;
  uint32_t window_end_ = 0;
  std::array<uint32_t, kWindowRows> sums_{};
  std::array<uint64_t, kWindowRows / 64> touched_{};
};

Status Bm25Query::add_best(uint32_t segment, std::span<const uint64_t> allowed, Top& top) const {
  if (segments_[segment].postings == nullptr) return {};
  return WindowScorer(*this, segment, allowed, top).run();
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
