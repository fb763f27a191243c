#include "index/search_lists_pass.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "index/vector_kernels.h"

namespace headrace::index {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();
// Queries that go through the lists together: enough that most lists are found in the caches by
// several of them, few enough that their own forms (a kilobyte each) stay there as well.
constexpr size_t kTogether = 512;
// A row's score by its byte plane is hardly ever wrong by more than this much of its scale, for a
// query at distance 1 from the centroid: twice the standard deviation of what the low bits hold.
constexpr float kByteError = 4.6f;

}  // namespace

ListPass::ListPass(const VectorLists& lists, uint32_t segment, const ListFilter& filter, size_t k,
                   double recall)
    : lists_(lists),
      epoch_(lists.epoch()),
      bounds_(lists.bounds()),
      filter_(filter),
      segment_(segment),
      k_(std::min<size_t>(k, lists.count())),
      efforts_(lists.efforts(recall, k)),
      dimension_(epoch_.dimension),
      shift_(bounds_.shift) {}

void ListPass::prepare(Query& query, const float* values) const {
  query.values = values;
  float most = 0;
  query.sum = 0;
  for (size_t i = 0; i < dimension_; ++i) {
    most = std::max(most, std::fabs(values[i]));
    query.sum += values[i];
  }
  query.square = vector_kernels().dot_f32(values, values, dimension_);
  query.length = std::sqrt(query.square);
  // The largest whole number for which no sum of products leaves 32 bits.
  const auto limit =
      static_cast<float>(std::min<uint64_t>(32767, (uint64_t{1} << 31) / (128 * dimension_) - 1));
  query.step = most > 0 ? most / limit : 0;
  const float inverse = most > 0 ? limit / most : 0;
  query.whole.resize(dimension_);
  // Adding this leaves the nearest whole number in the lowest bits.
  constexpr float kRound = 0x1.8p23f;
  for (size_t i = 0; i < dimension_; ++i) {
    query.whole[i] = static_cast<int16_t>(std::bit_cast<int32_t>(values[i] * inverse + kRound));
  }
  // Efforts are those of a search that knows nothing before it begins: what other sets found is no
  // bound here, or less would be found than was measured.
  query.best.reset();
  query.bases.clear();
  query.threshold = std::numeric_limits<float>::quiet_NaN();
}

// Higher is better; under the Euclidean metric q·x - |x|²/2.
float ListPass::byte_score(const Query& query, uint32_t place, const ListBase& base) const {
  const auto product = static_cast<float>(
      code_kernels().dot_bytes(lists_.high(place), query.whole.data(), dimension_));
  const float score =
      base.product + lists_.scale(place) * (8 * query.step * product - 0.5f * query.sum +
                                            lists_.coarse_correction(place) * base.unit);
  return lists_.metric() == Metric::l2 ? score - lists_.half_square(place) : score;
}

void ListPass::prefetch(uint32_t place) const {
  const char* const row = lists_.bytes_row(place);
  for (size_t at = 0; at < lists_.bytes_stride() && at < 1024; at += 64) {
    __builtin_prefetch(row + at);
  }
}

bool ListPass::passes(uint32_t list, uint32_t at) const {
  if (filter_.all) return true;
  if (!filter_.rows.empty()) {
    const uint32_t row = lists_.row(lists_.list_begin(list) + at);
    return row / 64 < filter_.rows.size() && ((filter_.rows[row / 64] >> (row % 64)) & 1) != 0;
  }
  const size_t block = lists_.block_begin(list) + at / kCodesPerBlock;
  return ((filter_.blocks[block] >> (at % kCodesPerBlock)) & 1) != 0;
}

void ListPass::run(std::span<const std::span<const float>> queries,
                   std::span<TopRows<float>> tops) {
  for (size_t begin = 0; begin < queries.size(); begin += kTogether) {
    const size_t count = std::min(kTogether, queries.size() - begin);
    run_together(queries.subspan(begin, count), tops.subspan(begin, count));
  }
}

