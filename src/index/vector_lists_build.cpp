// Makes a section of version 2: sample, epoch, lists, measured efforts, then the planes in the
// order of the lists. Memory: the sample, the epoch and 12 bytes a vector.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "index/search_top_rows.h"
#include "index/vector_kernels.h"
#include "index/vector_lists.h"
#include "index/vector_lists_format.h"
#include "index/vectors_state.h"
#include "runtime/thread_pool.h"

namespace headrace::index {
namespace {

constexpr size_t kBlockRows = 64;
constexpr size_t kSamplePerList = 48;
constexpr size_t kSampleBytesMax = 128 << 20;
constexpr size_t kQueries = 800;
// Rows, rows with noise; then those unlike the rows: rows between others, random directions.
enum Kind : size_t { kRow, kNoisy, kBetween, kRandom, kKinds };
constexpr Kind kKindOf[] = {kRow, kNoisy, kRow, kBetween, kRow, kNoisy, kRow, kRandom};
Kind kind_of(size_t query) {
  return kKindOf[query % std::size(kKindOf)];
}
// The share of queries like the rows whose distance counts as near.
constexpr float kBeyondNear = 0.05f;
constexpr size_t kEffortK[kEffortDepths] = {10, 100};
constexpr float kLosses[] = {0.5f,  0.3f,  0.2f,   0.1f,   0.05f, 0.03f,
                             0.02f, 0.01f, 0.005f, 0.002f, 0.001f};
// Of the misses allowed, the part that the choice of lists may cause; the codes get the rest.
constexpr float kListShare = 0.75f;
// A measured share of misses is that of a sample: so much of the loss allowed is made use of.
constexpr float kLossUsed = 0.95f;
// An effort that rules everything out.
constexpr float kNothing = -1e6f;
// From fewer answers of a kind no share of misses can be read.
constexpr size_t kNeedsMin = 100;

class ListsBuilder {
 public:
  ListsBuilder(SectionSink& out, uint32_t dimension, Metric metric, std::span<const uint32_t> rows,
               const VectorSource& vector)
      : out_(out),
        dimension_(dimension),
        padded_(padded_length(dimension)),
        metric_(metric),
        rows_(rows),
        vector_(vector),
        pool_(usable_cpu_count() - 1 > 0 ? usable_cpu_count() - 1 : 1) {}

  Result<bool> run(const VectorEpoch* before) {
    const uint32_t lists = list_count_for(rows_.size());
    const bool fits = before != nullptr && before->dimension == dimension_ &&
                      before->list_count <= 2 * lists && lists <= 2 * before->list_count;
    if (fits) {
      epoch_ = *before;
    } else {
      const std::vector<float> sample = take_sample(lists);
      epoch_ = train_epoch(sample, dimension_, lists, pool_);
    }
    stride_ = padded_length(epoch_.basis_size);
    choose_queries();
    assign_all();
    if (too_coarse_) return false;
    sort_into_lists();
    measure_efforts();
    HR_TRY(write());
    return true;
  }

 private:
  // Of the answers of some queries: see measure_efforts.
  struct Need {
    float reach, margin;
  };
  struct Measured {
    std::vector<Need> needs;
    float distance = 0;
  };
  struct CalibrationQuery {
    uint32_t self = UINT32_MAX;
    std::vector<TopRows<float>::Entry> best;
  };

  std::vector<float> take_sample(uint32_t lists) {
    const size_t most = std::max<size_t>(kSampleBytesMax / (padded_ * sizeof(float)), lists);
    const size_t count = std::min({rows_.size(), size_t{lists} * kSamplePerList, most});
    std::vector<uint32_t> picked(rows_.size());
    std::iota(picked.begin(), picked.end(), 0U);
    std::mt19937 random(29);
    for (size_t i = 0; i < count; ++i) {
      std::swap(picked[i], picked[i + random() % (picked.size() - i)]);
    }
    picked.resize(count);
    std::vector<float> sample(count * padded_);
    pool_.parallel_for((count + kBlockRows - 1) / kBlockRows, [&](size_t block) {
      for (size_t i = block * kBlockRows; i < std::min(count, (block + 1) * kBlockRows); ++i) {
        vector_(picked[i], {sample.data() + i * padded_, dimension_});
      }
    });
    return sample;
  }

  void make_unit(float* row) const {
    if (metric_ != Metric::cosine) return;
    const float length = std::sqrt(vector_kernels().dot_f32(row, row, dimension_));
    for (uint32_t d = 0; length > 0 && d < dimension_; ++d) row[d] /= length;
  }

