#include "index/query_plan.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "index/postings_cursor.h"
#include "index/postings_state.h"
#include "index/search_query_terms.h"

namespace headrace::index {
namespace {

// Endings that a stemmer takes off: a prefix may reach into one of them ("organizat*" is meant to
// find what is kept as "organ").
constexpr std::array<std::string_view, 27> kEndings = {
    "e",     "s",  "es",  "ed",   "er",    "ers",    "ing",  "ings",    "g",
    "n",     "on", "ion", "ions", "ation", "ations", "tion", "ational", "ment",
    "ments", "ly", "y",   "al",   "able",  "ity",    "ness", "ive",     "ization"};

class Planner {
 public:
  Planner(std::span<const SegmentView> segments, float title_weight)
      : segments_(segments),
        title_weight_(title_weight),
        analyzer_(thread_analyzer(language_of(segments))) {}

  Result<QueryPlan> plan(const Query& query) {
    plan_.only_excludes = query.only_excludes();
    analyzer_.analyze(query.words, [&](std::string_view term, uint32_t) { add_word(term); });
    // Prefixes come last: a word that stands by itself, too, is as rare as it is alone.
    for (const QueryClause& clause : query.clauses) {
      if (clause.kind == QueryClause::Kind::words) HR_TRY(add_clause(clause));
    }
    for (const QueryClause& clause : query.clauses) {
      if (clause.kind == QueryClause::Kind::prefix) HR_TRY(add_clause(clause));
    }
    return std::move(plan_);
  }

 private:
  void add_term(std::string text, uint32_t group, float boost) {
    const auto found = places_.find(text);
    if (found != places_.end() && group == 0) {
      ++plan_.terms[found->second].count;
    } else if (found == places_.end() && plan_.terms.size() < kQueryTermsMax + kPrefixTermsMax) {
      places_.emplace(text, plan_.terms.size());
      plan_.terms.push_back({std::move(text), 1, group, boost});
    }
  }

  void add_word(std::string_view term) {
    if (plan_.terms.size() >= kQueryTermsMax && !places_.contains(std::string(term))) return;
    add_term(std::string(term), 0, 1);
    if (title_weight_ > 0) add_term(kTitleMark + std::string(term), 0, title_weight_);
  }

  Status add_clause(const QueryClause& clause) {
    if (clause.title) HR_TRY(require_positions("titles"));
    const std::vector<TermSpan> spans = analyzer_.analyze_with_spans(clause.text);
    if (spans.empty()) return {};
    // A prefix is one word; of unspaced scripts it is the characters that stand there.
    const bool prefix =
        clause.kind == QueryClause::Kind::prefix && spans[0].end == clause.text.size();
    if (prefix) return add_prefix(clause, spans[0]);
    RowCondition condition;
    condition.excluded = clause.need == QueryNeed::excluded;
    for (const TermSpan& span : spans) {
      std::string term = clause.title ? kTitleMark + span.term : span.term;
      if (!condition.excluded) {
        if (clause.title) {
          add_term(term, 0, 1);
        } else {
          add_word(span.term);
        }
      }
      condition.phrase.push_back({std::move(term), span.position});
    }
    if (clause.need == QueryNeed::wanted) return {};
    if (condition.phrase.size() > 1) HR_TRY(require_positions("phrases"));
    plan_.conditions.push_back(std::move(condition));
    return {};
  }

  Status add_prefix(const QueryClause& clause, const TermSpan& span) {
    std::set<std::string> terms;
    std::vector<std::string> exact = {span.term};
    const bool letters = span.word.find_first_of("_0123456789") == std::string::npos;
    for (const std::string_view ending : kEndings) {
      if (!letters) break;
      analyzer_.analyze(span.word + std::string(ending), [&](std::string_view term, uint32_t) {
        if (!term.starts_with(span.word) && span.word.starts_with(term) && term.size() > 1) {
          exact.emplace_back(term);
        }
      });
    }
    const std::string mark = clause.title ? std::string(1, kTitleMark) : std::string();
    for (const SegmentView& segment : segments_) {
      if (segment.postings == nullptr) continue;
      const Postings::State& state = segment.postings->state();
      HR_ASSIGN(std::vector<std::string> found, state.expand(mark + span.word, kPrefixTermsMax));
      for (std::string& term : found) terms.insert(std::move(term));
    }
    for (const std::string& term : exact) terms.insert(mark + term);
    ++groups_;
    RowCondition condition;
    condition.excluded = clause.need == QueryNeed::excluded;
    for (const std::string& term : terms) {
      if (!condition.excluded) add_term(term, groups_, 1);
      condition.any.push_back(term);
    }
    if (clause.need != QueryNeed::wanted) plan_.conditions.push_back(std::move(condition));
    return {};
  }

  Status require_positions(std::string_view what) const {
    for (const SegmentView& segment : segments_) {
      const Postings* const postings = segment.postings;
      if (postings != nullptr && postings->row_count() > 0 && !postings->has_positions()) {
        return fail(
            ErrorCode::unsupported,
            "some rows were written by a version that did not keep where words stand, so " +
                std::string(what) + " cannot be searched",
            "run headrace optimize after something was added or changed: it reads them again");
      }
    }
    return {};
  }

