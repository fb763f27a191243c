// One pass of queries over a set in lists: each query looks through the lists that look best for
// it, which bounds its answer; the lists that may still hold something better are then taken one
// after the other, each for all queries that want it, while its codes and bytes are in the near
// caches.
//
// Owns: its working memory, reused from query to query. Threads: one at a time. Errors: none.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "index/search_lists.h"
#include "index/search_lists_best.h"
#include "index/whole_rows.h"

namespace headrace::index {

class ListPass {
 public:
  ListPass(const VectorLists& lists, uint32_t segment, const ListFilter& filter, size_t k,
           double recall);

  // Adds the best rows for each query to its top.
  void run(std::span<const std::span<const float>> queries, std::span<TopRows<float>> tops);
  // The same by comparing these places, or all, with every query.
  void compare(std::span<const std::span<const float>> queries, std::span<const uint32_t> places,
               std::span<TopRows<float>> tops);
  void compare_all(std::span<const std::span<const float>> queries, std::span<TopRows<float>> tops);

 private:
  // A query in the forms that the stages need, and what it has found.
  struct Query {
    explicit Query(size_t k) : best(k) {}
    const float* values = nullptr;
    const uint8_t* table = nullptr;
    CodeTable kind;
    uint32_t number = 0;  // among those that are searched for together
    float square = 0;
    float length = 0;
    float sum = 0;
    float step = 0;  // of the whole numbers
    std::vector<int16_t> whole;
    BestPlaces best;
    std::vector<ListBase> bases;  // of lists with rows that were compared
    // Of the threshold that they were computed for.
    float threshold = std::numeric_limits<float>::quiet_NaN();
    float distance = 0;
    float margin = 0;       // in units of a list's noise
    float reach = 0;        // in units of a list's reach
    float asked_reach = 0;  // when its visits were chosen
    float best_bound = 0;   // of all lists, for a reach of 0
  };
  // A list that a query wants to look through.
  struct Visit {
    uint32_t list;
    uint32_t query;
    float bound;
    float product;  // of the query and the centroid, as ListBounds gives it
  };
  struct Candidate {
    float score;
    uint32_t place;
  };

  // What a row must reach to be among the best known from other sets.
  static float known_floor(Metric metric, float square, const TopRows<float>& top) {
    if (!top.full()) return -std::numeric_limits<float>::infinity();
    const float score = top.threshold();
    return metric == Metric::l2 ? (square - score * score) / 2 : score;
  }
  void prepare(Query& query, const float* values) const;
  void run_together(std::span<const std::span<const float>> queries,
                    std::span<TopRows<float>> tops);
  void update(Query& query) const {
    const float threshold = query.best.threshold();
    if (threshold != query.threshold) follow(query, threshold);
  }
  void follow(Query& query, float threshold) const;
  void find_limits(const float* products, float factor);
  float first_limit() const;
  void pick(float from);
  void collect(float from);
  void look_first(Query& query, const float* products);
  void plan_visits(Query& query, const float* products);
  void make_visits(std::vector<Visit>& visits);
  void visit(Query& query, uint32_t list, float product);
  // The list that a query looks through.
  struct Place {
    uint32_t list;
    uint32_t first;  // place of what is found
    float product;
    float noise;
    uint32_t base = UINT32_MAX;  // of the query's, once there is one
  };
  void rerank(Query& query, size_t found, Place& in);
  size_t best_estimates_first(size_t found);
  void rerank_found(Query& query, size_t begin, size_t end, Place& in);
  size_t filtered(size_t found, uint32_t list, uint32_t first);
  bool passes(uint32_t list, uint32_t at) const;
  float byte_score(const Query& query, uint32_t place, const ListBase& base) const;
  void prefetch(uint32_t place) const;
  void prefetch_answers(const Query& query) const;
  void finish(Query& query, TopRows<float>& top) const;

  const VectorLists& lists_;
  const VectorEpoch& epoch_;
  const ListBounds& bounds_;
  const ListFilter& filter_;
  const uint32_t segment_;
  const size_t k_;
  const ListEfforts efforts_;
  const size_t dimension_;
  std::vector<Query> queries_;
  WholeQueries whole_;
  std::vector<int32_t> sums_;
  std::vector<float> padded_, rotated_, products_;
  ListBounds::Queries list_queries_;
  std::vector<float> table_products_;
  std::vector<uint8_t> tables_;
  std::vector<float> limits_, maxima_;
  std::vector<uint32_t> picked_;
  std::vector<float> shift_;  // of lists; those already visited are ruled out
  std::vector<uint32_t> looked_at_;
  std::vector<Candidate> chosen_;
  std::vector<float> part_best_;
  std::vector<Visit> first_visits_, visits_, sorted_;
  std::vector<uint32_t> starts_;
  std::vector<uint32_t> found_places_;
  std::vector<float> found_values_;
};

}  // namespace headrace::index
