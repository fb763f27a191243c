#include "index/search_lists.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "index/vector_kernels.h"

namespace headrace::index {
namespace {

// So few rows are compared one by one, whatever the lists say: it is exact and no slower.
constexpr uint32_t kGatherRowsMax = 16'000;
// From this recall on every vector is compared.
constexpr double kExactRecall = 0.9995;
// The lists looked at before the first bound is known.
constexpr size_t kFirstLists = 12;
constexpr float kLowest = -std::numeric_limits<float>::infinity();

// Where more than one row in so many passes a filter, rows are asked for as they are found.
constexpr uint64_t kManyShare = 8;

bool is_set(std::span<const uint64_t> bits, uint32_t row) {
  return row / 64 < bits.size() && ((bits[row / 64] >> (row % 64)) & 1) != 0;
}

struct Candidate {
  float score;
  uint32_t place;
};

// The best so far by the byte plane. A few more than asked for are kept, so that the low bits, read
// at the end, can still change the order.
class BestPlaces {
 public:
  explicit BestPlaces(size_t most) : most_(most) { entries_.reserve(most); }
  void reset(float floor) {
    entries_.clear();
    floor_ = floor;
  }
  bool full() const { return entries_.size() >= most_; }
  float threshold() const { return full() ? entries_.front().score : floor_; }
  void add(float score, uint32_t place) {
    if (!(score > threshold())) return;
    if (full()) {
      std::pop_heap(entries_.begin(), entries_.end(), better);
      entries_.back() = {score, place};
    } else {
      entries_.push_back({score, place});
    }
    std::push_heap(entries_.begin(), entries_.end(), better);
  }
  std::span<const Candidate> entries() const { return entries_; }

 private:
  static bool better(const Candidate& a, const Candidate& b) { return a.score > b.score; }
  size_t most_;
  float floor_ = kLowest;
  std::vector<Candidate> entries_;
};

// A query in the forms that the stages need.
struct Query {
  const float* values = nullptr;
  const float* rotated = nullptr;
  float square = 0;
  float sum = 0;
  float step = 0;  // of the whole numbers
  std::vector<int16_t> whole;
};

class ListSearch {
 public:
  ListSearch(const VectorLists& lists, uint32_t segment, const ListFilter& filter, size_t k,
             double recall)
      : lists_(lists),
        epoch_(lists.epoch()),
        bounds_(lists.bounds()),
        filter_(filter),
        segment_(segment),
        efforts_(lists.efforts(recall, k)),
        best_(k + std::max<size_t>(4, k / 4)),
        dimension_(epoch_.dimension),
        shift_(bounds_.shift) {}

  void set_query(Query& query, const float* values) const {
    query.values = values;
    float most = 0;
    query.sum = 0;
    for (size_t i = 0; i < dimension_; ++i) {
      most = std::max(most, std::fabs(values[i]));
      query.sum += values[i];
    }
    query.square = vector_kernels().dot_f32(values, values, dimension_);
    // The largest whole number for which no sum of products leaves 32 bits.
    const auto limit =
        static_cast<float>(std::min<uint64_t>(32767, (uint64_t{1} << 31) / (128 * dimension_) - 1));
    query.step = most > 0 ? most / limit : 0;
    const float inverse = most > 0 ? limit / most : 0;
    query.whole.resize(dimension_);
    for (size_t i = 0; i < dimension_; ++i) {
      query.whole[i] = static_cast<int16_t>(std::lrintf(values[i] * inverse));
    }
  }

  // Higher is better; under the Euclidean metric q·x - |x|²/2.
  float byte_score(const Query& query, uint32_t place) const {
    const auto product = static_cast<float>(
        code_kernels().dot_bytes(lists_.high(place), query.whole.data(), dimension_));
    const float score = lists_.scale(place) * (8 * query.step * product - 0.5f * query.sum);
    return lists_.metric() == Metric::l2 ? score - lists_.square(place) / 2 : score;
  }

  // What a row must reach to be among the best known from other sets.
  float known_floor(const Query& query, const TopRows<float>& top) const {
    if (!top.full()) return kLowest;
    const float score = top.threshold();
    return lists_.metric() == Metric::l2 ? (query.square - score * score) / 2 : score;
  }

