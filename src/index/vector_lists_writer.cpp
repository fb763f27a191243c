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
    HR_TRY(write_planes(true));
    HR_TRY(begin(ListsPart::low));
    HR_TRY(write_planes(false));
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

  Status write_planes(bool high) {
    const size_t blocks = (made_.order.size() + kBlockRows - 1) / kBlockRows;
    return write_in_order(blocks, [&](size_t block, std::string& out) {
      const bool euclidean = metric_ == Metric::l2;
      std::vector<float> row(padded_);
      const size_t end = std::min(made_.order.size(), (block + 1) * kBlockRows);
      for (size_t i = block * kBlockRows; i < end; ++i) {
        vector_(made_.order[i], {row.data(), dimension_});
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
