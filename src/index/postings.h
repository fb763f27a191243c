// Postings: the full-text part of a segment: which rows contain which terms how often, in blocks of
// 128 with the largest impact of each block, for BM25 with MaxScore, and where in the row, for
// phrases. Format: docs/formats/postings.md.
//
// Owns: Postings is a view into the segment's bytes, which must outlive it. Threads: const and
// safe. Errors: damaged.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/section.h"

namespace headrace::index {

class PostingsBuilder {
 public:
  explicit PostingsBuilder(std::string_view language);
  ~PostingsBuilder();
  PostingsBuilder(PostingsBuilder&&) noexcept;
  // Rows must come in ascending order; `title` is searched as part of the text.
  void add(uint32_t row, std::string_view title, std::string_view text);
  uint64_t memory_bytes() const;
  Status finish(SectionSink& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class Postings {
 public:
  static Result<Postings> open(std::string_view section);
  ~Postings();
  Postings(Postings&&) noexcept;
  Postings& operator=(Postings&&) noexcept;

  // What BM25 needs to be summed over all segments before scoring.
  uint64_t row_count() const;    // rows with text
  uint64_t total_terms() const;  // sum of row lengths
  uint32_t document_frequency(std::string_view term) const;
  std::string_view language() const;
  // False in sections of version 1 and what was merged from them: no phrases, no titles.
  bool has_positions() const;

  // Full structural check of every block (for `verify`).
  Status check() const;

  struct State;
  const State& state() const { return *state_; }

 private:
  explicit Postings(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Written by the first version: phrases and titles of its rows are not found until it is rebuilt.
inline bool lacks_positions(const Postings& postings) {
  return postings.row_count() > 0 && !postings.has_positions();
}

// Streams the merged section; memory stays bounded whatever the size of the inputs.
Status merge_postings(std::span<const MergeInput<Postings>> inputs, SectionSink& out);

}  // namespace headrace::index
