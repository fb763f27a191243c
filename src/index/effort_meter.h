// Measures how far searches must look: goes through the lists for queries whose true answers are
// known, as a search does (search_lists_pass.h), and finds the least efforts for which no more than
// a share of the answers is missed.
//
// Owns: what it knows of its queries. Threads: uses the pool given. Errors: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/effort_queries.h"
#include "index/list_bounds.h"
#include "index/vector_lists.h"
#include "runtime/thread_pool.h"

namespace headrace::index {

// Where rows are and what their codes are.
struct CodedRows {
  std::span<const uint32_t> list_of;     // of each row
  std::span<const uint32_t> place_of;    // in the order of the lists
  std::span<const uint32_t> begins;      // first place of each list
  std::span<const size_t> block_begins;  // first block of each list
  std::span<const uint8_t> blocks;       // of codes
  bool trained_on;                       // the lists may have been made for these very rows
};

class EffortMeter {
 public:
  // For searches of the k best.
  EffortMeter(const VectorEpoch& epoch, const ListBounds& bounds, const WholeRotation& rotation,
              const CodedRows& rows, const EffortQueries& queries, size_t k, ThreadPool& pool);

  // A query whose k-th best is nearer than this is like the rows.
  float near_distance() const { return near_distance_; }
  // For each loss, for near queries and for others.
  struct Efforts {
    std::vector<ListEffort> near, far;
  };
  Efforts measure(std::span<const float> losses);

 private:
  // A row near a query, in the order in which a search comes to it.
  struct Step {
    float score;
    float bound;     // of its list
    float spread;    // of the list: what a reach of 1 adds, but for the query's part
    float estimate;  // of its code; infinity where it does not matter
    float noise;     // of the list's codes
    bool first;      // the list is looked through in any case
    bool unbound;    // compared before there is a bound
    bool answer;
    uint64_t order;
  };
  // What an answer needs to be found.
  struct Need {
    float reach, margin;
  };
  struct Query {
    std::vector<Step> steps;
    std::vector<Need> needs;
    float square = 0;
    float length = 0;
    float distance = 0;    // of the k-th best
    float best_bound = 0;  // of all lists
    size_t answers = 0;
    float last = 0;  // of the scores that are known, and its distance
    float last_distance = 0;
  };
  using Kinds = std::array<std::vector<Need>, EffortQueries::kKinds>;

  void prepare(size_t q, const VectorEpoch& epoch, const WholeRotation& rotation,
               const CodedRows& rows);
  size_t go(const Query& query, const ListEfforts* efforts, std::vector<Need>* needs) const;
  bool is_far(size_t q) const;
  ListEffort effort_for(const Kinds& needs, float loss) const;
  // Whether every kind of these queries finds this share of its answers.
  bool finds(bool far, const ListEfforts& efforts, float share) const;

  const ListBounds& bounds_;
  const EffortQueries& source_;
  const size_t k_;
  ThreadPool& pool_;
  std::vector<Query> queries_;
  float near_distance_ = 0;
  Kinds near_, far_;
};

}  // namespace headrace::index
