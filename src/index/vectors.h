// VectorSet: the vectors of some rows of one segment in one space. A segment has one set for each
// space written with it, and may get further ones later (patches) as a lagging space catches up.
// Stored as float16 (float32 where that would lose something: vector_precision.h), or in lists that
// are searched without reading all of them (vector_lists.h); cosine spaces hold unit vectors.
// Format: docs/formats/vectors.md.
//
// Owns: VectorSet is a view into a file's bytes. Threads: const and safe. Errors: damaged.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "index/section.h"

namespace headrace::index {

enum class Metric : uint8_t { cosine, ip, l2 };
Result<Metric> parse_metric(std::string_view name);
std::string_view metric_name(Metric metric);

// A named family of vectors in a knowledge base.
struct Space {
  std::string name;         // "default" for the first
  std::string model;        // as `info` names it; empty when the user brings vectors
  std::string fingerprint;  // of the model; empty when the user brings vectors
  uint32_t dimension = 0;
  Metric metric = Metric::cosine;
  std::string modality = "text";
};

// invalid_argument for NaN, infinity, or a zero vector under cosine; the message names the row.
Status check_vectors(std::span<const float> vectors, uint32_t dimension, Metric metric);

class VectorSetBuilder {
 public:
  VectorSetBuilder(uint32_t dimension, Metric metric);
  ~VectorSetBuilder();
  VectorSetBuilder(VectorSetBuilder&&) noexcept;
  // Before the first of about `count` vectors: whether binary16 tells the rows apart, where that is
  // known already. Vectors that it does not fit are kept as they are all the same.
  void expect(size_t count, bool as_f16);
  void add(uint32_t row, std::span<const float> vector);  // ascending rows, not necessarily all
  uint64_t memory_bytes() const;
  uint32_t count() const;
  Status finish(SectionSink& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class VectorSet {
 public:
  static Result<VectorSet> open(std::string_view section);
  ~VectorSet();
  VectorSet(VectorSet&&) noexcept;
  VectorSet& operator=(VectorSet&&) noexcept;

  uint32_t dimension() const;
  Metric metric() const;
  uint32_t count() const;
  bool covers(uint32_t row) const;
  // Whether a merge would put the vectors into lists, and they are not.
  bool wants_lists() const;
  // Writes the row's vector as float32; false when the set does not cover the row.
  bool vector(uint32_t row, std::span<float> out) const;
  // The row of the i-th stored vector, ascending.
  uint32_t row_at(uint32_t i) const;
  Status check() const;

  struct State;
  const State& state() const { return *state_; }

 private:
  explicit VectorSet(std::unique_ptr<State> state);
  static Result<VectorSet> open_lists(std::string_view section);
  std::unique_ptr<State> state_;
};

// From this many vectors on lists are worth their making.
inline constexpr uint32_t kListedVectorsMin = 20'000;

// With `lists`, many vectors are put into lists, which takes all cores and some seconds:
// `cancelled` (or null) becoming true ends it early.
struct VectorMergeOptions {
  bool lists = false;
  const std::atomic<bool>* cancelled = nullptr;
  uint64_t list_memory_bytes = 0;  // see write_vector_lists
  // Lets go of the inputs' pages; called now and then, by several threads, where memory is limited.
  std::function<void()> let_go;
};
// Later inputs win where several cover one resulting row.
Status merge_vectors(std::span<const MergeInput<VectorSet>> inputs,
                     const VectorMergeOptions& options, SectionSink& out);

}  // namespace headrace::index
