#include "index/bm25_windows.h"

#include <utility>

#include "index/bm25_contributions.h"
#include "index/postings_state.h"

namespace headrace::index {
namespace {

// Looking a row up costs about as much as adding so many postings.
constexpr uint64_t kLookupCost = 24;

// What a term has in a window.
struct Share {
  uint32_t most = 0;   // that it adds to a row; 0: the window has no row with it
  uint32_t block = 0;  // the first with a row of the window
};

}  // namespace

struct WindowScorer::Term {
  Term(const ListCursor& list, const Contributions& contributions)
      : cursor(list), adds(contributions) {}

  // A row of `window` in `block` gets at most this.
  void share(uint32_t window, uint32_t block, uint32_t most) {
    Share& found = shares[window];
    if (found.most == 0) found.block = block;
    found.most = std::max(found.most, most);
  }

  void share_blocks() {
    const auto last_window = static_cast<uint32_t>(shares.size()) - 1;
    uint32_t first = 0;
    for (uint32_t block = 0; block < cursor.block_count(); ++block) {
      const uint32_t most = adds.bound(cursor.block_impacts(block));
      // A damaged list may say anything here; unpacking tells.
      const uint32_t last = std::min(cursor.block_last_row(block) / kWindowRows, last_window);
      for (uint32_t window = first; window <= last; ++window) share(window, block, most);
      first = std::max(first, last);
    }
  }

  void share_postings(const uint8_t* length_codes) {
    if (!cursor.load_block()) return;
    for (uint32_t i = 0; i < cursor.block_size(); ++i) {
      const uint32_t row = cursor.block_rows()[i];
      share(row / kWindowRows, 0, adds.of(cursor.block_tfs()[i], length_codes[row]));
    }
  }