  void scan_places(std::span<const uint32_t> places, std::span<Query> queries,
                   std::span<BestPlaces> best) const {
    constexpr size_t kAhead = 8;
    for (size_t i = 0; i < places.size(); ++i) {
      if (i + kAhead < places.size()) prefetch(places[i + kAhead]);
      for (size_t q = 0; q < queries.size(); ++q) {
        best[q].add(byte_score(queries[q], places[i]), places[i]);
      }
    }
  }

  // `products`: of the query with the leading directions of all centroids.
  void search(const Query& query, const float* products, TopRows<float>& top) {
    best_.reset(known_floor(query, top));
    const size_t groups = epoch_.widths.size();
    products_.resize(groups * kCodeWords);
    table_.resize(groups * kCodeWords);
    kind_ = code_kernels().make_table(query.rotated, epoch_.codebook.data(), epoch_.widths.data(),
                                      groups, products_.data(), table_.data());
    limits_.resize(bounds_.size());
    maxima_.resize(bounds_.size() / 16);
    // First the lists that look best, then all that the distance found there does not rule out.
    find_limits(products, 0);
    sorted_maxima_ = maxima_;
    const size_t nth = std::min(kFirstLists, sorted_maxima_.size()) - 1;
    std::ranges::nth_element(sorted_maxima_,
                             sorted_maxima_.begin() + static_cast<std::ptrdiff_t>(nth),
                             std::greater<>());
    const float first = sorted_maxima_[nth];
    collect(first);
    visited_.clear();
    for (const Candidate& list : chosen_) visit_once(query, list.place);
    // A filter may leave too few in those lists: then the order of the lists is all there is to go
    // by, until enough are found.
    for (bool bounded = false; !bounded;) {
      bounded = best_.threshold() > kLowest;
      const float distance = bounded ? bounds_.distance(query.square, best_.threshold()) : 0;
      find_limits(products, efforts_.at(distance).reach * bounds_.scale * distance);
      collect(best_.threshold());
      if (chosen_.empty()) break;
      for (const Candidate& list : chosen_) {
        if (list.score < best_.threshold()) break;
        visit_once(query, list.place);
        if (!bounded && best_.threshold() > kLowest) break;
      }
    }
    for (const uint32_t list : visited_) shift_[list] = bounds_.shift[list];
    finish(query, best_, top);
  }

  void finish(const Query& query, const BestPlaces& best, TopRows<float>& top) const {
    for (const Candidate& candidate : best.entries()) {
      const float score = list_score(lists_, candidate.place, query.values, query.square);
      if (!top.full() || score >= top.threshold()) {
        top.add(score, segment_, lists_.row(candidate.place));
      }
    }
  }

  bool passes(uint32_t list, uint32_t at) const {
    if (!filter_.rows.empty()) {
      return is_set(filter_.rows, lists_.row(lists_.list_begin(list) + at));
    }
    const size_t block = lists_.block_begin(list) + at / kCodesPerBlock;
    return ((filter_.blocks[block] >> (at % kCodesPerBlock)) & 1) != 0;
  }

 private:
  void prefetch(uint32_t place) const {
    const char* const row = lists_.bytes_row(place);
    for (size_t at = 0; at < lists_.bytes_stride() && at < 1024; at += 64) {
      __builtin_prefetch(row + at);
    }
  }

  void visit_once(const Query& query, uint32_t list) {
    visit(query, list);
    visited_.push_back(list);
    shift_[list] = kLowest;
  }

  void find_limits(const float* products, float factor) {
    code_kernels().list_bounds(products, shift_.data(), bounds_.reach.data(), bounds_.size(),
                               factor, limits_.data(), maxima_.data());
  }