  // Queries of every kind (a row does not count as its own answer): those that are not of the
  // distribution of the rows need more effort.
  void choose_queries() {
    std::mt19937 random(41);
    std::normal_distribution<float> normal;
    const size_t count = kQueries;
    queries_.assign(count, {});
    query_values_.assign(count * padded_, 0);
    std::vector<float> other(dimension_);
    for (size_t q = 0; q < count; ++q) {
      float* const row = query_values_.data() + q * padded_;
      const auto self = static_cast<uint32_t>(random() % rows_.size());
      vector_(self, {row, dimension_});
      const Kind kind = kind_of(q);
      if (kind == kRow) {
        queries_[q].self = self;
        continue;
      }
      if (kind == kNoisy) {
        const float length = std::sqrt(vector_kernels().dot_f32(row, row, dimension_));
        const float scale = 0.5f * length / std::sqrt(static_cast<float>(dimension_));
        for (uint32_t d = 0; d < dimension_; ++d) row[d] += scale * normal(random);
      } else if (kind == kRandom) {
        const float length = std::sqrt(vector_kernels().dot_f32(row, row, dimension_));
        const float scale = length / std::sqrt(static_cast<float>(dimension_));
        for (uint32_t d = 0; d < dimension_; ++d) row[d] = scale * normal(random);
      } else {
        vector_(random() % rows_.size(), other);
        for (uint32_t d = 0; d < dimension_; ++d) row[d] = 0.6f * row[d] + 0.4f * other[d];
      }
      make_unit(row);
    }
    query_squares_.resize(count);
    for (size_t q = 0; q < count; ++q) {
      const float* const row = query_values_.data() + q * padded_;
      query_squares_[q] = vector_kernels().dot_f32(row, row, padded_);
    }
  }

  // Nearest lists of all rows; and, in the same pass, the true answers of the chosen queries.
  void assign_all() {
    const size_t count = rows_.size();
    list_of_.resize(count);
    residual_.resize(count);
    const std::vector<float> centroids = epoch_.centroids_in_space();
    std::vector<float> squares(epoch_.list_count);
    for (uint32_t i = 0; i < epoch_.list_count; ++i) {
      const float* const row = centroids.data() + i * padded_;
      squares[i] = vector_kernels().dot_f32(row, row, padded_);
    }
    const size_t tasks = pool_.size() + 1;
    const size_t k = kEffortK[kEffortDepths - 1] + 1;
    std::vector<std::vector<TopRows<float>>> tops(
        tasks, std::vector<TopRows<float>>(queries_.size(), TopRows<float>(k)));
    std::vector<uint8_t> coarse(tasks);
    const size_t blocks = (count + kBlockRows - 1) / kBlockRows;
    pool_.parallel_for(tasks, [&](size_t task) {
      std::vector<float> block(kBlockRows * padded_);
      std::vector<float> values(queries_.size() * kBlockRows);
      for (size_t b = task; b < blocks; b += tasks) {
        const size_t begin = b * kBlockRows;
        const size_t size = std::min(kBlockRows, count - begin);
        for (size_t i = 0; i < size; ++i) {
          vector_(begin + i, {block.data() + i * padded_, dimension_});
        }
        assign_lists(block.data(), size, padded_, centroids, squares, list_of_.data() + begin,
                     residual_.data() + begin);
        multiply_rows(block.data(), size, query_values_.data(), queries_.size(), padded_,
                      values.data(), kBlockRows);
        for (size_t i = 0; i < size; ++i) {
          const float* const row = block.data() + i * padded_;
          const float square = vector_kernels().dot_f32(row, row, padded_);
          float most = 0;
          for (uint32_t d = 0; d < dimension_; ++d) most = std::max(most, std::fabs(row[d]));
          const float step = most / kSplitMax;
          if (step * step * static_cast<float>(dimension_) / 12 >
              kSplitErrorMax * kSplitErrorMax * square) {
            coarse[task] = 1;
          }
          const auto number = static_cast<uint32_t>(begin + i);
          const float shift = metric_ == Metric::l2 ? square / 2 : 0;
          for (size_t q = 0; q < queries_.size(); ++q) {
            TopRows<float>& top = tops[task][q];
            const float score = values[q * kBlockRows + i] - shift;
            if (number == queries_[q].self || (top.full() && score <= top.threshold())) continue;
            top.add(score, 0, number);
          }
        }
      }
    });
    too_coarse_ = std::ranges::find(coarse, 1) != coarse.end();
    for (size_t q = 0; q < queries_.size(); ++q) {
      for (size_t task = 1; task < tasks; ++task) {
        for (const auto& entry : tops[task][q].take()) {
          tops[0][q].add(entry.score, entry.segment, entry.row);
        }
      }
      queries_[q].best = tops[0][q].take();
    }
  }

