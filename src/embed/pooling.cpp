#include "embed/pooling.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace headrace::embed {
namespace {

// out = sum of weight(i) * row i, then divided by `divisor`.
void weighted_sum(const TokenRows& tokens, bool by_place, float divisor, std::span<float> out) {
  std::ranges::fill(out, 0.0f);
  for (size_t i = tokens.skipped; i < tokens.count; ++i) {
    const float* row = tokens.rows + i * tokens.stride;
    const float weight = by_place ? static_cast<float>(i + 1) : 1.0f;
    for (size_t d = 0; d < out.size(); ++d) out[d] += weight * row[d];
  }
  const float factor = 1.0f / divisor;
  for (float& value : out) value *= factor;
}

}  // namespace

void pool(Pooling pooling, const TokenRows& tokens, std::span<float> out) {
  HR_CHECK(tokens.count > 0 && out.size() <= tokens.stride, "there is something to pool");
  const bool none_left = tokens.skipped >= tokens.count;
  if (none_left && pooling != Pooling::cls) {
    std::ranges::fill(out, 0.0f);
    return;
  }
  const auto skipped = static_cast<float>(tokens.skipped);
  const auto all = static_cast<float>(tokens.count);
  const float count = all - skipped;
  switch (pooling) {
    case Pooling::mean:
      return weighted_sum(tokens, false, count, out);
    case Pooling::mean_sqrt_length:
      return weighted_sum(tokens, false, std::sqrt(count), out);
    case Pooling::weighted_mean:
      return weighted_sum(tokens, true, (all * (all + 1) - skipped * (skipped + 1)) / 2, out);
    case Pooling::cls:
      std::copy_n(tokens.rows + (none_left ? 0 : tokens.skipped) * tokens.stride, out.size(),
                  out.begin());
      return;
    case Pooling::last:
      std::copy_n(tokens.rows + (tokens.count - 1) * tokens.stride, out.size(), out.begin());
      return;
    case Pooling::max:
      std::copy_n(tokens.rows + tokens.skipped * tokens.stride, out.size(), out.begin());
      for (size_t i = tokens.skipped + 1; i < tokens.count; ++i) {
        const float* row = tokens.rows + i * tokens.stride;
        for (size_t d = 0; d < out.size(); ++d) out[d] = std::max(out[d], row[d]);
      }
      return;
  }
}

void normalize(std::span<float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * value;
  if (squares == 0) return;
  const auto factor = static_cast<float>(1.0 / std::sqrt(squares));
  for (float& value : vector) value *= factor;
}

}  // namespace headrace::embed
