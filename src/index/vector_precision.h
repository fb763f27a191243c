// Whether binary16 keeps vectors well enough: it rounds a component to 11 bits, which is less than
// what tells rows apart, unless these lie far closer together than they are long.
//
// Owns: nothing. Threads: pure functions. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace headrace::index {

// So many rows tell it. Sets of fewer stay in binary32.
inline constexpr size_t kPrecisionSample = 1024;

// Whether the vector survives: no value is too large, and no more than 1/512 of its length is lost
// (tiny values). `halves` and `back`, of its length, become its rounded form.
bool fits_f16(std::span<const float> vector, std::span<uint16_t> halves, std::span<float> back);

// The vector itself where it is of length 1 already, so that copying it changes nothing, else what
// `unit`, which gets its length, becomes; a zero vector stays zero.
std::span<const float> at_unit_length(std::span<const float> vector, std::span<float> unit);

// What a model made is rounded before it is kept, so that it is the same numbers whether its set is
// written in binary16 or in binary32, which depends on how many rows came together. Vectors that
// binary16 does not fit stay as they are. `unit`: they are brought to length 1 first.
void round_to_f16(std::span<float> vectors, uint32_t dimension, bool unit);

// By kPrecisionSample vectors of a set's rows: `vector(i, out)` gives one, of `dimension`. They are
// not held all at once.
bool tells_rows_apart(uint32_t dimension,
                      const std::function<void(size_t i, std::span<float> out)>& vector);

}  // namespace headrace::index