  void sort_into_lists() {
    begins_.assign(size_t{epoch_.list_count} + 1, 0);
    for (const uint32_t list : list_of_) ++begins_[list + 1];
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    std::vector<uint32_t> next(begins_.begin(), begins_.end() - 1);
    order_.resize(rows_.size());
    list_residuals_.assign(epoch_.list_count, 0);
    for (uint32_t i = 0; i < rows_.size(); ++i) {
      order_[next[list_of_[i]]++] = i;
      list_residuals_[list_of_[i]] += residual_[i];
    }
    for (uint32_t list = 0; list < epoch_.list_count; ++list) {
      const uint32_t size = begins_[list + 1] - begins_[list];
      if (size > 0) list_residuals_[list] /= static_cast<float>(size);
    }
  }

  // For each query and each of its true answers: how far the bound of the answer's list, and the
  // estimate of its code, must be stretched to reach the last answer's score. Efforts are quantiles
  // of these, the worst of the kinds of queries.
  void measure_efforts() {
    const ListBounds bounds(epoch_, metric_, list_residuals_, kListsVersion);
    for (size_t depth = 0; depth < kEffortDepths; ++depth) {
      std::vector<Measured> measured(queries_.size());
      pool_.parallel_for(queries_.size(),
                         [&](size_t q) { measure_query(q, kEffortK[depth], bounds, measured[q]); });
      std::vector<float> distances;
      for (size_t q = 0; q < measured.size(); ++q) {
        if (kind_of(q) == kRow) distances.push_back(measured[q].distance);
      }
      std::ranges::sort(distances);
      near_distances_[depth] = quantile(distances, kBeyondNear);
      // Near ones and others of each kind. Inner products tell no distance: all are near.
      std::vector<Need> kinds[2][kKinds];
      for (size_t q = 0; q < measured.size(); ++q) {
        const bool far = metric_ != Metric::ip && measured[q].distance > near_distances_[depth];
        std::vector<Need>& all = kinds[far ? 1 : 0][kind_of(q)];
        all.insert(all.end(), measured[q].needs.begin(), measured[q].needs.end());
      }
      for (auto& half : kinds) {
        for (std::vector<Need>& needs : half) std::ranges::sort(needs, {}, &Need::reach);
      }
      for (const float loss : kLosses) {
        const ListEffort near = worst(kinds[0], loss);
        const ListEffort far = worst(kinds[1], loss);
        efforts_[depth][0].push_back(near);
        efforts_[depth][1].push_back(
            {loss, std::max(near.reach, far.reach), std::max(near.margin, far.margin)});
      }
    }
  }

