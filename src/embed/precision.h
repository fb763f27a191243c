// Precision: in which numbers a model's matrices are held and multiplied.
//
// Threads: values and pure functions. Errors: invalid_argument for a name that is none.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace headrace {

enum class Precision : uint8_t {
  fp32,   // float arithmetic over half-precision weights
  bf16,   // float arithmetic over bfloat16 weights: less exact, but for weights of any size
  int16,  // whole-number products: weights per column in up to 16 bits, inputs per row in 14
  int8,  // whole-number products: weights per column, inputs per row, each in 7 bits for 192 inputs
  table,  // no matrices: the static model that is distilled from the model; called "static"
};

std::string_view precision_name(Precision precision);
// The name and, where vectors are no longer those that it once gave, which rounding gives them now:
// for fingerprints.
std::string_view rounding_name(Precision precision);
// The quickest here that no one can tell from float by what is found: int16 where the CPU
// multiplies such numbers faster than floats (cosine to float 0.99999 and more), else fp32.
Precision default_precision();
// "" and "auto" are the default.
Result<Precision> parse_precision(std::string_view name);

}  // namespace headrace
