#include "index/vector_kernels.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace headrace::index {
namespace {

float f16_value(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 0x1F;
  const uint32_t mantissa = half & 0x3FF;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000 | (mantissa << 13));
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
}

uint16_t f16_bits(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) {  // the hardware keeps the payload of a NaN and makes it quiet
    return static_cast<uint16_t>(sign | 0x7E00 | ((magnitude >> 13) & 0x3FF));
  }
  if (magnitude >= 0x477FF000) return static_cast<uint16_t>(sign | 0x7C00);  // rounds to 65,536
  if (magnitude < 0x38800000) {  // subnormal: adding 2^-1 lets the FPU round to multiples of 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3F000000));
  }
  const uint32_t rounded = magnitude + 0xFFF + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - (112u << 23)) >> 13));
}

float dot_f16(const uint16_t* row, const float* query, size_t dimension) {
  float sum = 0;
  for (size_t i = 0; i < dimension; ++i) sum += f16_value(row[i]) * query[i];
  return sum;
}

float l2_f16(const uint16_t* row, const float* query, size_t dimension) {
  float sum = 0;
  for (size_t i = 0; i < dimension; ++i) {
    const float difference = f16_value(row[i]) - query[i];
    sum += difference * difference;
  }
  return sum;
}

float dot_f32(const float* row, const float* query, size_t dimension) {
  float sum = 0;
  for (size_t i = 0; i < dimension; ++i) sum += row[i] * query[i];
  return sum;
}

float l2_f32(const float* row, const float* query, size_t dimension) {
  float sum = 0;
  for (size_t i = 0; i < dimension; ++i) {
    const float difference = row[i] - query[i];
    sum += difference * difference;
  }
  return sum;
}

void f16_to_f32(const uint16_t* in, float* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = f16_value(in[i]);
}

void f32_to_f16(const float* in, uint16_t* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = f16_bits(in[i]);
}

double squares_f32(const float* in, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += double{in[i]} * double{in[i]};
  return sum;
}

void scale_f32(const float* in, double factor, float* out, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i] * factor);
}

uint32_t greatest_bits(const float* in, size_t count) {
  uint32_t greatest = 0;
  for (size_t i = 0; i < count; ++i)
    greatest = std::max(greatest, std::bit_cast<uint32_t>(in[i]) & 0x7FFFFFFF);
  return greatest;
}

void dot_tile(const float* rows, size_t row_count, const float* queries, size_t query_count,
              size_t padded, float* out) {
  for (size_t q = 0; q < query_count; ++q) {
    for (size_t r = 0; r < row_count; ++r) {
      out[q * row_count + r] = dot_f32(rows + r * padded, queries + q * padded, padded);
    }
  }
}

}  // namespace

const VectorKernels& vector_kernels_scalar() {
  static constexpr VectorKernels kernels = {"scalar",  dot_f16,       l2_f16,     dot_f32,
                                            l2_f32,    f16_to_f32,    f32_to_f16, squares_f32,
                                            scale_f32, greatest_bits, dot_tile};
  return kernels;
}

#if !defined(__x86_64__)
const VectorKernels* vector_kernels_avx2() {
  return nullptr;
}
const VectorKernels* vector_kernels_avx512() {
  return nullptr;
}
#endif

const VectorKernels& vector_kernels() {
  static const VectorKernels& best = []() -> const VectorKernels& {
    if (const VectorKernels* kernels = vector_kernels_avx512()) return *kernels;
    if (const VectorKernels* kernels = vector_kernels_avx2()) return *kernels;
    return vector_kernels_scalar();
  }();
  return best;
}

}  // namespace headrace::index
