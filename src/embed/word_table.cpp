#include "embed/word_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

#include "embed/layers.h"
#include "embed/rounding.h"

namespace headrace::embed {
namespace {

constexpr float kLargest = 511;
constexpr uint32_t kZero = 512;  // what a value of 0 is packed as

// The least step of so many bits as a Bfloat holds with which no value is beyond kLargest steps.
Bfloat step_of(float largest) {
  const float wanted = largest / kLargest;
  const auto bits = std::bit_cast<uint32_t>(wanted);
  return static_cast<Bfloat>((bits + 0xffff) >> 16);
}

}  // namespace

Result<WordTable> WordTable::load(WeightReader& reader, const std::string& name, size_t words,
                                  size_t width) {
  WordTable table;
  table.width_ = width;
  const Precision precision = reader.precision();
  if (precision == Precision::int16 || precision == Precision::int8) {
    table.packed_.resize(words * table.groups() * kGroupBytes);
    table.steps_.resize(words * table.groups());
    HR_TRY(reader.matrix(name, words, width,
                         [&](uint64_t word, const float* values) { table.put(word, values); }));
    return table;
  }
  table.halves_.resize(words * width);
  bool fits = true;
  HR_TRY(reader.matrix(name, words, width, [&](uint64_t word, const float* values) {
    fits &= reader.kernels().narrow(values, table.halves_.data() + word * width, width);
  }));
  if (!fits) return reader.too_big(name);
  return table;
}

void WordTable::put(size_t word, const float* values) {
  for (size_t group = 0; group < groups(); ++group) {
    const std::span<const float> part(values + group * kGroup,
                                      std::min(kGroup, width_ - group * kGroup));
    float largest = 0;
    for (const float value : part) largest = std::max(largest, std::abs(value));
    const Bfloat step = step_of(largest);
    const float width = from_bfloat(step);
    const size_t place = word * groups() + group;
    steps_.data()[place] = step;
    uint8_t* const high = packed_.data() + place * kGroupBytes;
    uint8_t* const low = high + kGroup;
    int32_t numbers[kGroup] = {};
    for (size_t i = 0; i < part.size() && width > 0; ++i) {
      numbers[i] = nearest_whole(part[i] / width);
    }
    for (size_t i = 0; i < part.size(); ++i) {
      const auto bits = static_cast<uint32_t>(numbers[i] + kZero);
      high[i] = static_cast<uint8_t>(bits >> 2);
      low[i % kLows] |= static_cast<uint8_t>((bits & 3) << (i / kLows * 2));
    }
  }
}

// Plain code: a word's way through the layers takes a hundred times longer.
void WordTable::add(const Kernels& kernels, size_t word, const float* addend, float* out) const {
  if (packed_.size() == 0) {
    kernels.widen_add(halves_.data() + word * width_, addend, out, width_);
    return;
  }
  for (size_t group = 0; group < groups(); ++group) {
    const size_t place = word * groups() + group;
    const float step = from_bfloat(steps_.data()[place]);
    const uint8_t* const high = packed_.data() + place * kGroupBytes;
    const uint8_t* const low = high + kGroup;
    float values[kGroup];
    for (size_t quarter = 0; quarter < kGroup / kLows; ++quarter) {
      for (size_t i = 0; i < kLows; ++i) {
        const uint32_t bits =
            uint32_t{high[quarter * kLows + i]} << 2 | (low[i] >> quarter * 2 & 3);
        values[quarter * kLows + i] = static_cast<float>(static_cast<int32_t>(bits - kZero));
      }
    }
    const size_t begin = group * kGroup;
    const size_t count = std::min(kGroup, width_ - begin);
    for (size_t i = 0; i < count; ++i) out[begin + i] = addend[begin + i] + step * values[i];
  }
}

}  // namespace headrace::embed
