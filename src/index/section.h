// What the parts of a segment share: where their bytes go when they are built, and how the parts of
// several segments become one when segments are merged.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace::index {

// A row that does not survive a merge.
inline constexpr uint32_t kDroppedRow = UINT32_MAX;

// Receives a section's bytes in order; a file when segments are written, memory for small ones.
class SectionSink {
 public:
  virtual ~SectionSink() = default;
  virtual Status append(std::string_view bytes) = 0;
};

class StringSink : public SectionSink {
 public:
  Status append(std::string_view bytes) override {
    bytes_.append(bytes);
    return {};
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Where the rows (or documents) of an input of a merge are in the result: their numbers, ascending
// over the inputs, or kDroppedRow. Most inputs keep all they have, and need no table for it.
class NumberMap {
 public:
  NumberMap() = default;
  // The numbers must outlive it.
  NumberMap(std::span<const uint32_t> numbers) : numbers_(numbers), size_(numbers.size()) {}
  NumberMap(const std::vector<uint32_t>& numbers) : NumberMap(std::span(numbers)) {}
  static NumberMap moved_by(uint32_t first, size_t size) {
    NumberMap map;
    map.first_ = first;
    map.size_ = size;
    return map;
  }

  size_t size() const { return size_; }
  uint32_t operator[](size_t number) const {
    return numbers_.empty() ? first_ + static_cast<uint32_t>(number) : numbers_[number];
  }
  bool keeps_all() const {
    for (size_t i = 0; i < numbers_.size(); ++i) {
      if (numbers_[i] == kDroppedRow || numbers_[i] - numbers_[0] != i) return false;
    }
    return true;
  }

 private:
  std::span<const uint32_t> numbers_;
  uint32_t first_ = 0;
  size_t size_ = 0;
};

// One input of a merge: an opened part and where its rows go.
template <typename Part>
struct MergeInput {
  const Part* part = nullptr;
  NumberMap row_map;
};

// One bit a row. Empty means "none set".
class RowBitmap {
 public:
  RowBitmap() = default;
  explicit RowBitmap(uint32_t rows) : words_((rows + 63) / 64) {}
  bool empty() const { return words_.empty(); }
  bool test(uint32_t row) const {
    return !words_.empty() && ((words_[row / 64] >> (row % 64)) & 1) != 0;
  }
  void set(uint32_t row) { words_[row / 64] |= uint64_t{1} << (row % 64); }
  void clear(uint32_t row) { words_[row / 64] &= ~(uint64_t{1} << (row % 64)); }
  uint64_t count() const {
    uint64_t sum = 0;
    for (const uint64_t word : words_) sum += static_cast<uint64_t>(__builtin_popcountll(word));
    return sum;
  }
  std::vector<uint64_t>& words() { return words_; }
  const std::vector<uint64_t>& words() const { return words_; }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace headrace::index