void ListPass::run_together(std::span<const std::span<const float>> queries,
                            std::span<TopRows<float>> tops) {
  const size_t count = queries.size();
  const size_t stride = padded_length(epoch_.basis_size);
  const size_t groups = epoch_.widths.size();
  padded_.assign(padded_length(epoch_.dimension), 0);
  whole_.reset(count, padded_.size());
  for (size_t q = 0; q < count; ++q) {
    std::copy(queries[q].begin(), queries[q].end(), padded_.data());
    lists_.rotation().take(padded_.data(), whole_, q);
  }
  rotated_.resize(count * stride);
  lists_.rotation().rotate(whole_, 0, count, sums_, rotated_.data());
  bounds_.take(rotated_.data(), count, list_queries_);
  table_products_.resize(groups * kCodeWords);
  tables_.resize(count * groups * kCodeWords);
  limits_.resize(bounds_.size());
  maxima_.resize(bounds_.size() / 16);
  picked_.resize(bounds_.size());
  while (queries_.size() < count) queries_.emplace_back(k_);
  first_visits_.clear();
  visits_.clear();
  // As many as have their products with all centroids in the second-level cache.
  constexpr size_t kSome = 64;
  for (size_t begin = 0; begin < count; begin += kSome) {
    const size_t some = std::min(kSome, count - begin);
    products_.resize(some * bounds_.size());
    bounds_.products(list_queries_, begin, some, products_.data());
    for (size_t q = begin; q < begin + some; ++q) {
      Query& query = queries_[q];
      prepare(query, queries[q].data());
      query.number = static_cast<uint32_t>(q);
      uint8_t* const table = tables_.data() + q * groups * kCodeWords;
      query.kind =
          code_kernels().make_table(rotated_.data() + q * stride, epoch_.codebook.data(),
                                    epoch_.widths.data(), groups, table_products_.data(), table);
      query.table = table;
      const float* const products = products_.data() + (q - begin) * bounds_.size();
      look_first(query, products);
      plan_visits(query, products);
      for (const uint32_t list : looked_at_) shift_[list] = bounds_.shift[list];
    }
  }
  make_visits(first_visits_);
  make_visits(visits_);
  for (size_t q = 0; q < count; ++q) {
    if (q + 1 < count) prefetch_answers(queries_[q + 1]);
    finish(queries_[q], tops[q]);
  }
}

void ListPass::prefetch_answers(const Query& query) const {
  const auto both = [&](const ScoredPlace& entry) {
    prefetch(entry.place);
    const auto* const low = reinterpret_cast<const char*>(lists_.low(entry.place));
    for (size_t at = 0; at < dimension_ * 3 / 8 && at < 512; at += 64) {
      __builtin_prefetch(low + at);
    }
  };
  for (const ScoredPlace& entry :
       query.best.best().first(std::min<size_t>(16, query.best.best().size()))) {
    both(entry);
  }
  for (const ScoredPlace& entry :
       query.best.behind().first(std::min<size_t>(4, query.best.behind().size()))) {
    both(entry);
  }
}

void ListPass::find_limits(const float* products, float factor) {
  whole_kernels().list_bounds(products, bounds_.times.data(), shift_.data(), bounds_.reach.data(),
                              bounds_.size(), factor, limits_.data(), maxima_.data());
}

// At least as many lists as are looked through first have bounds of this or more.
float ListPass::first_limit() const {
  std::array<float, kFirstLists> most;
  most.fill(kLowest);
  for (float limit : maxima_) {
    for (float& kept : most) {
      if (limit > kept) std::swap(limit, kept);
    }
  }
  return most.back();
}

void ListPass::pick(float from) {
  chosen_.resize(whole_kernels().pick(limits_.data(), limits_.size(), from, picked_.data()));
  for (size_t i = 0; i < chosen_.size(); ++i) chosen_[i] = {limits_[picked_[i]], picked_[i]};
}

