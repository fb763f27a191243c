// Which lists may hold rows near a query, shared by search and by the measuring of efforts. Under
// cosine a list's bound is the cosine of the query and the centroid, plus the effort's reach; what
// a list must promise is the k-th best score, but no more than the best list promises: where no
// centroid is as near as the rows are, all answers lie far from theirs. In
// other metrics (and under cosine in version 2 of the format) it is q·c + shift and scatters by
// d · |x - c| for a row x at distance d: that is the unit of the reach. (Inner products of queries
// that are near nothing scatter by |q| · |x - c|.)
//
// Owns: its numbers. Threads: const and safe. Errors: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/vector_epoch.h"
#include "index/vectors.h"
#include "index/whole_rows.h"

namespace headrace::index {

struct ListBounds {
  // `residuals`: of each list, the mean squared length.
  ListBounds(const VectorEpoch& epoch, Metric metric, std::span<const float> residuals,
             uint32_t version);
  size_t size() const { return shift.size(); }
  // Queries as products() takes them, and its working memory.
  struct Queries {
    WholeQueries whole;
    std::vector<float> shifts;
    std::vector<float> moved;
    std::vector<int32_t> sums;
  };
  // Of queries in the basis, rows of padded_length(basis_size).
  void take(const float* rotated, size_t count, Queries& queries) const;
  // q · c in small whole numbers, but for what rest() gives: out[q * size() + list], for queries
  // from the begin-th on.
  void products(Queries& queries, size_t begin, size_t count, float* out) const;
  // What the directions add that do not count for the choice of lists.
  float rest(const Queries& queries, size_t query, uint32_t list) const;
  // The bound of a list (reach 0) for one of its `count` rows, had its centroid, with which it has
  // this product, been made from the others.
  float without(uint32_t list, uint32_t count, float square, float product) const;
  // What the distance of the k-th best row with this score counts for.
  float distance(float square, float score) const;
  // What a list must promise where the k-th best has this score; `best`: the best list's bound.
  float wanted(float score, float best) const { return capped ? std::min(score, best) : score; }
  // What a reach of 1 adds to the bound of a list with `reach` 1, for a query of this length.
  float unit(float length, float distance) const { return angles ? length : distance * scale; }

  Metric metric;
  bool angles = false;
  bool capped = false;  // from version 5 of the format on
  float noise = 0;      // of codes, as a share of the residuals' length
  float scale = 0;      // 1 / sqrt(dimension)
  // All of a number of lists that is filled up to a multiple of 16. A bound is product · times +
  // shift + reach · (the effort's).
  std::vector<float> times, shift, reach;
  std::vector<float> spread;  // the residuals' mean length

 private:
  size_t leading_ = 0;  // directions that count for the choice of lists
  std::vector<float> mean_;
  std::vector<float> squares_;  // of the centroids
  // Less the mean of all, whose part of a product is added: it may be by far the largest.
  WholeRows centroids_;
  std::vector<float> middle_;
  std::vector<int8_t> rest_;  // list after list
  std::vector<float> rest_step_;
  std::vector<int32_t> rest_zero_;
};

}  // namespace headrace::index
