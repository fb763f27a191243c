#include "embed/rotary.h"

#include <cmath>

namespace headrace::embed {

Rotary::Rotary(const RotaryConfig& config, uint32_t dimensions, uint32_t places)
    : half_(dimensions / 2), cosines_(places * half_), sines_(places * half_) {
  for (size_t i = 0; i < half_; ++i) {
    // Models are trained with angles in single precision, so that is what they mean.
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dimensions);
    const float frequency = 1.0f / std::pow(config.base, exponent) / config.divisor;
    for (size_t place = 0; place < places; ++place) {
      const double angle = static_cast<float>(place) * frequency;
      cosines_[place * half_ + i] = static_cast<float>(std::cos(angle));
      sines_[place * half_ + i] = static_cast<float>(std::sin(angle));
    }
  }
}

void Rotary::turn(float* row, size_t place, size_t heads, size_t head_size) const {
  const float* const cosines = cosines_.data() + place * half_;
  const float* const sines = sines_.data() + place * half_;
  for (size_t head = 0; head < heads; ++head) {
    float* const first = row + head * head_size;
    float* const second = first + half_;
    for (size_t i = 0; i < half_; ++i) {
      const float a = first[i];
      const float b = second[i];
      first[i] = a * cosines[i] - b * sines[i];
      second[i] = b * cosines[i] + a * sines[i];
    }
  }
}

}  // namespace headrace::embed
