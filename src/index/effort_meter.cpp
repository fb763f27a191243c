#include "index/effort_meter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "index/code_kernels.h"

namespace headrace::index {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// The share of queries like the rows whose distance counts as beyond near.
constexpr float kBeyondNear = 0.05f;
// Of the misses allowed, the part that the choice of lists may cause; the codes get the rest.
constexpr float kListShare = 0.85f;
// A measured share of misses is that of a sample: so much of the loss allowed is made use of.
constexpr float kLossUsed = 0.9f;
// An effort that rules everything out.
constexpr float kNothing = -1e6f;
// From fewer answers of a kind no share of misses can be read.
constexpr size_t kNeedsMin = 100;
// Losses for which misses are counted; others go by the one before. Of less than the last a sample
// has hardly any.
constexpr float kCountedLosses[] = {0.3f, 0.1f, 0.05f, 0.01f};
constexpr int kHalvings = 5;

}  // namespace

EffortMeter::EffortMeter(const VectorEpoch& epoch, const ListBounds& bounds,
                         const WholeRotation& rotation, const CodedRows& rows,
                         const EffortQueries& queries, size_t k, ThreadPool& pool)
    : bounds_(bounds), source_(queries), k_(k), pool_(pool), queries_(queries.count()) {
  pool_.parallel_for(queries_.size(), [&](size_t q) {
    prepare(q, epoch, rotation, rows);
    go(queries_[q], nullptr, &queries_[q].needs);
  });
  std::vector<float> distances;
  for (size_t q = 0; q < queries_.size(); ++q) {
    if (EffortQueries::kind(q) == EffortQueries::kRow) distances.push_back(queries_[q].distance);
  }
  std::ranges::sort(distances);
  const auto beyond = static_cast<size_t>(kBeyondNear * static_cast<float>(distances.size()));
  near_distance_ = distances[distances.size() - 1 - beyond];
  for (size_t q = 0; q < queries_.size(); ++q) {
    std::vector<Need>& all = (is_far(q) ? far_ : near_)[EffortQueries::kind(q)];
    all.insert(all.end(), queries_[q].needs.begin(), queries_[q].needs.end());
  }
  for (Kinds* const kinds : {&near_, &far_}) {
    for (std::vector<Need>& needs : *kinds) std::ranges::sort(needs, {}, &Need::reach);
  }
}

// Inner products tell no distance: all are near.
bool EffortMeter::is_far(size_t q) const {
  return bounds_.metric != Metric::ip && queries_[q].distance > near_distance_;
}

