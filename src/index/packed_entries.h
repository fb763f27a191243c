// Packed entries: a table of numbers, each entry the same fields, that are mostly near a line
// (offsets, counts, numbers that rise): docs/formats/segment.md, "packed entries". Any number is
// read on its own.
//
// Owns: PackedEntries is a view into the section's bytes. Threads: const and safe. Errors: damaged.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "index/field_codec.h"
#include "index/section.h"

namespace headrace::index {

inline constexpr uint32_t kPackedBlockEntries = 256;
inline constexpr size_t kPackedFieldsMax = 32;

class PackedEntries {
 public:
  // Every place that get() will read is checked.
  static Result<PackedEntries> open(std::string_view bytes, uint32_t fields);

  uint32_t count() const { return count_; }
  uint64_t get(uint32_t entry, uint32_t field) const;
  // Whether the block that an entry stands in matches its checksum.
  bool holds(uint32_t entry) const;

 private:
  std::string_view block(uint32_t number) const;

  std::string_view bytes_;
  std::string_view directory_;
  uint32_t count_ = 0;
  uint32_t fields_ = 0;
};

class PackedEntriesWriter {
 public:
  PackedEntriesWriter(SectionSink& out, uint32_t fields) : out_(out), fields_(fields) {}
  Status add(std::span<const uint64_t> values);
  Status finish();

 private:
  Status flush();

  SectionSink& out_;
  const uint32_t fields_;
  uint32_t count_ = 0;
  uint64_t written_ = 0;
  std::vector<uint64_t> pending_;
  FieldWriter directory_;
};

}  // namespace headrace::index
