// Makes a section of version 5: sample, epoch, lists, codes, measured efforts, then the planes in
// the order of the lists. Memory: the sample, the epoch, and for each vector its code and 12 bytes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "index/effort_meter.h"
#include "index/effort_queries.h"
#include "index/vector_codes.h"
#include "index/vector_kernels.h"
#include "index/vector_lists.h"
#include "index/vector_lists_format.h"
#include "index/vector_lists_writer.h"
#include "runtime/thread_pool.h"

namespace headrace::index {
namespace {

constexpr size_t kBlockRows = 64;
constexpr size_t kSamplePerList = 72;
constexpr size_t kSampleBytesMax = 128 << 20;
// What training holds, in samples: the sample as it is and in whole numbers, residuals, these
// turned.
constexpr size_t kTrainingFactor = 4;
constexpr size_t kSamplePerListMin = 4;
constexpr size_t kEffortK[kEffortDepths] = {10, 100};
constexpr float kLosses[] = {0.5f,  0.3f,  0.2f,   0.1f,   0.05f, 0.03f,
                             0.02f, 0.01f, 0.005f, 0.002f, 0.001f};

class ListsBuilder {
 public:
  ListsBuilder(uint32_t dimension, Metric metric, std::span<const uint32_t> rows,
               const VectorSource& vector, const std::atomic<bool>* cancelled,
               uint64_t memory_bytes)
      : dimension_(dimension),
        padded_(padded_length(dimension)),
        metric_(metric),
        rows_(rows),
        vector_(vector),
        cancelled_(cancelled),
        sample_bytes_max_(memory_bytes == 0 ? kSampleBytesMax
                                            : std::min<uint64_t>(kSampleBytesMax,
                                                                 memory_bytes / kTrainingFactor)),
        pool_(usable_cpu_count() - 1 > 0 ? usable_cpu_count() - 1 : 1) {}

  Result<bool> run(const VectorEpoch* before, SectionSink& out) {
    const uint32_t lists = list_count_for(rows_.size());
    const bool fits = before != nullptr && before->dimension == dimension_ &&
                      before->list_count <= 2 * lists && lists <= 2 * before->list_count;
    EffortQueries queries(dimension_, metric_, rows_.size(), vector_);
    made_.epoch =
        fits ? *before
             : train_epoch(take_sample(lists, queries), dimension_, lists, pool_, cancelled_);
    HR_TRY(go_on());
    if (!round_centroids()) return false;
    const WholeRotation rotation(made_.epoch);
    const bool fine = assign_all(rotation, queries);
    HR_TRY(go_on());
    if (!fine) return false;
    sort_into_lists();
    encode_all(rotation);
    HR_TRY(go_on());
    measure_efforts(rotation, queries, fits);
    HR_TRY(go_on());
    HR_TRY(write_lists_section(made_, rows_, vector_, metric_, pool_, out));
    return true;
  }

 private:
  bool is_cancelled() const { return cancelled_ != nullptr && *cancelled_; }
  Status go_on() const {
    if (!is_cancelled()) return {};
    return fail(ErrorCode::cancelled, "the making of lists was called off");
  }