  std::span<const SegmentView> segments_;
  float title_weight_;
  Analyzer& analyzer_;
  QueryPlan plan_;
  std::unordered_map<std::string, size_t> places_;
  uint32_t groups_ = 0;
};

// The rows of one list, as bits.
Status set_rows(const Postings::State& state, const std::string& term,
                std::vector<uint64_t>& rows) {
  HR_ASSIGN(const auto list, state.find(term));
  if (!list) return {};
  HR_ASSIGN(ListCursor cursor, ListCursor::open(*list, state.row_limit));
  for (; cursor.load_block(); cursor.next_block()) {
    for (uint32_t i = 0; i < cursor.block_size(); ++i) {
      const uint32_t row = cursor.block_rows()[i];
      if (row / 64 < rows.size()) rows[row / 64] |= uint64_t{1} << (row % 64);
    }
  }
  if (cursor.damaged()) return std::unexpected<Error>(damaged_postings("a list cannot be read"));
  return {};
}

class PhraseMatcher {
 public:
  explicit PhraseMatcher(const Postings::State& state) : state_(state) {}

  // Adds the rows among `allowed` that hold the phrase.
  Status run(std::span<const RowCondition::PhraseTerm> phrase, std::span<const uint64_t> allowed,
             std::vector<uint64_t>& rows) {
    for (const RowCondition::PhraseTerm& term : phrase) {
      HR_ASSIGN(const auto list, state_.find(term.text));
      if (!list) return {};
      HR_ASSIGN(ListCursor cursor, ListCursor::open(*list, state_.row_limit));
      words_.push_back({cursor, PositionReader(list->positions), term.offset, {}});
    }
    std::ranges::stable_sort(words_, {}, [](const Word& word) { return word.cursor.df(); });
    ListCursor& rarest = words_[0].cursor;
    for (; rarest.load_block(); rarest.next_block()) {
      for (uint32_t i = 0; i < rarest.block_size(); ++i) {
        const uint32_t row = rarest.block_rows()[i];
        if (row / 64 >= allowed.size() || ((allowed[row / 64] >> (row % 64)) & 1) == 0) continue;
        rarest.set_position(i);
        HR_ASSIGN(const bool matches, has_phrase(row));
        if (matches) rows[row / 64] |= uint64_t{1} << (row % 64);
      }
    }
    for (const Word& word : words_) {
      if (word.cursor.damaged()) return damaged();
    }
    return {};
  }

 private:
  struct Word {
    ListCursor cursor;
    PositionReader reader;
    uint32_t offset = 0;
    std::vector<uint32_t> positions;
  };

  static std::unexpected<Error> damaged() {
    return std::unexpected<Error>(damaged_postings("positions cannot be read"));
  }

  Result<bool> has_phrase(uint32_t row) {
    for (size_t i = 1; i < words_.size(); ++i) {
      if (words_[i].cursor.tf_at(row) == 0) return false;
    }
    if (words_.size() == 1) return true;
    for (Word& word : words_) {
      if (!word.reader.read(word.cursor, word.positions)) return damaged();
    }
    for (const uint32_t position : words_[0].positions) {
      if (position < words_[0].offset) continue;
      const uint32_t begin = position - words_[0].offset;
      bool all = true;
      for (size_t i = 1; i < words_.size() && all; ++i) {
        all = std::ranges::binary_search(words_[i].positions, begin + words_[i].offset);
      }
      if (all) return true;
    }
    return false;
  }

  const Postings::State& state_;
  std::vector<Word> words_;  // the rarest first
};

}  // namespace

std::string_view language_of(std::span<const SegmentView> segments) {
  std::string_view language = "none";
  for (const SegmentView& segment : segments) {
    if (segment.postings == nullptr || segment.postings->row_count() == 0) continue;
    language = segment.postings->language();
  }
  return language;
}

Result<QueryPlan> plan_query(std::span<const SegmentView> segments, const Query& query,
                             float title_weight) {
  return Planner(segments, title_weight).plan(query);
}

Status keep_matching(const SegmentView& segment, const QueryPlan& plan,
                     std::vector<uint64_t>& rows) {
  std::vector<uint64_t> found;
  for (const RowCondition& condition : plan.conditions) {
    found.assign(rows.size(), 0);
    if (segment.postings != nullptr) {
      const Postings::State& state = segment.postings->state();
      if (!condition.phrase.empty()) {
        HR_TRY(PhraseMatcher(state).run(condition.phrase, rows, found));
      }
      for (const std::string& term : condition.any) HR_TRY(set_rows(state, term, found));
    }
    for (size_t i = 0; i < rows.size(); ++i) rows[i] &= condition.excluded ? ~found[i] : found[i];
  }
  return {};
}

Result<std::vector<uint64_t>> rows_with_any_term(const SegmentView& segment,
                                                 const QueryPlan& plan) {
  std::vector<uint64_t> rows((size_t{segment.row_count} + 63) / 64);
  if (segment.postings == nullptr) return rows;
  for (const PlannedTerm& term : plan.terms) {
    HR_TRY(set_rows(segment.postings->state(), term.text, rows));
  }
  return rows;
}

}  // namespace headrace::index