// The lists with a bound of at least this, best first.
void ListPass::collect(float from) {
  pick(from);
  std::ranges::sort(chosen_,
                    [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
}

// The few lists that look best, on its own; where a filter leaves too few rows in them, as many as
// it takes to find enough.
void ListPass::look_first(Query& query, const float* products) {
  looked_at_.clear();
  find_limits(products, 0);
  const auto look = [&](size_t most) {
    for (const Candidate& list : chosen_) {
      if (most-- == 0) break;
      visit(query, list.place, products[list.place]);
      looked_at_.push_back(list.place);
      shift_[list.place] = kLowest;
      limits_[list.place] = kLowest;
      if (most > kFirstLists && query.best.threshold() > kLowest) break;
    }
  };
  collect(first_limit());
  query.best_bound = chosen_.empty() ? kLowest : chosen_.front().score;
  look(kFirstLists);
  if (query.best.threshold() > kLowest) return;
  collect(kLowest);
  look(std::numeric_limits<size_t>::max());
}

void ListPass::plan_visits(Query& query, const float* products) {
  update(query);
  query.asked_reach = query.reach;
  // By angle, the same reach is added to all bounds: those of before will do.
  const float added = bounds_.angles ? query.reach : 0;
  if (!bounds_.angles) find_limits(products, query.reach);
  pick(bounds_.wanted(query.threshold, query.best_bound) - added);
  const size_t count = chosen_.size();
  const size_t next = std::min(kNextLists, count);
  std::nth_element(chosen_.begin(), chosen_.begin() + static_cast<std::ptrdiff_t>(next),
                   chosen_.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  for (size_t i = 0; i < count; ++i) {
    const Candidate& list = chosen_[i];
    (i < next ? first_visits_ : visits_)
        .push_back({list.place, query.number, list.score + added, products[list.place]});
  }
}

// List after list.
void ListPass::make_visits(std::vector<Visit>& visits) {
  starts_.assign(size_t{epoch_.list_count} + 1, 0);
  for (const Visit& visit : visits) ++starts_[visit.list + 1];
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  sorted_.resize(visits.size());
  for (const Visit& visit : visits) sorted_[starts_[visit.list]++] = visit;
  for (const Visit& planned : sorted_) {
    Query& query = queries_[planned.query];
    update(query);
    const float sharper = (query.asked_reach - query.reach) * bounds_.reach[planned.list];
    if (planned.bound - sharper < bounds_.wanted(query.threshold, query.best_bound)) continue;
    visit(query, planned.list, planned.product);
  }
}

// What follows from a query's threshold.
void ListPass::follow(Query& query, float threshold) const {
  query.threshold = threshold;
  query.distance = threshold > kLowest ? bounds_.distance(query.square, threshold) : 0;
  const ListEffort& effort = efforts_.at(query.distance);
  query.margin = effort.margin * query.distance;
  query.reach = effort.reach * bounds_.unit(query.length, query.distance);
}

// Keeps of found_places_, which count from `first` of the list, those that the filter lets through.
size_t ListPass::filtered(size_t found, uint32_t list, uint32_t first) {
  size_t kept = 0;
  for (size_t i = 0; i < found; ++i) {
    if (!passes(list, first + found_places_[i])) continue;
    found_places_[kept] = found_places_[i];
    found_values_[kept++] = found_values_[i];
  }
  return kept;
}

void ListPass::visit(Query& query, uint32_t list, float product) {
  const uint32_t begin = lists_.block_begin(list);
  const uint32_t end = lists_.block_begin(list + 1);
  if (begin == end) return;
  product += bounds_.rest(list_queries_, query.number, list);
  const float noise = bounds_.spread[list] * bounds_.scale * bounds_.noise;
  Place in{list, lists_.list_begin(list), product, noise};
  const uint32_t first_place = in.first;
  if (found_places_.size() < size_t{end - begin} * kCodesPerBlock) {
    found_places_.resize(size_t{end - begin} * kCodesPerBlock);
    found_values_.resize(found_places_.size());
  }
  for (uint32_t block = begin; block < end;) {
    uint32_t stop = end;
    if (!filter_.blocks.empty()) {
      if (filter_.blocks[block] == 0) {
        ++block;
        continue;
      }
      stop = block + 1;
      while (stop < end && filter_.blocks[stop] != 0) ++stop;
    }
    update(query);
    // Places that only fill a block up have minus infinity: no floor is as low.
    const float floor = query.threshold > kLowest ? query.threshold - product - query.margin * noise
                                                  : std::numeric_limits<float>::lowest();
    size_t found =
        code_kernels().scan(lists_.block(block), stop - block, epoch_.pairs(), query.table,
                            query.kind, floor, found_places_.data(), found_values_.data());
    if (!filter_.all) {
      found = filtered(found, list, (block - begin) * uint32_t{kCodesPerBlock});
    }
    in.first = first_place + (block - begin) * uint32_t{kCodesPerBlock};
    rerank(query, found, in);
    block = stop;
  }
}

void ListPass::rerank(Query& query, size_t found, Place& in) {
  size_t begin = 0;
  if (!query.best.full() && found > 2 * padded_length(k_)) {
    // Without a bound the best estimates come first, so that one is known for the others: most of
    // their bytes need not be fetched.
    begin = best_estimates_first(found);
    rerank_found(query, 0, begin, in);
    update(query);
    const float floor = query.threshold - in.product - query.margin * in.noise;
    size_t kept = begin;
    for (size_t i = begin; i < found; ++i) {
      found_values_[kept] = found_values_[i];
      found_places_[kept] = found_places_[i];
      kept += found_values_[i] >= floor ? 1 : 0;
    }
    found = kept;
  }
  rerank_found(query, begin, found, in);
}

// Puts at least k of the best in front, and not many more: those that reach the least of the best
// of as many parts. Returns how many.
size_t ListPass::best_estimates_first(size_t found) {
  const size_t parts = padded_length(k_);
  part_best_.assign(found_values_.begin(),
                    found_values_.begin() + static_cast<std::ptrdiff_t>(parts));
  for (size_t begin = parts; begin < found; begin += parts) {
    const float* const values = found_values_.data() + begin;
    for (size_t i = 0; i < std::min(parts, found - begin); ++i) {
      part_best_[i] = std::max(part_best_[i], values[i]);
    }
  }
  const float least = *std::ranges::min_element(part_best_);
  size_t first = 0;
  for (size_t i = 0; i < found; ++i) {
    if (found_values_[i] < least) continue;
    std::swap(found_values_[i], found_values_[first]);
    std::swap(found_places_[i], found_places_[first++]);
  }
  return first;
}

void ListPass::rerank_found(Query& query, size_t begin, size_t end, Place& in) {
  constexpr size_t kAhead = 4;
  for (size_t i = begin; i < std::min(begin + kAhead, end); ++i) {
    prefetch(in.first + found_places_[i]);
  }
  for (size_t i = begin; i < end; ++i) {
    if (i + kAhead < end) prefetch(in.first + found_places_[i + kAhead]);
    update(query);
    if (found_values_[i] + in.product + query.margin * in.noise < query.threshold) continue;
    if (in.base == UINT32_MAX) {
      in.base = static_cast<uint32_t>(query.bases.size());
      query.bases.push_back(list_base(lists_, in.list, query.values, query.square));
    }
    const ListBase& base = query.bases[in.base];
    const uint32_t place = in.first + found_places_[i];
    query.best.add({byte_score(query, place, base), place, in.base},
                   kByteError * lists_.scale(place) * base.distance);
  }
}

void ListPass::finish(Query& query, TopRows<float>& top) const {
  const auto add = [&](const ScoredPlace& entry) {
    const float score =
        list_score(lists_, entry.place, query.values, query.square, query.bases[entry.base]);
    if (!top.full() || score >= top.threshold()) {
      top.add(score, segment_, lists_.row(entry.place));
    }
  };
  for (const ScoredPlace& entry : query.best.best()) add(entry);
  const float threshold = query.best.threshold();
  for (const ScoredPlace& entry : query.best.behind()) {
    if (entry.score >= threshold) add(entry);
  }
}

}  // namespace headrace::index
