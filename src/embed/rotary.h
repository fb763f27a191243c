// Rotary positions: pairs of a head's dimensions, i and i + half, are turned by an angle that grows
// with the token's place; so scores depend on distances.
//
// Owns: its tables. Threads: immutable after construction. Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "embed/model_config.h"

namespace headrace::embed {

class Rotary {
 public:
  Rotary() = default;
  // For places 0 … places - 1.
  Rotary(const RotaryConfig& config, uint32_t dimensions, uint32_t places);

  bool empty() const { return half_ == 0; }
  // Turns `heads` heads of `head_size` floats, side by side from `row` on.
  void turn(float* row, size_t place, size_t heads, size_t head_size) const;

 private:
  size_t half_ = 0;
  std::vector<float> cosines_;  // places x half
  std::vector<float> sines_;
};

}  // namespace headrace::embed