  // The lists with a bound of at least this, best first.
  void collect(float from) {
    chosen_.clear();
    for (uint32_t group = 0; group < maxima_.size(); ++group) {
      if (!(maxima_[group] >= from)) continue;
      const uint32_t end = std::min(group * 16 + 16, epoch_.list_count);
      for (uint32_t list = group * 16; list < end; ++list) {
        if (limits_[list] >= from && shift_[list] > kLowest) {
          chosen_.push_back({limits_[list], list});
        }
      }
    }
    std::ranges::sort(chosen_,
                      [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  }

  // Keeps of places_, which count from `first` of the list, those that the filter lets through.
  size_t filtered(size_t found, uint32_t list, uint32_t first) {
    size_t kept = 0;
    for (size_t i = 0; i < found; ++i) {
      if (!passes(list, first + places_[i])) continue;
      places_[kept] = places_[i];
      values_[kept++] = values_[i];
    }
    return kept;
  }

  float margin(const Query& query, float threshold, float noise) const {
    const float distance = bounds_.distance(query.square, threshold);
    return efforts_.at(distance).margin * distance * noise;
  }

  void visit(const Query& query, uint32_t list) {
    const uint32_t begin = lists_.block_begin(list);
    const uint32_t end = lists_.block_begin(list + 1);
    if (begin == end) return;
    const float product = vector_kernels().dot_f32(epoch_.centroid(list).data(), query.rotated,
                                                   padded_length(epoch_.basis_size));
    const float noise = bounds_.reach[list] * bounds_.scale * bounds_.noise;
    const uint32_t first_place = lists_.list_begin(list);
    if (places_.size() < size_t{end - begin} * kCodesPerBlock) {
      places_.resize(size_t{end - begin} * kCodesPerBlock);
      values_.resize(places_.size());
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
      const float threshold = best_.threshold();
      // Places that only fill a block up have minus infinity: no floor is as low.
      const float floor = threshold > kLowest
                              ? threshold - product - margin(query, threshold, noise)
                              : std::numeric_limits<float>::lowest();
      size_t found =
          code_kernels().scan(lists_.block(block), stop - block, epoch_.pairs(), table_.data(),
                              kind_, floor, places_.data(), values_.data());
      if (!filter_.all) {
        found = filtered(found, list, (block - begin) * uint32_t{kCodesPerBlock});
      }
      rerank(query, found, first_place + (block - begin) * uint32_t{kCodesPerBlock}, product,
             noise);
      block = stop;
    }
  }

  void rerank(const Query& query, size_t found, uint32_t first_place, float product, float noise) {
    // Without a bound the best estimates come first, so that one is known for the others.
    if (!best_.full() && found > 64) {
      order_.clear();
      for (size_t i = 0; i < found; ++i) order_.push_back({values_[i], places_[i]});
      std::ranges::nth_element(
          order_, order_.begin() + 48,
          [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
      for (size_t i = 0; i < found; ++i) {
        values_[i] = order_[i].score;
        places_[i] = order_[i].place;
      }
    }
    constexpr size_t kAhead = 4;
    for (size_t i = 0; i < std::min(kAhead, found); ++i) prefetch(first_place + places_[i]);
    for (size_t i = 0; i < found; ++i) {
      if (i + kAhead < found) prefetch(first_place + places_[i + kAhead]);
      const float threshold = best_.threshold();
      if (values_[i] + product + margin(query, threshold, noise) < threshold) {
        continue;
      }
      const uint32_t place = first_place + places_[i];
      best_.add(byte_score(query, place), place);
    }
  }

  const VectorLists& lists_;
  const VectorEpoch& epoch_;
  const ListBounds& bounds_;
  const ListFilter& filter_;
  const uint32_t segment_;
  const ListEfforts efforts_;
  BestPlaces best_;
  const size_t dimension_;
  CodeTable kind_;
  std::vector<float> products_;
  std::vector<uint8_t> table_;
  std::vector<float> limits_, maxima_, sorted_maxima_;
  std::vector<float> shift_;  // of lists; those already visited are ruled out
  std::vector<uint32_t> visited_;
  std::vector<Candidate> chosen_, order_;
  std::vector<uint32_t> places_;
  std::vector<float> values_;
};

}  // namespace

ListFilter resolve_list_filter(const VectorLists& lists, std::span<const uint64_t> allowed) {
  ListFilter filter;
  filter.count = lists.count();
  if (allowed.empty()) return filter;
  filter.all = false;
  filter.count = 0;
  for (const uint64_t word : allowed) {
    filter.count += static_cast<uint64_t>(__builtin_popcountll(word));
  }
  if (filter.count > kGatherRowsMax && filter.count * kManyShare > lists.count()) {
    filter.rows = allowed;
    return filter;
  }
  std::vector<uint32_t> places;
  if (lists.covers_all_rows()) {
    for (size_t word = 0; word < allowed.size(); ++word) {
      for (uint64_t bits = allowed[word]; bits != 0; bits &= bits - 1) {
        const size_t row = word * 64 + static_cast<size_t>(__builtin_ctzll(bits));
        if (row >= lists.count()) break;
        const auto place = lists.place_ascending(static_cast<uint32_t>(row));
        if (place) places.push_back(*place);
      }
    }
    std::ranges::sort(places);
  } else {
    for (uint32_t place = 0; place < lists.count(); ++place) {
      if (is_set(allowed, lists.row(place))) places.push_back(place);
    }
  }
  filter.count = places.size();
  if (filter.count <= kGatherRowsMax) {
    filter.places = std::move(places);
    return filter;
  }
  filter.blocks.resize(lists.block_count());
  uint32_t list = 0;
  for (const uint32_t place : places) {
    while (place >= lists.list_end(list)) ++list;
    const uint32_t at = place - lists.list_begin(list);
    filter.blocks[lists.block_begin(list) + at / kCodesPerBlock] |= 1U << (at % kCodesPerBlock);
  }
  return filter;
}

float list_score(const VectorLists& lists, uint32_t place, const float* query, float square) {
  const float product =
      lists.scale(place) *
      code_kernels().dot_split(lists.high(place), lists.low(place), query, lists.dimension());
  if (lists.metric() != Metric::l2) return product;
  return -std::sqrt(std::max(0.0f, square - 2 * product + lists.square(place)));
}

void search_lists(const VectorLists& lists, uint32_t segment, const ListFilter& filter,
                  std::span<const std::span<const float>> queries, size_t k, double recall,
                  std::span<TopRows<float>> tops) {
  if (filter.count == 0 || k == 0) return;
  const VectorEpoch& epoch = lists.epoch();
  const size_t count = queries.size();
  ListSearch search(lists, segment, filter, k, recall);
  std::vector<Query> prepared(count);
  for (size_t q = 0; q < count; ++q) search.set_query(prepared[q], queries[q].data());
  const bool gather = !filter.all && filter.count <= kGatherRowsMax;
  if (gather || recall >= kExactRecall) {
    std::vector<BestPlaces> best(count, BestPlaces(k + std::max<size_t>(16, k)));
    for (size_t q = 0; q < count; ++q) best[q].reset(kLowest);
    if (gather) {
      search.scan_places(filter.places, prepared, best);
    } else {
      std::vector<uint32_t> places;
      for (uint32_t list = 0; list < epoch.list_count; ++list) {
        const uint32_t begin = lists.list_begin(list);
        places.clear();
        for (uint32_t place = begin; place < lists.list_end(list); ++place) {
          if (filter.all || search.passes(list, place - begin)) places.push_back(place);
        }
        search.scan_places(places, prepared, best);
      }
    }
    for (size_t q = 0; q < count; ++q) search.finish(prepared[q], best[q], tops[q]);
    return;
  }
  const size_t padded = padded_length(epoch.dimension);
  const size_t stride = padded_length(epoch.basis_size);
  const ListBounds& bounds = lists.bounds();
  std::vector<float> values(count * padded);
  for (size_t q = 0; q < count; ++q) {
    std::copy(queries[q].begin(), queries[q].end(), values.data() + q * padded);
  }
  std::vector<float> rotated(count * stride);
  epoch.rotate(values.data(), count, rotated.data());
  std::vector<float> leading(count * bounds.coarse_size);
  for (size_t q = 0; q < count; ++q) {
    std::copy_n(rotated.data() + q * stride, bounds.coarse_size,
                leading.data() + q * bounds.coarse_size);
  }
  std::vector<float> products(count * bounds.size());
  multiply_rows(bounds.coarse.data(), bounds.size(), leading.data(), count, bounds.coarse_size,
                products.data(), bounds.size());
  for (size_t q = 0; q < count; ++q) {
    prepared[q].rotated = rotated.data() + q * stride;
    search.search(prepared[q], products.data() + q * bounds.size(), tops[q]);
  }
}

}  // namespace headrace::index