void EffortMeter::prepare(size_t q, const VectorEpoch& epoch, const WholeRotation& rotation,
                          const CodedRows& rows) {
  Query& query = queries_[q];
  const auto& best = source_.best(q);
  query.square = source_.square(q);
  query.length = std::sqrt(query.square);
  query.answers = std::min(k_, best.size());
  if (best.empty()) return;
  query.distance = bounds_.distance(query.square, best[query.answers - 1].score);
  WholeQueries whole(1, padded_length(epoch.dimension));
  rotation.take(source_.values(q), whole, 0);
  std::vector<int32_t> sums;
  std::vector<float> rotated(padded_length(epoch.basis_size));
  rotation.rotate(whole, 0, 1, sums, rotated.data());
  ListBounds::Queries list_query;
  bounds_.take(rotated.data(), 1, list_query);
  std::vector<float> products(bounds_.size());
  bounds_.products(list_query, 0, 1, products.data());
  std::vector<float> limits(bounds_.size());
  for (size_t i = 0; i < limits.size(); ++i) {
    limits[i] = products[i] * bounds_.times[i] + bounds_.shift[i];
  }
  if (const auto self = source_.self(q); self && rows.trained_on) {
    const uint32_t list = rows.list_of[*self];
    limits[list] = bounds_.without(list, rows.begins[list + 1] - rows.begins[list], query.square,
                                   products[list] + bounds_.rest(list_query, 0, list));
  }
  std::vector<float> table_products(epoch.widths.size() * kCodeWords);
  std::vector<uint8_t> table(table_products.size());
  const CodeTable kind =
      code_kernels().make_table(rotated.data(), epoch.codebook.data(), epoch.widths.data(),
                                epoch.widths.size(), table_products.data(), table.data());
  const auto estimate = [&](uint32_t row) {
    const uint32_t list = rows.list_of[row];
    const uint32_t at = rows.place_of[row] - rows.begins[list];
    const size_t pairs = epoch.pairs();
    const uint8_t* const block =
        rows.blocks.data() +
        (rows.block_begins[list] + at / kCodesPerBlock) * code_block_bytes(pairs);
    const size_t i = at % kCodesPerBlock;
    uint32_t sum = 0;
    for (size_t p = 0; p < pairs; ++p) {
      const uint8_t words = block[p * 32 + i];
      sum += uint32_t{table[2 * p * kCodeWords + (words & 15)]} +
             table[(2 * p + 1) * kCodeWords + (words >> 4)];
    }
    float slope;
    float shift;
    std::memcpy(&slope, block + pairs * 32 + i * 4, 4);
    std::memcpy(&shift, block + pairs * 32 + (kCodesPerBlock + i) * 4, 4);
    return products[list] + bounds_.rest(list_query, 0, list) +
           slope * (kind.scale * static_cast<float>(sum) + kind.offset) + shift;
  };
  // The first lists are a stage each, then the next ones, then all others; in a stage they come by
  // their number.
  const size_t early = std::min<size_t>(kFirstLists + kNextLists, limits.size());
  std::vector<float> order(early);
  std::ranges::partial_sort_copy(limits, order, std::greater<>());
  query.best_bound = order.front();
  const size_t used = std::min(best.size(), std::max<size_t>(128, 4 * k_));
  query.last = best[used - 1].score;
  query.last_distance = bounds_.distance(query.square, query.last);
  uint32_t first_size = 0;
  for (size_t i = 0; i < used; ++i) {
    const uint32_t row = best[i].row;
    const uint32_t list = rows.list_of[row];
    const auto rank = static_cast<size_t>(
        std::ranges::lower_bound(order, limits[list], std::greater<>()) - order.begin());
    const uint64_t stage = rank < kFirstLists ? rank : rank < early ? kFirstLists : kFirstLists + 1;
    Step step;
    step.score = best[i].score;
    step.bound = limits[list];
    step.spread = bounds_.reach[list];
    step.answer = i < query.answers;
    step.estimate = step.answer || rank == 0 ? estimate(row) : kInfinity;
    step.unbound = false;
    if (rank == 0) first_size = rows.begins[list + 1] - rows.begins[list];
    step.noise = bounds_.scale * bounds_.spread[list] * bounds_.noise;
    step.first = rank < kFirstLists;
    step.order = stage << 60 | uint64_t{list} << 32 | rows.place_of[row];
    query.steps.push_back(step);
  }
  std::ranges::sort(query.steps, {}, &Step::order);
  // In the first list, where it is long enough, the best estimates come before there is a bound.
  const auto second =
      std::ranges::find_if(query.steps, [](const Step& step) { return step.order >> 60 != 0; });
  const auto parts = static_cast<std::ptrdiff_t>(padded_length(k_));
  if (static_cast<std::ptrdiff_t>(first_size) <= 2 * parts) return;
  std::ranges::sort(query.steps.begin(), second, std::greater<>(), &Step::estimate);
  const auto unbound = std::min(parts, second - query.steps.begin());
  for (std::ptrdiff_t i = 0; i < unbound; ++i) query.steps[static_cast<size_t>(i)].unbound = true;
}

// Goes through a query's steps with these efforts; with null, everything is found and what that
// takes is noted. Returns how many answers were found.
size_t EffortMeter::go(const Query& query, const ListEfforts* efforts,
                       std::vector<Need>* needs) const {
  std::vector<float> best;  // the k best so far, the worst first
  best.reserve(query.answers);
  // What is not known is no better than the last of what is: a floor is rather too high.
  float distance = query.last_distance;
  size_t found = 0;
  for (const Step& step : query.steps) {
    const bool full = best.size() == query.answers;
    const float floor = full ? best.front() : query.last;
    if (full && !step.answer && step.score <= floor) continue;
    Need need{kNothing, kNothing};
    const float wanted = bounds_.wanted(floor, query.best_bound);
    const float unit = bounds_.unit(query.length, distance) * step.spread;
    const float noise = distance * step.noise;
    if (step.unbound) {
      // Found whatever the effort.
    } else if (efforts != nullptr) {
      const ListEffort& effort = efforts->at(distance);
      if ((!step.first && step.bound + effort.reach * unit < wanted) ||
          step.estimate + effort.margin * noise < floor) {
        continue;
      }
    } else if (step.answer) {
      if (!step.first) need.reach = unit > 0 ? (wanted - step.bound) / unit : 0.0f;
      need.margin = noise > 0 ? (floor - step.estimate) / noise : 0.0f;
    }
    if (step.answer) {
      ++found;
      if (needs != nullptr) needs->push_back(need);
    }
    if (full && step.score <= floor) continue;
    if (full) {
      std::ranges::pop_heap(best, std::greater<>());
      best.back() = step.score;
    } else {
      best.push_back(step.score);
    }
    std::ranges::push_heap(best, std::greater<>());
    if (best.size() == query.answers) distance = bounds_.distance(query.square, best.front());
  }
  return found;
}

