#include "index/whole_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace headrace::index {
namespace {

constexpr float kRowMost = 127;
// Sums of so many rows stay in the near caches with those of a block of queries.
constexpr size_t kRowsTogether = 256;

}  // namespace

WholeRows::WholeRows(const float* rows, size_t count, size_t stride, size_t size) : size_(size) {
  const size_t padded = (count + kWholeGroup - 1) / kWholeGroup * kWholeGroup;
  values_.resize(padded * size);
  steps_.resize(padded);
  zeros_.resize(padded);
  for (size_t row = 0; row < count; ++row) {
    const float* const in = rows + row * stride;
    const float most = whole_kernels().largest(in, size);
    const float inverse = most > 0 ? kRowMost / most : 0;
    steps_[row] = most / kRowMost;
    int8_t* const out =
        values_.data() + row / kWholeGroup * kWholeGroup * size + row % kWholeGroup * 4;
    int32_t sum = 0;
    for (size_t i = 0; i < size; ++i) {
      const auto value = static_cast<int8_t>(std::lrintf(in[i] * inverse));
      out[i / 4 * 4 * kWholeGroup + i % 4] = value;
      sum += value;
    }
    zeros_[row] = kWholeZero * sum;
  }
}

void WholeRows::sum(const WholeQueries& queries, size_t begin, size_t query_count, size_t first,
                    size_t rows, std::vector<int32_t>& sums) const {
  sums.resize(query_count * rows);
  whole_kernels().products(values_.data() + first * size_, rows, queries.at(begin), query_count,
                           queries.size, size_, sums.data(), rows);
}

void WholeRows::products(const WholeQueries& queries, size_t begin, size_t query_count,
                         std::span<const float> shifts, const float* query_shifts,
                         std::vector<int32_t>& sums, float* out) const {
  sum(queries, begin, query_count, 0, count(), sums);
  for (size_t q = 0; q < query_count; ++q) {
    whole_kernels().values(sums_of(sums.data() + q * count(), 0, queries.steps[begin + q]),
                           shifts.data(), query_shifts != nullptr ? query_shifts[q] : 0, count(),
                           out + q * count());
  }
}

void WholeRows::nearest(const WholeQueries& queries, size_t begin, size_t query_count,
                        std::span<const float> shifts, std::vector<int32_t>& sums,
                        uint32_t* rows) const {
  std::vector<float> best(query_count, -std::numeric_limits<float>::infinity());
  std::fill_n(rows, query_count, 0U);
  for (size_t first = 0; first < count(); first += kRowsTogether) {
    const size_t some = std::min(kRowsTogether, count() - first);
    sum(queries, begin, query_count, first, some, sums);
    for (size_t q = 0; q < query_count; ++q) {
      whole_kernels().nearest(sums_of(sums.data() + q * some, first, queries.steps[begin + q]),
                              shifts.data() + first, some, static_cast<uint32_t>(first), best[q],
                              rows[q]);
    }
  }
}

}  // namespace headrace::index
