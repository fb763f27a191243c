// Columns: the typed filter columns of a segment: metadata (text, number, boolean, list of text;
// null-aware) and the built-in source, title, heading, modality, via, page, start, end, position.
// Format: docs/formats/segment.md, section "columns".
//
// Owns: Columns is a view into the segment's bytes. Threads: const and safe. Errors: damaged.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "batch/document.h"
#include "index/section.h"

namespace headrace::index {

class ColumnsBuilder {
 public:
  ColumnsBuilder();
  ~ColumnsBuilder();
  ColumnsBuilder(ColumnsBuilder&&) noexcept;
  void add(uint32_t row, const Row& row_data);  // ascending rows
  uint64_t memory_bytes() const;
  Status finish(SectionSink& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class Columns {
 public:
  static Result<Columns> open(std::string_view section);
  ~Columns();
  Columns(Columns&&) noexcept;
  Columns& operator=(Columns&&) noexcept;

  uint32_t row_count() const;
  std::vector<std::string> names() const;
  Value value(uint32_t row, std::string_view column) const;  // null where absent
  Status check() const;

  struct State;
  const State& state() const { return *state_; }

 private:
  explicit Columns(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

Status merge_columns(std::span<const MergeInput<Columns>> inputs, SectionSink& out);

}  // namespace headrace::index
