// Vectors in small whole numbers, as WholeKernels take them: rows of 8 bits with a step each,
// queries of 7 bits. Products are off by about 1/200 of the longest component times the other's
// length: enough to choose lists, to train on and to rotate a query by.
//
// Owns: its numbers. Threads: const and safe. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/whole_kernels.h"

namespace headrace::index {

struct WholeQueries {
  WholeQueries() = default;
  WholeQueries(size_t query_count, size_t query_size) { reset(query_count, query_size); }
  // `size` a multiple of 16.
  void reset(size_t query_count, size_t query_size) {
    size = query_size;
    values.resize(query_count * size);
    steps.resize(query_count);
  }
  void set(size_t i, const float* query) {
    const WholeKernels& kernels = whole_kernels();
    const float most = kernels.largest(query, size);
    steps[i] = most / kWholeMost;
    kernels.to_bytes(query, size, most > 0 ? kWholeMost / most : 0, values.data() + i * size);
  }
  const uint8_t* at(size_t i) const { return values.data() + i * size; }

  size_t size = 0;
  std::vector<uint8_t> values;
  std::vector<float> steps;
};

class WholeRows {
 public:
  WholeRows() = default;
  // The leading `size` numbers (a multiple of 16) of `count` rows, `stride` apart.
  WholeRows(const float* rows, size_t count, size_t stride, size_t size);

  size_t size() const { return size_; }
  size_t count() const { return steps_.size(); }  // filled up to whole groups with zeros

  // out[q * count() + row] for queries of this size or more, from the begin-th on: the product and
  // the shifts of the row (one for each of count()) and of the query. `sums` is working memory.
  void products(const WholeQueries& queries, size_t begin, size_t query_count,
                std::span<const float> shifts, const float* query_shifts,
                std::vector<int32_t>& sums, float* out) const;
  // The row with the largest product plus shift (one for each of count()), for each query.
  void nearest(const WholeQueries& queries, size_t begin, size_t query_count,
               std::span<const float> shifts, std::vector<int32_t>& sums, uint32_t* rows) const;
  // Calls found(query, row, value) for each product that, plus the query's shift, is above the
  // row's floor. Floors may fall behind while it runs, to what they were for the query.
  template <typename Found>
  void above(const WholeQueries& queries, size_t begin, size_t query_count,
             std::span<const float> floors, const float* shifts, std::vector<int32_t>& sums,
             const Found& found) const {
    std::vector<uint32_t> places(count());
    std::vector<float> values(count());
    sum(queries, begin, query_count, 0, count(), sums);
    for (size_t q = 0; q < query_count; ++q) {
      const size_t some =
          whole_kernels().above(sums_of(sums.data() + q * count(), 0, queries.steps[begin + q]),
                                floors.data(), shifts[q], count(), places.data(), values.data());
      for (size_t i = 0; i < some; ++i) found(q, places[i], values[i]);
    }
  }

 private:
  WholeSums sums_of(const int32_t* sums, size_t first, float step) const {
    return {sums, zeros_.data() + first, steps_.data() + first, step};
  }
  void sum(const WholeQueries& queries, size_t begin, size_t query_count, size_t first, size_t rows,
           std::vector<int32_t>& sums) const;

  size_t size_ = 0;
  std::vector<int8_t> values_;
  std::vector<float> steps_;
  std::vector<int32_t> zeros_;
};

}  // namespace headrace::index