  // Without the rows that efforts are measured with: a list's centroid is nearer to the rows that
  // it was made from than to others.
  std::vector<float> take_sample(uint32_t lists, const EffortQueries& queries) {
    std::vector<uint8_t> left_out(rows_.size());
    for (size_t q = 0; q < queries.count(); ++q) {
      if (queries.self(q)) left_out[*queries.self(q)] = 1;
    }
    std::vector<uint32_t> picked;
    for (uint32_t i = 0; i < rows_.size(); ++i) {
      if (left_out[i] == 0) picked.push_back(i);
    }
    const size_t most =
        std::max<size_t>(sample_bytes_max_ / (padded_ * sizeof(float)), lists * kSamplePerListMin);
    const size_t count = std::min({picked.size(), size_t{lists} * kSamplePerList, most});
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

  // Planes hold differences from the centroids that a reader will have. False where these are too
  // large for it.
  bool round_centroids() {
    std::vector<float>& centroids = made_.epoch.centroids;
    std::vector<uint16_t> halves(centroids.size());
    vector_kernels().f32_to_f16(centroids.data(), halves.data(), halves.size());
    vector_kernels().f16_to_f32(halves.data(), centroids.data(), halves.size());
    if (!std::ranges::all_of(centroids, [](float x) { return std::isfinite(x); })) return false;
    made_.centroids = made_.epoch.centroids_in_space();
    return true;
  }

  // Nearest lists of all rows; and, in the same pass, the rows near the chosen queries. False where
  // the planes would be too coarse.
  bool assign_all(const WholeRotation& rotation, EffortQueries& queries) {
    const size_t count = rows_.size();
    list_of_.resize(count);
    residual_.resize(count);
    const std::vector<float>& centroids = made_.centroids;
    std::vector<float> moved(centroids);
    for (size_t i = 0; i < moved.size(); ++i) moved[i] -= rotation.mean()[i % padded_];
    const WholeRows whole(moved.data(), made_.epoch.list_count, padded_, padded_);
    std::vector<float> shifts(whole.count(), -std::numeric_limits<float>::infinity());
    const auto dot = vector_kernels().dot_f32;
    for (uint32_t i = 0; i < made_.epoch.list_count; ++i) {
      const float* const row = moved.data() + i * padded_;
      shifts[i] = -0.5f * dot(row, row, padded_);
    }
    moved = std::vector<float>();
    const size_t tasks = pool_.size() + 1;
    queries.start(rotation.mean(), tasks);
    std::vector<uint8_t> coarse(tasks);
    const size_t blocks = (count + kBlockRows - 1) / kBlockRows;
    pool_.parallel_for(tasks, [&](size_t task) {
      std::vector<float> block(kBlockRows * padded_);
      std::vector<float> residual(padded_);
      WholeQueries small(kBlockRows, padded_);
      std::vector<int32_t> sums;
      float squares[kBlockRows];
      float means[kBlockRows];
      for (size_t b = task; b < blocks && !is_cancelled(); b += tasks) {
        const size_t begin = b * kBlockRows;
        const size_t size = std::min(kBlockRows, count - begin);
        for (size_t i = 0; i < size; ++i) {
          float* const row = block.data() + i * padded_;
          vector_(begin + i, {row, dimension_});
          rotation.take(row, small, i);
          squares[i] = dot(row, row, padded_);
          means[i] = dot(row, rotation.mean().data(), padded_);
        }
        whole.nearest(small, 0, size, shifts, sums, list_of_.data() + begin);
        for (size_t i = 0; i < size; ++i) {
          const float* const centroid = centroids.data() + size_t{list_of_[begin + i]} * padded_;
          const float* const row = block.data() + i * padded_;
          for (size_t d = 0; d < padded_; ++d) residual[d] = row[d] - centroid[d];
          residual_[begin + i] = dot(residual.data(), residual.data(), padded_);
          const float step = whole_kernels().largest(residual.data(), padded_) / kSplitMax;
          if (step * step * static_cast<float>(dimension_) / 12 >
              kSplitErrorMax * kSplitErrorMax * squares[i]) {
            coarse[task] = 1;
          }
        }
        queries.compare(task, small, size, begin, means, squares, sums);
      }
    });
    queries.finish(pool_);
    return std::ranges::find(coarse, 1) == coarse.end();
  }

  void sort_into_lists() {
    const uint32_t lists = made_.epoch.list_count;
    made_.begins.assign(size_t{lists} + 1, 0);
    for (const uint32_t list : list_of_) ++made_.begins[list + 1];
    std::partial_sum(made_.begins.begin(), made_.begins.end(), made_.begins.begin());
    std::vector<uint32_t> next(made_.begins.begin(), made_.begins.end() - 1);
    made_.order.resize(rows_.size());
    made_.place_of.resize(rows_.size());
    made_.residuals.assign(lists, 0);
    for (uint32_t i = 0; i < rows_.size(); ++i) {
      const uint32_t place = next[list_of_[i]]++;
      made_.order[place] = i;
      made_.place_of[i] = place;
      made_.residuals[list_of_[i]] += residual_[i];
    }
    block_begins_.assign(1, 0);
    for (uint32_t list = 0; list < lists; ++list) {
      const size_t size = made_.begins[list + 1] - made_.begins[list];
      if (size > 0) made_.residuals[list] /= static_cast<float>(size);
      block_begins_.push_back(block_begins_.back() + (size + kCodesPerBlock - 1) / kCodesPerBlock);
    }
    residual_ = std::vector<float>();
  }

  void encode_all(const WholeRotation& rotation) {
    const VectorEpoch& epoch = made_.epoch;
    made_.codes.resize(block_begins_.back() * code_block_bytes(epoch.pairs()));
    pool_.parallel_for(epoch.list_count, [&](size_t list) {
      const size_t pairs = epoch.pairs();
      const float* const centroid = epoch.centroid(static_cast<uint32_t>(list)).data();
      std::vector<float> row(padded_);
      std::vector<float> turned(kCodesPerBlock * padded_length(epoch.basis_size));
      const size_t stride = turned.size() / kCodesPerBlock;
      std::vector<uint8_t> words(2 * pairs);
      float squares[kCodesPerBlock];
      WholeQueries small(kCodesPerBlock, padded_);
      std::vector<int32_t> sums;
      VectorEncoder encoder(epoch);
      uint8_t* block = made_.codes.data() + block_begins_[list] * code_block_bytes(pairs);
      for (size_t begin = made_.begins[list]; begin < made_.begins[list + 1];
           begin += kCodesPerBlock, block += code_block_bytes(pairs)) {
        const size_t size = std::min<size_t>(kCodesPerBlock, made_.begins[list + 1] - begin);
        for (size_t i = 0; i < size; ++i) {
          vector_(made_.order[begin + i], {row.data(), dimension_});
          squares[i] = vector_kernels().dot_f32(row.data(), row.data(), padded_);
          rotation.take(row.data(), small, i);
        }
        rotation.rotate(small, 0, size, sums, turned.data());
        for (size_t i = 0; i < kCodesPerBlock; ++i) {
          // Places without a vector have an estimate that is never good enough.
          float slope = 0;
          float shift = -std::numeric_limits<float>::infinity();
          if (i < size) {
            const VectorCode code = encoder.encode(turned.data() + i * stride, centroid, squares[i],
                                                   metric_ == Metric::l2, words.data());
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

  void measure_efforts(const WholeRotation& rotation, const EffortQueries& queries,
                       bool trained_on) {
    const ListBounds bounds(made_.epoch, metric_, made_.residuals, kListsVersion);
    const CodedRows rows = {list_of_,      made_.place_of, made_.begins,
                            block_begins_, made_.codes,    trained_on};
    for (const size_t k : kEffortK) {
      if (is_cancelled()) return;
      EffortMeter meter(made_.epoch, bounds, rotation, rows, queries, k, pool_);
      auto efforts = meter.measure(kLosses);
      made_.efforts.push_back(
          {meter.near_distance(), std::move(efforts.near), std::move(efforts.far)});
    }
  }

  const uint32_t dimension_;
  const size_t padded_;
  const Metric metric_;
  const std::span<const uint32_t> rows_;
  const VectorSource& vector_;
  const std::atomic<bool>* const cancelled_;
  const uint64_t sample_bytes_max_;
  ThreadPool pool_;
  MadeLists made_;
  std::vector<uint32_t> list_of_;
  std::vector<float> residual_;
  std::vector<size_t> block_begins_;
};

}  // namespace

Result<bool> write_vector_lists(SectionSink& out, uint32_t dimension, Metric metric,
                                std::span<const uint32_t> rows, const VectorSource& vector,
                                const VectorEpoch* before, const std::atomic<bool>* cancelled,
                                uint64_t memory_bytes) {
  return ListsBuilder(dimension, metric, rows, vector, cancelled, memory_bytes).run(before, out);
}

}  // namespace headrace::index