  // What misses no more than the share `loss` of the answers of each kind: a part of them by the
  // choice of lists, the rest by the codes of those that were in a chosen list.
  static ListEffort worst(std::span<const std::vector<Need>> kinds, float loss) {
    ListEffort effort{loss, kNothing, kNothing};
    for (const std::vector<Need>& needs : kinds) {
      if (needs.size() < kNeedsMin) continue;  // too few to tell
      const auto all = static_cast<float>(needs.size());
      const auto beyond = static_cast<size_t>(loss * kLossUsed * kListShare * all);
      const auto missed = static_cast<size_t>(loss * kLossUsed * all);
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

  static float quantile(const std::vector<float>& sorted, float loss) {
    if (sorted.empty()) return 0;
    const auto missed = static_cast<size_t>(loss * static_cast<float>(sorted.size()));
    return sorted[sorted.size() - 1 - std::min(missed, sorted.size() - 1)];
  }

  void measure_query(size_t q, size_t k, const ListBounds& bounds, Measured& out) {
    const auto& best = queries_[q].best;
    if (best.empty()) return;
    k = std::min(k, best.size());
    const float last = best[k - 1].score;
    const float* const query = query_values_.data() + q * padded_;
    const float square = query_squares_[q];
    const bool euclidean = metric_ == Metric::l2;
    std::vector<float> rotated(stride_);
    epoch_.rotate(query, 1, rotated.data());
    const float distance = bounds.distance(square, last);
    out.distance = distance;
    const float unit = bounds.unit(std::sqrt(square), distance);
    std::vector<float> products(epoch_.widths.size() * kCodeWords);
    std::vector<uint8_t> table(products.size());
    std::vector<uint8_t> words(epoch_.widths.size());
    const CodeTable kind =
        code_kernels().make_table(rotated.data(), epoch_.codebook.data(), epoch_.widths.data(),
                                  epoch_.widths.size(), products.data(), table.data());
    std::vector<float> list_bound(bounds.size());
    ListBounds::Scratch scratch;
    bounds.products(rotated.data(), stride_, 1, scratch, list_bound.data());
    for (size_t list = 0; list < bounds.size(); ++list) list_bound[list] += bounds.shift[list];
    const std::vector<float> floors = visit_floors(best, k, list_bound);
    std::vector<float> values(padded_);
    std::vector<float> turned(stride_);
    for (size_t i = 0; i < k; ++i) {
      const uint32_t number = best[i].row;
      const uint32_t list = list_of_[number];
      const float* const centroid = epoch_.centroid(list).data();
      const float spread = unit * bounds.reach[list];
      Need need{kNothing, kNothing};
      need.reach = spread > 0 ? (floors[i] - list_bound[list]) / spread : 0.0f;
      vector_(number, {values.data(), dimension_});
      epoch_.rotate(values.data(), 1, turned.data());
      const float length = vector_kernels().dot_f32(values.data(), values.data(), padded_);
      const VectorCode code =
          encode_vector(epoch_, turned.data(), centroid, length, euclidean, words.data());
      uint32_t sum = 0;
      for (size_t g = 0; g < words.size(); ++g) sum += table[g * kCodeWords + words[g]];
      const float exact = vector_kernels().dot_f32(centroid, rotated.data(), stride_);
      const float estimate =
          exact + code.slope * (kind.scale * static_cast<float>(sum) + kind.offset) + code.shift;
      const float noise = distance * bounds.scale * bounds.spread[list] * bounds.noise;
      need.margin = noise > 0 ? (floors[i] - estimate) / noise : 0.0f;
      out.needs.push_back(need);
    }
  }

  // What each of the k best must reach when its list's turn comes, as a search goes about it
  // (search_lists_pass.h): the k-th best in the lists until then. Of those only the rows among the
  // true answers are known: a floor is rather too high.
  std::vector<float> visit_floors(std::span<const TopRows<float>::Entry> best, size_t k,
                                  std::span<const float> list_bound) const {
    const size_t early = std::min<size_t>(kFirstLists + kNextLists, list_bound.size());
    std::vector<float> order(early);
    std::ranges::partial_sort_copy(list_bound, order, std::greater<>());
    // The first lists are a stage each, then the next ones, then all others.
    const auto stage = [&](uint32_t list) {
      const auto rank = static_cast<size_t>(
          std::ranges::lower_bound(order, list_bound[list], std::greater<>()) - order.begin());
      return rank < kFirstLists ? rank : rank < early ? kFirstLists : kFirstLists + 1;
    };
    std::array<float, kFirstLists + 2> after;  // what a stage and those before it have found
    after.fill(best.size() > k ? best.back().score : best[k - 1].score);
    for (size_t s = 0; s < after.size(); ++s) {
      size_t found = 0;
      for (const auto& entry : best) {
        if (stage(list_of_[entry.row]) > s || ++found < k) continue;
        after[s] = entry.score;
        break;
      }
    }
    std::vector<float> out;
    for (const auto& entry : best.first(k)) {
      const size_t s = stage(list_of_[entry.row]);
      // Of a stage of many lists, some come before an answer's.
      out.push_back(s < kFirstLists ? after[s] : (after[s - 1] + 2 * after[s]) / 3);
    }
    return out;
  }

  Status append(std::string_view bytes) {
    written_ += bytes.size();
    return out_.append(bytes);
  }
  template <typename T>
  Status append_all(std::span<const T> values) {
    return append({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  }
  Status begin(ListsPart part) {
    HR_TRY(append(std::string(
        (kListsPartAlignment - written_ % kListsPartAlignment) % kListsPartAlignment, '\0')));
    trailer_.parts[static_cast<size_t>(part)] = written_;
    return {};
  }

  Status write() {
    std::string head;
    put(head, kVectorsMagic);
    put(head, kListsVersion);
    head.resize(kVectorsHeadBytes);
    HR_TRY(append(head));
    HR_TRY(write_epoch());
    HR_TRY(begin(ListsPart::lists));
    std::vector<uint32_t> sizes;
    for (uint32_t i = 0; i < epoch_.list_count; ++i) sizes.push_back(begins_[i + 1] - begins_[i]);
    HR_TRY(append_all<uint32_t>(sizes));
    HR_TRY(append_all<float>(list_residuals_));
    HR_TRY(begin(ListsPart::codes));
    HR_TRY(write_codes());
    HR_TRY(begin(ListsPart::bytes));
    HR_TRY(write_planes(true));
    HR_TRY(begin(ListsPart::low));
    HR_TRY(write_planes(false));
    HR_TRY(append(std::string(kLowPlaneSpare, '\0')));
    HR_TRY(begin(ListsPart::rows));
    std::vector<uint32_t> numbers(order_.size());
    for (size_t i = 0; i < order_.size(); ++i) numbers[i] = rows_[order_[i]];
    HR_TRY(append_all<uint32_t>(numbers));
    HR_TRY(begin(ListsPart::order));
    for (uint32_t i = 0; i < order_.size(); ++i) numbers[order_[i]] = i;
    HR_TRY(append_all<uint32_t>(numbers));
    HR_TRY(begin(ListsPart::efforts));
    for (size_t depth = 0; depth < kEffortDepths; ++depth) {
      HR_TRY(append_all<float>({&near_distances_[depth], 1}));
      for (const auto& table : efforts_[depth]) HR_TRY(append_all<ListEffort>(table));
    }
    HR_TRY(begin(ListsPart::end));
    return write_trailer();
  }

  Status write_epoch() {
    HR_TRY(begin(ListsPart::epoch));
    for (uint32_t i = 0; i < epoch_.basis_size; ++i) {
      HR_TRY(append_all<float>({epoch_.basis.data() + i * padded_, dimension_}));
    }
    std::vector<uint16_t> halves(epoch_.basis_size);
    for (uint32_t i = 0; i < epoch_.list_count; ++i) {
      vector_kernels().f32_to_f16(epoch_.centroid(i).data(), halves.data(), halves.size());
      HR_TRY(append_all<uint16_t>(halves));
    }
    HR_TRY(append_all<uint16_t>(epoch_.widths));
    HR_TRY(append_all<float>(epoch_.codebook));
    HR_TRY(append_all<float>(epoch_.spread));
    return append_all<float>(epoch_.noise);
  }

  // Runs make(i, buffer) for groups of lists or rows in parallel and writes the buffers in order.
  template <typename Make>
  Status write_in_order(size_t count, const Make& make) {
    constexpr size_t kTogether = 64;
    std::vector<std::string> buffers(kTogether);
    for (size_t begin = 0; begin < count; begin += kTogether) {
      const size_t size = std::min(kTogether, count - begin);
      pool_.parallel_for(size, [&](size_t i) {
        buffers[i].clear();
        make(begin + i, buffers[i]);
      });
      for (size_t i = 0; i < size; ++i) HR_TRY(append(buffers[i]));
    }
    return {};
  }

  Status write_codes() {
    return write_in_order(epoch_.list_count, [&](size_t list, std::string& out) {
      const bool euclidean = metric_ == Metric::l2;
      const size_t pairs = epoch_.pairs();
      const float* const centroid = epoch_.centroid(static_cast<uint32_t>(list)).data();
      std::vector<float> rows(kCodesPerBlock * padded_);
      std::vector<float> turned(kCodesPerBlock * stride_);
      std::vector<uint8_t> words(2 * pairs);
      for (size_t begin = begins_[list]; begin < begins_[list + 1]; begin += kCodesPerBlock) {
        const size_t size = std::min<size_t>(kCodesPerBlock, begins_[list + 1] - begin);
        const size_t at = out.size();
        out.resize(at + code_block_bytes(pairs));
        auto* const block = reinterpret_cast<uint8_t*>(out.data() + at);
        for (size_t i = 0; i < size; ++i) {
          vector_(order_[begin + i], {rows.data() + i * padded_, dimension_});
        }
        epoch_.rotate(rows.data(), size, turned.data());
        for (size_t i = 0; i < kCodesPerBlock; ++i) {
          // Places without a vector have an estimate that is never good enough.
          float slope = 0;
          float shift = -std::numeric_limits<float>::infinity();
          if (i < size) {
            const float* const row = rows.data() + i * padded_;
            const VectorCode code =
                encode_vector(epoch_, turned.data() + i * stride_, centroid,
                              vector_kernels().dot_f32(row, row, padded_), euclidean, words.data());
            slope = code.slope;
            shift = code.shift;
            for (size_t p = 0; p < pairs; ++p) {
              block[p * 32 + i] = static_cast<uint8_t>(words[2 * p] | (words[2 * p + 1] << 4));
            }
          }
          std::memcpy(block + pairs * 32 + i * 4, &slope, 4);
          std::memcpy(block + pairs * 32 + (kCodesPerBlock + i) * 4, &shift, 4);
        }
      }
    });
  }

  Status write_planes(bool high) {
    const size_t blocks = (order_.size() + kBlockRows - 1) / kBlockRows;
    return write_in_order(blocks, [&](size_t block, std::string& out) {
      const bool euclidean = metric_ == Metric::l2;
      std::vector<float> row(padded_);
      const size_t end = std::min(order_.size(), (block + 1) * kBlockRows);
      for (size_t i = block * kBlockRows; i < end; ++i) {
        vector_(order_[i], {row.data(), dimension_});
        float most = 0;
        for (uint32_t d = 0; d < dimension_; ++d) most = std::max(most, std::fabs(row[d]));
        const float scale = most / kSplitMax;
        const float inverse = most > 0 ? kSplitMax / most : 0;
        const size_t at = out.size();
        out.resize(at +
                   (high ? bytes_row_bytes(dimension_, euclidean) : low_row_bytes(dimension_)));
        char* const bytes = out.data() + at;
        if (high) {
          std::memcpy(bytes, &scale, 4);
          if (euclidean) {
            const float square = vector_kernels().dot_f32(row.data(), row.data(), padded_);
            std::memcpy(bytes + 4, &square, 4);
          }
        }
        for (uint32_t d = 0; d < dimension_; ++d) {
          const auto value = static_cast<int>(std::lrintf(row[d] * inverse));
          const int coarse = (value + 4) >> 3;
          if (high) {
            bytes[bytes_row_head(euclidean) + d] = static_cast<char>(coarse);
            continue;
          }
          const auto fine = static_cast<uint32_t>(value - 8 * coarse + 4);
          const size_t bit = size_t{d} * 3;
          bytes[bit / 8] = static_cast<char>(static_cast<uint8_t>(bytes[bit / 8]) |
                                             static_cast<uint8_t>(fine << (bit % 8)));
          if (bit % 8 > 5) bytes[bit / 8 + 1] = static_cast<char>(fine >> (8 - bit % 8));
        }
      }
    });
  }

  Status write_trailer() {
    std::string bytes;
    put(bytes, dimension_);
    put(bytes, static_cast<uint32_t>(rows_.size()));
    bytes += static_cast<char>(metric_);
    bytes += static_cast<char>(kElementSplit);
    put(bytes, uint16_t{0});
    put(bytes, epoch_.list_count);
    put(bytes, epoch_.basis_size);
    put(bytes, static_cast<uint32_t>(epoch_.widths.size()));
    put(bytes, static_cast<uint32_t>(epoch_.coded()));
    put(bytes, static_cast<uint32_t>(efforts_[0][0].size()));
    for (const uint64_t part : trailer_.parts) put(bytes, part);
    bytes.resize(kListsTrailerBytes - 12);
    put(bytes, uint32_t{0});
    put(bytes, kListsVersion);
    put(bytes, kVectorsMagic);
    return append(bytes);
  }

  SectionSink& out_;
  const uint32_t dimension_;
  const size_t padded_;
  const Metric metric_;
  const std::span<const uint32_t> rows_;
  const VectorSource& vector_;
  ThreadPool pool_;
  VectorEpoch epoch_;
  size_t stride_ = 0;
  bool too_coarse_ = false;
  std::vector<CalibrationQuery> queries_;
  std::vector<float> query_values_;
  std::vector<float> query_squares_;
  std::vector<uint32_t> list_of_;
  std::vector<float> residual_;
  std::vector<uint32_t> begins_;
  std::vector<uint32_t> order_;
  std::vector<float> list_residuals_;
  std::vector<ListEffort> efforts_[kEffortDepths][2];  // near, far
  float near_distances_[kEffortDepths] = {};
  ListsTrailer trailer_;
  uint64_t written_ = 0;
};

}  // namespace

Result<bool> write_vector_lists(SectionSink& out, uint32_t dimension, Metric metric,
                                std::span<const uint32_t> rows, const VectorSource& vector,
                                const VectorEpoch* before) {
  return ListsBuilder(out, dimension, metric, rows, vector).run(before);
}

}  // namespace headrace::index
