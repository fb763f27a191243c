// WordTable: the vectors of a vocabulary's words, which a transformer begins with.
//
// Half of a small model's weights lie here, and a text needs few of them: what counts is their
// size. With float arithmetic they are halves; where matrices are whole numbers, so are they: 10
// bits each, with a step for every 64 of a word. What MiniLM makes of them has a cosine of 0.999993
// and more to what it makes of halves, the rest of int16 included; with 8 bits it would be 0.9999.
//
// Owns: the table. Threads: immutable after loading. Errors: as WeightReader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "embed/aligned_buffer.h"
#include "embed/kernels.h"

namespace headrace::embed {

class WeightReader;

class WordTable {
 public:
  WordTable() = default;
  // The tensor `name` of words x width, in the precision that the reader stands at.
  static Result<WordTable> load(WeightReader& reader, const std::string& name, size_t words,
                                size_t width);
  // out = the word's vector + addend, `width` floats each.
  void add(const Kernels& kernels, size_t word, const float* addend, float* out) const;

 private:
  static constexpr size_t kGroup = 64;  // values with one step
  static constexpr size_t kLows = kGroup / 4;
  // A group: its values' upper 8 bits, then the lower two, those of values 16 apart in one byte.
  static constexpr size_t kGroupBytes = kGroup + kLows;
  size_t groups() const { return (width_ + kGroup - 1) / kGroup; }
  void put(size_t word, const float* values);

  size_t width_ = 0;
  AlignedBuffer<Half> halves_;
  AlignedBuffer<uint8_t> packed_;  // instead of halves: words x groups x kGroupBytes
  AlignedBuffer<Bfloat> steps_;    // words x groups
};

}  // namespace headrace::embed
