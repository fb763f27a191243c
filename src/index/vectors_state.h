// An opened section "vectors": where its parts lie.
//
// Owns: views into the section, which outlives it. Threads: const and safe. Errors: none here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "index/section_bytes.h"
#include "index/vector_lists.h"
#include "index/vectors.h"

namespace headrace::index {

inline constexpr uint32_t kVectorsMagic = 0x45565248;  // "HRVE"
inline constexpr uint32_t kVectorsVersion = 1;
inline constexpr size_t kVectorsHeadBytes = 64;
inline constexpr size_t kVectorsTrailerBytes = 64;
inline constexpr uint32_t kDimensionMax = 65536;

enum class Element : uint8_t { f16, f32 };

struct VectorSet::State {
  uint32_t dimension = 0;
  uint32_t count = 0;
  Metric metric = Metric::cosine;
  Element element = Element::f16;
  bool rows_listed = false;
  uint32_t first_row = 0;
  std::string_view vectors;
  std::string_view rows;
  std::unique_ptr<VectorLists> lists;  // version 2: then the parts above are empty

  size_t stride() const {
    return size_t{dimension} * (element == Element::f16 ? sizeof(uint16_t) : sizeof(float));
  }
  // Of version 1 only; i counts in the order of storage, which is that of the rows.
  const char* at(uint32_t i) const { return vectors.data() + i * stride(); }
  uint32_t row_at(uint32_t i) const {
    if (lists) return lists->row_ascending(i);
    return rows_listed ? load<uint32_t>(rows.data() + size_t{i} * 4) : first_row + i;
  }
  // Which stored vector is the row's.
  std::optional<uint32_t> find(uint32_t row) const;
  // The stored vector as float32.
  void decode(uint32_t i, std::span<float> out) const;
};

}  // namespace headrace::index
