// What a term adds to a row's BM25 score, in whole numbers.
//
// Owns: a table of the term. Threads: const after construction. Errors: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "index/postings_format.h"

namespace headrace::index {

// What a term adds to a row. Every step is monotone in tf and in the length, also after rounding,
// so that the impact of a block is never below any of its postings.
inline uint32_t contribution(float weight, float tf, float inverse_norm) {
  return static_cast<uint32_t>(weight - weight / (1.0f + tf * inverse_norm));
}

// What a term adds to a row, by the row's length code and how often the term is in it: nearly all
// postings have a small tf, so that adding them up is looking them up.
class Contributions {
 public:
  Contributions(float weight, const std::array<float, 256>& inverse_norms)
      : weight_(weight), inverse_norms_(inverse_norms) {
    for (uint32_t tf = 1; tf <= kTabled; ++tf) {
      for (uint32_t code = 0; code < 256; ++code) {
        table_[(tf - 1) * 256 + code] =
            contribution(weight, static_cast<float>(tf), inverse_norms[code]);
      }
    }
  }

  uint32_t of(uint32_t tf, uint8_t code) const {
    if (tf - 1 < kTabled) return table_.data()[(tf - 1) * 256 + code];
    return contribution(weight_, static_cast<float>(tf), inverse_norms_[code]);
  }
  // The most that a posting covered by the impact can add.
  uint32_t of(Impact impact) const {
    if (impact.tf != 255) return of(impact.tf, impact.length_code);
    return contribution(weight_, std::numeric_limits<float>::infinity(),
                        inverse_norms_[impact.length_code]);
  }
  template <size_t count>
  uint32_t bound(const std::array<Impact, count>& impacts) const {
    uint32_t most = 0;
    for (const Impact impact : impacts) most = std::max(most, of(impact));
    return most;
  }

 private:
  static constexpr uint32_t kTabled = 8;
  float weight_;
  std::array<float, 256> inverse_norms_;
  std::array<uint32_t, kTabled * 256> table_;
};

}  // namespace headrace::index