  ListCursor cursor;
  const Contributions& adds;
  std::vector<Share> shares;  // by window
  uint32_t window_max = 0;
};

WindowScorer::WindowScorer(const Bm25Query& query, Bm25Search& search, Bm25Query::Top& top)
    : query_(query), search_(search), top_(top), collect_above_(collect_above()) {}

WindowScorer::~WindowScorer() = default;

Status WindowScorer::add_best(uint32_t segment, std::span<const uint64_t> allowed) {
  segment_ = segment;
  allowed_ = allowed;
  const Postings::State& state = query_.segments_[segment].postings->state();
  row_limit_ = state.row_limit;
  length_codes_ = reinterpret_cast<const uint8_t*>(state.length_codes.data());
  HR_TRY(open_lists());
  const std::vector<uint32_t> order = windows_by_bound();
  for (uint32_t at = search_.take(segment); at < order.size(); at = search_.take(segment)) {
    window_begin_ = order[at] * kWindowRows;
    window_end_ = static_cast<uint32_t>(
        std::min<uint64_t>(uint64_t{window_begin_} + kWindowRows, row_limit_));
    // No later window can give more, but one that gives as much may hold the first of equal rows.
    const int64_t short_by = least() - window_bounds_[order[at]];
    if (short_by > 1) break;
    if (short_by <= 0 && window_allows()) score_window(order[at]);
    if (top_.full()) search_.raise_floor(top_.threshold());
  }
  search_.end(segment);
  for (const auto& term : terms_) {
    if (term->cursor.damaged()) {
      return std::unexpected<Error>(damaged_postings("a list cannot be read"));
    }
  }
  return {};
}

Status WindowScorer::open_lists() {
  terms_.clear();
  const auto windows =
      static_cast<uint32_t>((uint64_t{row_limit_} + kWindowRows - 1) / kWindowRows);
  window_bounds_.assign(windows, 0);
  for (const Bm25Query::Term& term : query_.terms_) {
    if (!term.lists[segment_]) continue;
    HR_ASSIGN(const ListCursor cursor, ListCursor::open(*term.lists[segment_], row_limit_));
    auto opened = std::make_unique<Term>(cursor, *term.adds);
    opened->shares.resize(windows);
    if (cursor.has_impacts()) {
      opened->share_blocks();
    } else {
      opened->share_postings(length_codes_);
    }
    for (uint32_t window = 0; window < windows; ++window) {
      window_bounds_[window] += opened->shares[window].most;
    }
    terms_.push_back(std::move(opened));
  }
  return {};
}

std::vector<uint32_t> WindowScorer::windows_by_bound() const {
  std::vector<uint32_t> order;
  for (uint32_t window = 0; window < window_bounds_.size(); ++window) {
    if (window_bounds_[window] > 0) order.push_back(window);
  }
  std::ranges::stable_sort(order, std::greater{},
                           [this](uint32_t window) { return window_bounds_[window]; });
  return order;
}

bool WindowScorer::window_allows() const {
  if (allowed_.empty()) return true;
  const size_t first = window_begin_ / 64;
  const size_t last = std::min<size_t>(allowed_.size(), first + kWindowRows / 64);
  for (size_t i = first; i < last; ++i) {
    if (allowed_[i] != 0) return true;
  }
  return false;
}

// A row of this window must score at least this. Among equal rows the first counts.
int64_t WindowScorer::least() const {
  const int64_t floor = std::max<int64_t>(search_.floor(), 1);
  if (!top_.full()) return floor;
  const Bm25Query::Top::Entry& worst = top_.worst();
  const bool is_after = std::pair(segment_, window_begin_) > std::pair(worst.segment, worst.row);
  return std::max(floor, int64_t{worst.score} + (is_after ? 1 : 0));
}

void WindowScorer::score_window(uint32_t window) {
  active_.clear();
  for (const auto& term : terms_) {
    term->window_max = term->shares[window].most;
    if (term->window_max == 0) continue;
    term->cursor.go_to(term->shares[window].block);
    active_.push_back(term.get());
  }
  std::ranges::sort(active_, {}, &Term::window_max);
  const int64_t needed = least();
  bounds_.clear();
  size_t essential = 0;
  int64_t below = 0;
  for (size_t i = 0; i < active_.size(); ++i) {
    below += active_[i]->window_max;
    bounds_.push_back(below);
    if (below < needed) essential = i + 1;
  }
  const int64_t above = needed - 1 - (essential == 0 ? 0 : bounds_[essential - 1]);
  if (essential + 1 == active_.size()) {
    collect_one(*active_[essential], above);
  } else {
    first_ = kWindowRows;
    last_ = 0;
    for (size_t i = essential; i < active_.size(); ++i) accumulate(*active_[i]);
    collect(above);
  }
  if (!allowed_.empty()) keep_allowed();
  add_rest(window, essential, needed);
}

// Calls `take(rows, tfs, count)` for the term's postings in this window, block by block.
template <typename Take>
void WindowScorer::for_postings(Term& term, const Take& take) const {
  ListCursor& cursor = term.cursor;
  if (!cursor.seek(window_begin_)) return;
  do {
    const uint32_t* const rows = cursor.block_rows();
    const uint32_t size = cursor.block_size();
    const uint32_t begin = cursor.position();
    uint32_t end = size;
    if (rows[size - 1] >= window_end_) {
      end = static_cast<uint32_t>(std::lower_bound(rows + begin, rows + size, window_end_) - rows);
    }
    if (begin < end) take(rows + begin, cursor.block_tfs() + begin, end - begin);
    if (end < size) return;
    cursor.next_block();
  } while (cursor.load_block());
}

void WindowScorer::accumulate(Term& term) {
  for_postings(term, [&](const uint32_t* rows, const uint32_t* tfs, uint32_t count) {
    first_ = std::min(first_, rows[0] - window_begin_);
    last_ = std::max(last_, rows[count - 1] - window_begin_);
    uint32_t* const sums = sums_.data();
    for (uint32_t i = 0; i < count; ++i) {
      sums[rows[i] - window_begin_] += term.adds.of(tfs[i], length_codes_[rows[i]]);
    }
  });
}

// The rows whose sum is above `above`.
void WindowScorer::collect(int64_t above) {
  near_count_ = 0;
  if (first_ > last_) return;
  const auto bar = static_cast<uint32_t>(std::max<int64_t>(0, above));
  const uint32_t begin = first_ / 32 * 32;
  const uint32_t count = (last_ / 32 + 1) * 32 - begin;
  near_count_ = collect_above_(sums_.data() + begin, count, bar, near_.data());
  for (size_t i = 0; i < near_count_; ++i) near_[i].place += begin;
}

// The same where only one term is essential: its postings are the sums.
void WindowScorer::collect_one(Term& term, int64_t above) {
  near_count_ = 0;
  const auto bar = static_cast<uint32_t>(std::max<int64_t>(0, above));
  for_postings(term, [&](const uint32_t* rows, const uint32_t* tfs, uint32_t count) {
    ScoredPlace* const near = near_.data();
    size_t found = near_count_;
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t sum = term.adds.of(tfs[i], length_codes_[rows[i]]);
      near[found] = {rows[i] - window_begin_, sum};
      found += sum > bar ? 1 : 0;
    }
    near_count_ = std::min<size_t>(found, kWindowRows);
  });
}

