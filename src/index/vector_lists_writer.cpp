#include "index/vector_lists_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "index/vector_kernels.h"
#include "index/vector_lists_format.h"
#include "index/vectors_state.h"
#include "index/whole_kernels.h"

namespace headrace::index {
namespace {

constexpr size_t kBlockRows = 64;

class ListsWriter {
 public:
  ListsWriter(const MadeLists& made, std::span<const uint32_t> rows, const VectorSource& vector,
              Metric metric, ThreadPool& pool, SectionSink& out)
      : made_(made),
        epoch_(made.epoch),
        rows_(rows),
        vector_(vector),
        metric_(metric),
        dimension_(made.epoch.dimension),
        padded_(padded_length(dimension_)),
        pool_(pool),
        out_(out) {}

  Status write() {
    std::string head;
    put(head, kVectorsMagic);
    put(head, kListsVersion);
    head.resize(kVectorsHeadBytes);
    HR_TRY(append(head));
    HR_TRY(write_epoch());
    HR_TRY(begin(ListsPart::lists));
    std::vector<uint32_t> sizes;
    for (uint32_t i = 0; i < epoch_.list_count; ++i) {
      sizes.push_back(made_.begins[i + 1] - made_.begins[i]);
    }
    HR_TRY(append_all<uint32_t>(sizes));
    HR_TRY(append_all<float>(made_.residuals));
    HR_TRY(begin(ListsPart::codes));
    HR_TRY(append_all<uint8_t>(made_.codes));
    HR_TRY(begin(ListsPart::bytes));
    HR_TRY(write_high_plane());
    HR_TRY(begin(ListsPart::low));
    HR_TRY(write_low_plane());
    HR_TRY(append(std::string(kLowPlaneSpare, '\0')));
    HR_TRY(begin(ListsPart::rows));
    std::vector<uint32_t> numbers(made_.order.size());
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = rows_[made_.order[i]];
    HR_TRY(append_all<uint32_t>(numbers));
    HR_TRY(begin(ListsPart::order));
    HR_TRY(append_all<uint32_t>(made_.place_of));
    HR_TRY(begin(ListsPart::efforts));
    for (const MadeLists::Efforts& depth : made_.efforts) {
      HR_TRY(append_all<float>({&depth.near_distance, 1}));
      HR_TRY(append_all<ListEffort>(depth.near));
      HR_TRY(append_all<ListEffort>(depth.far));
    }
    HR_TRY(begin(ListsPart::end));
    return write_trailer();
  }

 private:
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

  // Calls write(residual, centroid, scale, numbers, out) for the rows in the order of places.
  template <typename Write>
  Status write_plane(const Write& write) {
    const size_t blocks = (made_.order.size() + kBlockRows - 1) / kBlockRows;
    return write_in_order(blocks, [&](size_t block, std::string& out) {
      std::vector<float> row(padded_);
      std::vector<int> numbers(dimension_);
      const size_t begin = block * kBlockRows;
      const size_t end = std::min(made_.order.size(), begin + kBlockRows);
      auto list = static_cast<size_t>(std::ranges::upper_bound(made_.begins, begin) -
                                      made_.begins.begin()) -
                  1;
      for (size_t i = begin; i < end; ++i) {
        while (i >= made_.begins[list + 1]) ++list;
        const float* const centroid = made_.centroids.data() + list * padded_;
        vector_(made_.order[i], {row.data(), dimension_});
        float most = 0;
        for (uint32_t d = 0; d < dimension_; ++d) {
          row[d] -= centroid[d];
          most = std::max(most, std::fabs(row[d]));
        }
        const float inverse = most > 0 ? kSplitMax / most : 0;
        for (uint32_t d = 0; d < dimension_; ++d) {
          numbers[d] = static_cast<int>(std::lrintf(row[d] * inverse));
        }
        write(row.data(), centroid, most / kSplitMax, numbers, out);
      }
    });
  }

  // What the product of centroid and rounded residual lacks, in the format's units.
  int16_t correction(double lacking, float scale, double length, float unit) const {
    const double size = scale * length * std::sqrt(static_cast<double>(dimension_)) * unit;
    return static_cast<int16_t>(size > 0 ? std::clamp(lacking / size, -32767.0, 32767.0) : 0.0);
  }

  Status write_high_plane() {
    const bool euclidean = metric_ == Metric::l2;
    return write_plane([&](const float* residual, const float* centroid, float scale,
                           std::span<const int> numbers, std::string& out) {
      double along = 0;
      double coarse_along = 0;
      double fine_along = 0;
      double square = 0;
      double length = 0;
      for (uint32_t d = 0; d < dimension_; ++d) {
        const double near = centroid[d];
        along += near * residual[d];
        coarse_along += near * (8 * coarse(numbers[d]) - 0.5);
        fine_along += near * numbers[d];
        square += double{residual[d]} * residual[d];
        length += near * near;
      }
      length = std::sqrt(length);
      put(out, scale);
      put(out, correction(along - scale * coarse_along, scale, length, kCoarseCorrectionUnit));
      put(out, correction(along - scale * fine_along, scale, length, kFineCorrectionUnit));
      if (euclidean) put(out, static_cast<float>(along + square / 2));
      const size_t end = out.size() + (size_t{dimension_} + 3) / 4 * 4;
      for (const int number : numbers) out += static_cast<char>(coarse(number));
      out.resize(end);
    });
  }

  Status write_low_plane() {
    return write_plane(
        [&](const float*, const float*, float, std::span<const int> numbers, std::string& out) {
          const size_t at = out.size();
          out.resize(at + low_row_bytes(dimension_));
          char* const bytes = out.data() + at;
          for (size_t d = 0; d < numbers.size(); ++d) {
            const auto fine = static_cast<uint32_t>(numbers[d] - 8 * coarse(numbers[d]) + 4);
            const size_t bit = d * 3;
            bytes[bit / 8] = static_cast<char>(static_cast<uint8_t>(bytes[bit / 8]) |
                                               static_cast<uint8_t>(fine << (bit % 8)));
            if (bit % 8 > 5) bytes[bit / 8 + 1] = static_cast<char>(fine >> (8 - bit % 8));
          }
        });
  }

  static int coarse(int number) { return (number + 4) >> 3; }

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
    put(bytes, static_cast<uint32_t>(made_.efforts[0].near.size()));
    for (const uint64_t part : trailer_.parts) put(bytes, part);
    bytes.resize(kListsTrailerBytes - 12);
    put(bytes, uint32_t{0});
    put(bytes, kListsVersion);
    put(bytes, kVectorsMagic);
    return append(bytes);
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

  const MadeLists& made_;
  const VectorEpoch& epoch_;
  const std::span<const uint32_t> rows_;
  const VectorSource& vector_;
  const Metric metric_;
  const uint32_t dimension_;
  const size_t padded_;
  ThreadPool& pool_;
  SectionSink& out_;
  ListsTrailer trailer_;
  uint64_t written_ = 0;
};

}  // namespace

Status write_lists_section(const MadeLists& made, std::span<const uint32_t> rows,
                           const VectorSource& vector, Metric metric, ThreadPool& pool,
                           SectionSink& out) {
  return ListsWriter(made, rows, vector, metric, pool, out).write();
}

}  // namespace headrace::index
