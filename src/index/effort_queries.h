// Queries by which the effort of searches is measured when lists are made, with their true answers:
// rows, rows with noise, and such as are unlike the rows. Rows are compared in small whole numbers;
// those that come near are compared exactly at the end.
//
// Owns: its queries and what is near them. Threads: compare() from one thread a task, the others
// from one. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "index/vector_lists.h"
#include "index/whole_rows.h"
#include "runtime/thread_pool.h"

namespace headrace::index {

class EffortQueries {
 public:
  // Rows, rows with noise; then those unlike the rows: rows between others, what one row has and
  // another has not (short questions are so to long texts), random directions.
  enum Kind : size_t { kRow, kNoisy, kBetween, kDifference, kRandom };
  static constexpr size_t kKinds = 5;
  // Under the Euclidean metric scores are q·x - |x|²/2.
  struct Near {
    float score;
    uint32_t row;  // its number
  };

  EffortQueries(uint32_t dimension, Metric metric, size_t rows, const VectorSource& vector);

  size_t count() const { return squares_.size(); }
  static Kind kind(size_t query);
  const float* values(size_t query) const { return values_.data() + query * padded_; }
  float square(size_t query) const { return squares_[query]; }
  // The number of the row that the query is.
  std::optional<uint32_t> self(size_t query) const {
    return self_[query] == UINT32_MAX ? std::nullopt : std::optional(self_[query]);
  }
  // Best first; a row is no answer to itself.
  const std::vector<Near>& best(size_t query) const { return best_[query]; }

  // What compare() takes rows as: less `mean`.
  void start(const std::vector<float>& mean, size_t tasks);
  // Rows from `first` on, taken less the mean, and their squared lengths.
  void compare(size_t task, const WholeQueries& rows, size_t count, size_t first,
               const float* mean_products, const float* squares, std::vector<int32_t>& sums);
  void finish(ThreadPool& pool);

 private:
  struct Task {
    std::vector<std::vector<Near>> found;
    std::vector<float> floors;
  };
  void choose(size_t rows);
  static void keep_best(std::vector<Near>& found, size_t count);

  const uint32_t dimension_;
  const size_t padded_;
  const Metric metric_;
  const VectorSource& vector_;
  std::vector<float> values_;
  std::vector<float> squares_;
  std::vector<uint32_t> self_;
  std::vector<float> mean_;
  float mean_square_ = 0;
  WholeRows whole_;
  size_t kept_ = 0;  // for each task
  std::vector<Task> tasks_;
  std::vector<std::vector<Near>> best_;
};

}  // namespace headrace::index