void WindowScorer::keep_allowed() {
  size_t kept = 0;
  for (size_t i = 0; i < near_count_; ++i) {
    if (is_allowed(window_begin_ + near_[i].place)) near_[kept++] = near_[i];
  }
  near_count_ = kept;
}

// Keeps the rows that can still get to what is needed when others add `rest`.
void WindowScorer::keep(int64_t rest, int64_t needed) {
  const auto least_sum = static_cast<uint32_t>(std::max<int64_t>(0, needed - rest));
  ScoredPlace* const near = near_.data();
  size_t kept = 0;
  for (size_t i = 0; i < near_count_; ++i) {
    near[kept] = near[i];
    kept += near[i].sum >= least_sum ? 1 : 0;
  }
  near_count_ = kept;
}

// About how many postings of the term are in this window.
uint64_t WindowScorer::postings_here(const Term& term, uint32_t window) const {
  const uint32_t begin = term.shares[window].block;
  uint32_t end = begin;
  while (end < term.cursor.block_count() && term.cursor.block_last_row(end) < window_end_ - 1) {
    ++end;
  }
  return uint64_t{end - begin + 1} * kBlockRows;
}

// Adds a term to all rows that are near, through the array of sums: a pass over its postings.
void WindowScorer::add_all(Term& term) {
  first_ = kWindowRows;
  last_ = 0;
  accumulate(term);
  if (first_ > last_) return;
  uint32_t* const sums = sums_.data();
  for (size_t i = 0; i < near_count_; ++i) near_.data()[i].sum += sums[near_.data()[i].place];
  std::fill(sums + first_, sums + last_ + 1, 0u);
}

// Adds a term to each row that is near by looking it up; `rest` is what the terms that come after
// it can add.
void WindowScorer::add_each(Term& term, int64_t rest, int64_t needed) {
  ListCursor& cursor = term.cursor;
  for (size_t i = 0; i < near_count_; ++i) {
    const uint32_t row = window_begin_ + near_[i].place;
    cursor.skip_to(row);
    if (cursor.at_end()) return;
    if (cursor.has_impacts() && !cursor.is_loaded()) {
      const uint32_t most = term.adds.bound(cursor.block_impacts(cursor.block()));
      if (near_[i].sum + rest + most < needed) continue;
    }
    const uint32_t tf = cursor.tf_at(row);
    if (tf != 0) near_[i].sum += term.adds.of(tf, length_codes_[row]);
  }
}

// Adds the terms that were left out, the greatest first, to the rows that can still get there.
void WindowScorer::add_rest(uint32_t window, size_t essential, int64_t needed) {
  for (size_t i = essential; i > 0 && near_count_ > 0; --i) {
    Term& term = *active_[i - 1];
    const int64_t rest = i > 1 ? bounds_[i - 2] : 0;
    if (near_count_ * kLookupCost > postings_here(term, window)) {
      add_all(term);
    } else {
      add_each(term, rest, needed);
    }
    keep(rest, needed);
  }
  for (size_t i = 0; i < near_count_; ++i) {
    top_.add(near_[i].sum, segment_, window_begin_ + near_[i].place);
  }
}

}  // namespace headrace::index
