#include "index/vector_lists_writer.h"

#include <algorithm>
#include <bit>
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

// Four at a time, which every CPU has; sizes are padded to a multiple of it.
using Floats = float __attribute__((vector_size(16)));
using Numbers = int32_t __attribute__((vector_size(16)));
constexpr size_t kLanes = 4;

Floats load_floats(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof(values));
  return values;
}

void subtract(const float* other, size_t size, float* values) {
  for (size_t i = 0; i < size; i += kLanes) {
    const Floats left = load_floats(values + i) - load_floats(other + i);
    std::memcpy(values + i, &left, sizeof(left));
  }
}

// out[i] = values[i] · factor to the nearest, ties to even; below 2^22 in size.
void round_all(const float* values, size_t size, float factor, int32_t* out) {
  constexpr float kOnes = 12582912.0f;  // 1.5 · 2^23: what is added to it counts in its last bits
  for (size_t i = 0; i < size; i += kLanes) {
    const Floats moved = load_floats(values + i) * factor + kOnes;
    const Numbers numbers = std::bit_cast<Numbers>(moved) - std::bit_cast<int32_t>(kOnes);
    std::memcpy(out + i, &numbers, sizeof(numbers));
  }
}

// What products of a centroid with a rounded residual lack, for both roundings; with its own
// product and square.
struct Lacking {
  double coarse = 0, fine = 0, along = 0, square = 0;
};
Lacking lacking_of(const float* residual, const float* centroid, const int32_t* numbers,
                   size_t size, float scale) {
  Floats coarse{};
  Floats fine{};
  Floats along{};
  Floats square{};
  for (size_t i = 0; i < size; i += kLanes) {
    const Floats near = load_floats(centroid + i);
    const Floats row = load_floats(residual + i);
    Numbers number;
    std::memcpy(&number, numbers + i, sizeof(number));
    const Floats whole = __builtin_convertvector(number, Floats);
    const Floats high = __builtin_convertvector((number + 4) >> 3, Floats) * 8.0f - 0.5f;
    coarse += near * (row - scale * high);
    fine += near * (row - scale * whole);
    along += near * row;
    square += row * row;
  }
  Lacking sums;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    sums.coarse += coarse[lane];
    sums.fine += fine[lane];
    sums.along += along[lane];
    sums.square += square[lane];
  }
  return sums;
}

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

  // A row as the planes have it, with what is worked out on the way.
  struct Split {
    const float* centroid = nullptr;  // padded, as the others are
    std::vector<float> residual;
    std::vector<int32_t> numbers;
    float scale = 0;
    double centroid_length = 0;
  };

  // Calls write(split, out) for the rows in the order of places.
  template <typename Write>
  Status write_plane(const Write& write) {
    const size_t blocks = (made_.order.size() + kBlockRows - 1) / kBlockRows;
    return write_in_order(blocks, [&](size_t block, std::string& out) {
      Split split;
      split.residual.resize(padded_);
      split.numbers.resize(padded_);
      const size_t begin = block * kBlockRows;
      const size_t end = std::min(made_.order.size(), begin + kBlockRows);
      auto list = static_cast<size_t>(std::ranges::upper_bound(made_.begins, begin) -
                                      made_.begins.begin()) -
                  1;
      for (size_t i = begin; i < end; ++i) {
        while (i >= made_.begins[list + 1]) ++list;
        const float* const centroid = made_.centroids.data() + list * padded_;
        if (split.centroid != centroid) {
          split.centroid = centroid;
          split.centroid_length =
              std::sqrt(double{vector_kernels().dot_f32(centroid, centroid, padded_)});
        }
        vector_(made_.order[i], {split.residual.data(), dimension_});
        subtract(centroid, padded_, split.residual.data());
        const float most = whole_kernels().largest(split.residual.data(), padded_);
        split.scale = most / kSplitMax;
        round_all(split.residual.data(), padded_, most > 0 ? kSplitMax / most : 0,
                  split.numbers.data());
        write(split, out);
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
    return write_plane([&](const Split& split, std::string& out) {
      const Lacking lacking = lacking_of(split.residual.data(), split.centroid,
                                         split.numbers.data(), padded_, split.scale);
      put(out, split.scale);
      put(out,
          correction(lacking.coarse, split.scale, split.centroid_length, kCoarseCorrectionUnit));
      put(out, correction(lacking.fine, split.scale, split.centroid_length, kFineCorrectionUnit));
      if (euclidean) put(out, static_cast<float>(lacking.along + lacking.square / 2));
      const size_t at = out.size();
      out.resize(at + (size_t{dimension_} + 3) / 4 * 4);
      char* const bytes = out.data() + at;
      for (uint32_t d = 0; d < dimension_; ++d)
        bytes[d] = static_cast<char>(coarse(split.numbers[d]));
    });
  }

  Status write_low_plane() {
    return write_plane([&](const Split& split, std::string& out) {
      const size_t at = out.size();
      out.resize(at + low_row_bytes(dimension_));
      char* bytes = out.data() + at;
      const auto fine = [&](size_t d) {
        return static_cast<uint32_t>(split.numbers[d] - 8 * coarse(split.numbers[d]) + 4);
      };
      // Eight numbers are three bytes.
      for (size_t d = 0; d < dimension_; d += 8) {
        const size_t some = std::min<size_t>(8, dimension_ - d);
        uint32_t bits = 0;
        for (size_t i = 0; i < some; ++i) bits |= fine(d + i) << (3 * i);
        for (size_t b = 0; b < (3 * some + 7) / 8; ++b)
          *bytes++ = static_cast<char>(static_cast<uint8_t>(bits >> (8 * b)));
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