// What misses no more than the share `loss` of the answers of each kind: a part of them by the
// choice of lists, the rest by the codes of those that were in a chosen list.
ListEffort EffortMeter::effort_for(const Kinds& kinds, float loss) const {
  ListEffort effort{loss, kNothing, kNothing};
  for (const std::vector<Need>& needs : kinds) {
    if (needs.size() < kNeedsMin) continue;  // too few to tell
    const auto all = static_cast<float>(needs.size());
    const auto beyond = static_cast<size_t>(loss * kListShare * all);
    const auto missed = static_cast<size_t>(loss * all);
    std::vector<float> margins;
    for (const Need& need : std::span(needs).first(needs.size() - beyond)) {
      margins.push_back(need.margin);
    }
    const auto last = margins.end() - 1 - static_cast<std::ptrdiff_t>(missed - beyond);
    std::ranges::nth_element(margins, last);
    effort.reach = std::max(effort.reach, needs[needs.size() - 1 - beyond].reach);
    effort.margin = std::max(effort.margin, *last);
  }
  return effort;
}

bool EffortMeter::finds(bool far, const ListEfforts& efforts, float share) const {
  std::vector<size_t> found(queries_.size());
  pool_.parallel_for(queries_.size(), [&](size_t q) {
    if (is_far(q) == far) found[q] = go(queries_[q], &efforts, nullptr);
  });
  for (size_t kind = 0; kind < EffortQueries::kKinds; ++kind) {
    if ((far ? far_ : near_)[kind].size() < kNeedsMin) continue;
    size_t all = 0;
    size_t hits = 0;
    for (size_t q = 0; q < queries_.size(); ++q) {
      if (EffortQueries::kind(q) != kind || is_far(q) != far) continue;
      all += queries_[q].answers;
      hits += found[q];
    }
    if (static_cast<float>(hits) < share * static_cast<float>(all)) return false;
  }
  return true;
}

EffortMeter::Efforts EffortMeter::measure(std::span<const float> losses) {
  // Floors are lower where some rows are missed, so that less is missed than the needs say: what
  // really is, is counted.
  const auto counted = [&](float loss, const auto& effort_of, bool far) {
    float low = loss * kLossUsed / 2;
    float high = std::min(loss * 4, 0.9f);
    for (int i = 0; i < kHalvings; ++i) {
      const float middle = std::sqrt(low * high);
      (finds(far, effort_of(middle), 1 - loss * kLossUsed) ? low : high) = middle;
    }
    return low;
  };
  Efforts efforts;
  float far_ratio = kLossUsed;
  float near_ratio = kLossUsed;
  for (const float loss : losses) {
    const bool is_counted = std::ranges::find(kCountedLosses, loss) != std::end(kCountedLosses);
    if (loss < std::end(kCountedLosses)[-1]) {
      far_ratio = std::min(far_ratio, 1.0f);
      near_ratio = std::min(near_ratio, 1.0f);
    }
    if (is_counted) {
      const auto effort_of = [&](float used) {
        const ListEffort far = effort_for(far_, used);
        return ListEfforts{near_distance_, far, far};
      };
      far_ratio = counted(loss, effort_of, true) / loss;
    }
    const ListEffort far = effort_for(far_, loss * far_ratio);
    const auto larger = [&](const ListEffort& near) {
      return ListEffort{loss, std::max(near.reach, far.reach), std::max(near.margin, far.margin)};
    };
    if (is_counted) {
      const auto effort_of = [&](float used) {
        const ListEffort near = effort_for(near_, used);
        return ListEfforts{near_distance_, near, larger(near)};
      };
      near_ratio = counted(loss, effort_of, false) / loss;
    }
    ListEffort near = effort_for(near_, loss * near_ratio);
    near.loss = loss;
    efforts.near.push_back(near);
    efforts.far.push_back(larger(near));
  }
  return efforts;
}

}  // namespace headrace::index
