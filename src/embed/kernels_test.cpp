// Every kernel table against double precision, and the promise that rows do not influence others.
#include "embed/kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "embed/layers.h"

namespace headrace::embed {
namespace {

class KernelsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    kernels_ = find_kernels(GetParam());
    if (kernels_ == nullptr) GTEST_SKIP() << "this CPU does not run " << GetParam();
  }
  std::vector<float> random(size_t count, float spread = 1) {
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> values(count);
    for (float& value : values) value = normal(random_);
    return values;
  }
  // A row of quantised inputs, as the table lays it out.
  void put_input_word(int16_t* row, size_t depth, size_t i, int16_t word) const {
    if (!kernels_->words_in_planes) {
      row[i] = word;
      return;
    }
    auto* const upper = reinterpret_cast<int8_t*>(row);
    upper[i] = static_cast<int8_t>(word >> 8);
    upper[depth + i] = static_cast<int8_t>(word & 0xFF);
  }
  int input_word(const int16_t* row, size_t depth, size_t i) const {
    if (!kernels_->words_in_planes) return row[i];
    const auto* const upper = reinterpret_cast<const int8_t*>(row);
    return upper[i] * 256 + static_cast<uint8_t>(upper[depth + i]);
  }
  const Kernels* kernels_ = nullptr;
  std::mt19937 random_{7};
};

INSTANTIATE_TEST_SUITE_P(All, KernelsTest,
                         testing::Values("scalar", "avx2", "avx512", "avx512vnni", "avx512amx",
                                         "neon", "neondot"),
                         [](const auto& param) { return std::string(param.param); });

double exact(Activation activation, double x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::gelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  return x;
}

// A dense problem of any shape with its packed weights.
struct Problem {
  size_t rows, depth, columns, padded;
  std::vector<float> input, weights, bias;
  AlignedBuffer<Half> panels;
  std::vector<float> output;

  void pack(size_t width) {
    padded = round_up(columns, kPanelWidthMax);
    panels.resize(padded * depth);
    bias.resize(padded);
    for (size_t n = 0; n < columns; ++n) {
      for (size_t k = 0; k < depth; ++k) {
        Half& half = panels.data()[n / width * width * depth + k * width + n % width];
        half = to_half(weights[n * depth + k]);
        weights[n * depth + k] = from_half(half);
      }
    }
  }
};

TEST_P(KernelsTest, LinearMatchesDoublePrecision) {
  AlignedBuffer<float> workspace(linear_workspace());
  for (const size_t rows : {1, 2, 3, 5, 6, 7, 11, 12, 13, 25, 64, 73}) {
    for (const auto& [depth, columns] :
         {std::pair<size_t, size_t>{1, 1}, {7, 33}, {64, 32}, {256, 48}, {257, 32}, {700, 96}}) {
      Problem p{.rows = rows, .depth = depth, .columns = columns};
      p.input = random(rows * depth);
      p.weights = random(depth * columns, 0.3f);
      p.bias = random(columns);
      p.pack(kernels_->panel_width);
      for (const Activation activation : {Activation::none, Activation::gelu}) {
        p.output.assign(rows * p.padded, -1.0f);
        kernels_->linear({.input = p.input.data(),
                          .input_stride = depth,
                          .rows = rows,
                          .panels = p.panels.data(),
                          .panel_stride = depth * kernels_->panel_width,
                          .depth = depth,
                          .columns = p.padded,
                          .bias = p.bias.data(),
                          .output = p.output.data(),
                          .output_stride = p.padded,
                          .activation = activation,
                          .workspace = workspace.data()});
        double worst = 0;
        for (size_t r = 0; r < rows; ++r) {
          for (size_t n = 0; n < columns; ++n) {
            double sum = p.bias[n];
            double size = std::abs(sum);
            for (size_t k = 0; k < depth; ++k) {
              const double term =
                  static_cast<double>(p.input[r * depth + k]) * p.weights[n * depth + k];
              sum += term;
              size += std::abs(term);
            }
            worst = std::max(
                worst, std::abs(p.output[r * p.padded + n] - exact(activation, sum)) / (1 + size));
          }
          for (size_t n = columns; n < p.padded; ++n) EXPECT_EQ(p.output[r * p.padded + n], 0.0f);
        }
        EXPECT_LT(worst, 2e-6) << rows << " x " << depth << " x " << columns;
      }
    }
  }
}

TEST_P(KernelsTest, LinearTakesBfloats) {
  Problem p{.rows = 31, .depth = 70, .columns = 64};
  p.input = random(p.rows * p.depth);
  p.weights = random(p.depth * p.columns, 1e5f);  // halves would be infinite
  p.pack(kernels_->panel_width);
  const size_t width = kernels_->panel_width;
  for (size_t n = 0; n < p.columns; ++n) {
    for (size_t k = 0; k < p.depth; ++k) {
      const Bfloat bfloat = to_bfloat(p.weights[n * p.depth + k] = random(1, 1e5f)[0]);
      p.panels.data()[n / width * width * p.depth + k * width + n % width] =
          static_cast<Half>(bfloat);
      p.weights[n * p.depth + k] = from_bfloat(bfloat);
    }
  }
  AlignedBuffer<float> workspace(linear_workspace());
  for (const size_t rows : {size_t{3}, p.rows}) {  // weights widened on the way, and first
    p.output.assign(rows * p.padded, 0.0f);
    kernels_->linear({.input = p.input.data(),
                      .input_stride = p.depth,
                      .rows = rows,
                      .panels = p.panels.data(),
                      .bfloat = true,
                      .panel_stride = p.depth * width,
                      .depth = p.depth,
                      .columns = p.padded,
                      .output = p.output.data(),
                      .output_stride = p.padded,
                      .workspace = workspace.data()});
    for (size_t r = 0; r < rows; ++r) {
      for (size_t n = 0; n < p.columns; ++n) {
        double sum = 0;
        double size = 0;
        for (size_t k = 0; k < p.depth; ++k) {
          const double term =
              static_cast<double>(p.input[r * p.depth + k]) * p.weights[n * p.depth + k];
          sum += term;
          size += std::abs(term);
        }
        ASSERT_NEAR(p.output[r * p.padded + n], sum, 2e-6 * size);
      }
    }
  }
}

TEST_P(KernelsTest, QuantisedRowsAreWithinHalfAStep) {
  for (const size_t depth : {1, 2, 7, 8, 9, 24, 33, 192, 193, 384}) {
    const size_t rows = 5;
    std::vector<float> input = random(rows * depth, 3);
    for (size_t i = 0; i < depth; ++i) {
      input[i] = 2.5f;                                    // a row without any spread
      input[depth + i] = std::abs(input[depth + i]) + 4;  // all of one sign
    }
    const size_t padded = round_up(depth, kernels_->depth_step);
    const size_t stride = padded + 3;
    std::vector<uint8_t> bytes(rows * stride, 200);
    // One value a hundred times farther out than the rest, wherever it lies.
    for (size_t r = 2; r < rows; ++r) {
      for (size_t begin = 0; begin < depth; begin += kInt8Group) {
        const size_t place = random_() % std::min(kInt8Group, depth - begin);
        input[r * depth + begin + place] = r % 2 == 0 ? 300.0f : -300.0f;
      }
    }
    std::vector<Int8Scale> scales(2 * rows);
    kernels_->quantise({.input = input.data(),
                        .input_stride = depth,
                        .rows = rows,
                        .depth = depth,
                        .output = bytes.data(),
                        .output_stride = stride,
                        .scales = scales.data(),
                        .scale_stride = rows});
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < depth; ++i) {
        const uint8_t byte = bytes[r * stride + i];
        const Int8Scale& scale = scales[i / kInt8Group * rows + r];
        const bool far = i % kInt8Group == scale.place;
        ASSERT_LE(byte, 127);
        ASSERT_LE(scale.step, 30.0f / 127) << "the rest has steps of its own";
        ASSERT_NEAR(scale.least + scale.step * byte + (far ? scale.beyond : 0.0f),
                    input[r * depth + i], 0.501f * scale.step + 1e-6f * std::abs(scale.beyond))
            << "row " << r << " place " << i << " of " << depth;
      }
      for (size_t i = depth; i < padded; ++i) EXPECT_EQ(bytes[r * stride + i], 0);
      EXPECT_EQ(bytes[r * stride + padded], 200) << "wrote beyond the row";
    }
  }
}

// The largest bytes and weights everywhere too: sums that would saturate in 16 bits.
TEST_P(KernelsTest, Int8SumsAreExact) {
  const size_t width = kernels_->panel_width;
  for (const size_t rows : {1, 2, 5, 6, 7, 13, 16, 17, 32, 40, 49}) {
    for (const size_t wanted : {8, 40, 192, 384}) {
      const size_t depth = round_up(wanted, kernels_->depth_step);
      for (const bool extreme : {false, true}) {
        const size_t columns = 64;
        std::vector<uint8_t> input(rows * depth);
        for (uint8_t& byte : input) byte = extreme ? 127 : random_() % 128;
        std::vector<int8_t> weights(columns * depth);
        for (int8_t& weight : weights)
          weight = static_cast<int8_t>(extreme ? (random_() % 4 == 0 ? -63 : 63)
                                               : static_cast<int>(random_() % 127) - 63);
        AlignedBuffer<int8_t> panels(columns * depth);
        for (size_t n = 0; n < columns; ++n)
          for (size_t k = 0; k < depth; ++k)
            panels.data()[n / width * width * depth + (k / 4 * width + n % width) * 4 + k % 4] =
                weights[n * depth + k];
        const size_t groups = (depth + kInt8Group - 1) / kInt8Group;
        std::vector<Int8Scale> scales(groups * rows);
        for (size_t i = 0; i < scales.size(); ++i) {
          const size_t count = std::min(kInt8Group, depth - i / rows * kInt8Group);
          scales[i] = {.step = random(1, 0.1f)[0],
                       .least = random(1, 0.1f)[0],
                       .beyond = random(1, 50.0f)[0],
                       .place = static_cast<uint32_t>(random_() % count)};
        }
        const std::vector<float> weight_steps = random(groups * columns, 0.01f);
        const std::vector<float> weight_sums = random(groups * columns);
        const std::vector<float> bias = random(columns);
        const std::vector<float> before = random(rows * columns);
        for (const bool accumulate : {false, true}) {
          std::vector<float> output = before;
          kernels_->linear_int8({.input = input.data(),
                                 .input_stride = depth,
                                 .scales = scales.data(),
                                 .scale_stride = rows,
                                 .rows = rows,
                                 .panels = panels.data(),
                                 .panel_stride = depth * width,
                                 .depth = depth,
                                 .columns = columns,
                                 .weight_steps = weight_steps.data(),
                                 .weight_sums = weight_sums.data(),
                                 .weight_stride = columns,
                                 .bias = accumulate ? nullptr : bias.data(),
                                 .output = output.data(),
                                 .output_stride = columns,
                                 .accumulate = accumulate,
                                 .activation = accumulate ? Activation::none : Activation::gelu});
          for (size_t r = 0; r < rows; ++r) {
            for (size_t n = 0; n < columns; ++n) {
              double want = accumulate ? before[r * columns + n] : bias[n];
              double size = 1 + std::abs(want);
              for (size_t group = 0; group < groups; ++group) {
                const Int8Scale& scale = scales[group * rows + r];
                const size_t begin = group * kInt8Group;
                int64_t sum = 0;
                for (size_t k = begin; k < std::min(begin + kInt8Group, depth); ++k)
                  sum += input[r * depth + k] * weights[n * depth + k];
                const double far =
                    static_cast<double>(scale.beyond) * weights[n * depth + begin + scale.place];
                const double scaled =
                    weight_steps[group * columns + n] *
                    (static_cast<double>(scale.step) * static_cast<double>(sum) + far);
                const double shift =
                    static_cast<double>(scale.least) * weight_sums[group * columns + n];
                want += shift + scaled;
                size += std::abs(shift) + std::abs(scaled);
              }
              ASSERT_NEAR(output[r * columns + n],
                          accumulate ? want : exact(Activation::gelu, want), 2e-6 * size)
                  << rows << " x " << depth;
            }
          }
        }
      }
    }
  }
}

TEST_P(KernelsTest, WordsAreWithinHalfAStep) {
  for (const size_t depth : {1, 7, 16, 37, 384}) {
    const size_t rows = 3;
    std::vector<float> input = random(rows * depth, 3.0f);
    std::fill_n(input.begin(), depth, 0.0f);
    const size_t padded = round_up(depth, kernels_->depth_step);
    const size_t stride = padded + 3;
    std::vector<int16_t> words(rows * stride, 9000);
    std::vector<float> steps(rows);
    kernels_->quantise_words({.input = input.data(),
                              .input_stride = depth,
                              .rows = rows,
                              .depth = depth,
                              .output = words.data(),
                              .output_stride = stride,
                              .steps = steps.data()});
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < depth; ++i) {
        const int word = input_word(words.data() + r * stride, padded, i);
        ASSERT_LE(std::abs(word), kInt16InputMax);
        ASSERT_NEAR(steps[r] * static_cast<float>(word), input[r * depth + i],
                    0.501f * steps[r] + 1e-6f);
      }
      for (size_t i = depth; i < padded; ++i)
        EXPECT_EQ(input_word(words.data() + r * stride, padded, i), 0);
      EXPECT_EQ(words[r * stride + padded], 9000) << "wrote beyond the row";
    }
  }
}

// The largest inputs and weights whose sizes add up to the bound too: sums just within 32 bits.
TEST_P(KernelsTest, Int16SumsAreExact) {
  const size_t width = kernels_->panel_width;
  for (const size_t rows : {1, 2, 5, 6, 7, 13, 16, 17, 32, 40, 49}) {
    for (const size_t wanted : {8, 40, 192, 384}) {
      const size_t depth = round_up(wanted, kernels_->depth_step);
      for (const bool extreme : {false, true}) {
        const size_t columns = 64;
        const int most = std::min<int>(32767, kInt16WeightsMax / static_cast<int>(depth));
        std::vector<int16_t> input(rows * depth);
        for (int16_t& word : input)
          word = static_cast<int16_t>(extreme ? -kInt16InputMax
                                              : static_cast<int>(random_() % 16383) - 8191);
        std::vector<int16_t> weights(columns * depth);
        for (int16_t& weight : weights)
          weight = static_cast<int16_t>(
              extreme ? -most
                      : static_cast<int>(random_() % (2 * static_cast<unsigned>(most))) - most);
        AlignedBuffer<int16_t> panels(columns * depth);
        for (size_t n = 0; n < columns; ++n)
          for (size_t k = 0; k < depth; ++k)
            put_word(*kernels_, panels.data() + n / width * width * depth, depth, k, n % width,
                     weights[n * depth + k]);
        std::vector<int16_t> rows_of_input(rows * depth);
        for (size_t r = 0; r < rows; ++r)
          for (size_t k = 0; k < depth; ++k)
            put_input_word(rows_of_input.data() + r * depth, depth, k, input[r * depth + k]);
        const std::vector<float> steps = random(rows, 1e-3f);
        const std::vector<float> weight_steps = random(columns, 1e-3f);
        const std::vector<float> bias = random(columns);
        const std::vector<float> before = random(rows * columns);
        for (const bool accumulate : {false, true}) {
          std::vector<float> output = before;
          kernels_->linear_int16({.input = rows_of_input.data(),
                                  .input_stride = depth,
                                  .steps = steps.data(),
                                  .rows = rows,
                                  .panels = panels.data(),
                                  .panel_stride = depth * width,
                                  .depth = depth,
                                  .columns = columns,
                                  .weight_steps = weight_steps.data(),
                                  .bias = accumulate ? nullptr : bias.data(),
                                  .output = output.data(),
                                  .output_stride = columns,
                                  .accumulate = accumulate,
                                  .activation = accumulate ? Activation::none : Activation::gelu});
          for (size_t r = 0; r < rows; ++r) {
            for (size_t n = 0; n < columns; ++n) {
              int64_t sum = 0;
              for (size_t k = 0; k < depth; ++k)
                sum += input[r * depth + k] * weights[n * depth + k];
              const double scaled =
                  static_cast<double>(steps[r]) * weight_steps[n] * static_cast<double>(sum);
              const double start = accumulate ? before[r * columns + n] : bias[n];
              ASSERT_NEAR(output[r * columns + n],
                          accumulate ? start + scaled : exact(Activation::gelu, start + scaled),
                          2e-6 * (1 + std::abs(start) + std::abs(scaled)))
                  << rows << " x " << depth;
            }
          }
        }
      }
    }
  }
}

TEST_P(KernelsTest, LinearAccumulatesPartsOfTheDepth) {
  Problem p{.rows = 9, .depth = 100, .columns = 64};
  p.input = random(p.rows * p.depth);
  p.weights = random(p.depth * p.columns, 0.3f);
  p.bias = random(p.columns);
  p.pack(kernels_->panel_width);
  AlignedBuffer<float> workspace(linear_workspace());
  std::vector<float> whole(p.rows * p.padded);
  std::vector<float> parts(p.rows * p.padded);
  LinearCall call{.input = p.input.data(),
                  .input_stride = p.depth,
                  .rows = p.rows,
                  .panels = p.panels.data(),
                  .panel_stride = p.depth * kernels_->panel_width,
                  .depth = p.depth,
                  .columns = p.padded,
                  .bias = p.bias.data(),
                  .output = whole.data(),
                  .output_stride = p.padded,
                  .workspace = workspace.data()};
  kernels_->linear(call);
  call.output = parts.data();
  call.depth = 36;
  call.bias = nullptr;
  kernels_->linear(call);
  call.input += 36;
  call.panels += 36 * kernels_->panel_width;
  call.depth = 64;
  call.bias = p.bias.data();
  call.accumulate = true;
  kernels_->linear(call);
  EXPECT_EQ(0, std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)));
}

TEST_P(KernelsTest, ARowsResultDoesNotDependOnItsCompany) {
  Problem p{.rows = 64, .depth = 300, .columns = 64};
  p.input = random(p.rows * p.depth);
  p.weights = random(p.depth * p.columns, 0.3f);
  p.bias = random(p.columns);
  p.pack(kernels_->panel_width);
  AlignedBuffer<float> workspace(linear_workspace());
  std::vector<float> together(p.rows * p.padded);
  LinearCall call{.input = p.input.data(),
                  .input_stride = p.depth,
                  .rows = p.rows,
                  .panels = p.panels.data(),
                  .panel_stride = p.depth * kernels_->panel_width,
                  .depth = p.depth,
                  .columns = p.padded,
                  .bias = p.bias.data(),
                  .output = together.data(),
                  .output_stride = p.padded,
                  .activation = Activation::gelu,
                  .workspace = workspace.data()};
  kernels_->linear(call);
  for (size_t rows = 1; rows < 40; ++rows) {
    std::vector<float> some(rows * p.padded);
    call.input = p.input.data() + (p.rows - rows) * p.depth;
    call.rows = rows;
    call.output = some.data();
    kernels_->linear(call);
    EXPECT_EQ(0, std::memcmp(some.data(), together.data() + (p.rows - rows) * p.padded,
                             some.size() * sizeof(float)))
        << rows;
  }
}

TEST_P(KernelsTest, ActivationsAreAccurate) {
  std::vector<float> inputs;
  for (float x = -20; x < 20; x += 0.0007f) inputs.push_back(x);
  for (const float x : {0.0f, -0.0f, 1e-30f, 1e-6f, 60.0f, -60.0f, 1e4f, -1e4f, 5.2f, -5.2f})
    inputs.push_back(x);
  inputs.resize(round_up(inputs.size(), 64));
  for (const Activation activation : {Activation::gelu, Activation::gelu_tanh, Activation::relu,
                                      Activation::silu, Activation::none}) {
    std::vector<float> values = inputs;
    kernels_->activate(activation, values.data(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const double want = exact(activation, inputs[i]);
      const double allowed = std::max(1e-6, 4e-7 * std::abs(want));
      ASSERT_NEAR(values[i], want, allowed) << inputs[i];
    }
  }
}

TEST_P(KernelsTest, AttentionMatchesDoublePrecision) {
  for (const size_t head_size : {1, 13, 26, 32, 64, 80}) {
    for (const size_t tokens : {1, 2, 5, 6, 13, 31, 33, 64, 130}) {
      const size_t stride = 3 * head_size + 5;
      const std::vector<float> rows = random(tokens * stride, 2);
      const std::vector<float> bias = random(2 * tokens - 1);
      AlignedBuffer<float> workspace(attention_workspace(tokens, head_size));
      for (const bool biased : {false, true}) {
        std::vector<float> output(tokens * head_size + 1, 77.0f);
        const double scale = 1 / std::sqrt(static_cast<double>(head_size));
        kernels_->attention({.query = rows.data(),
                             .key = rows.data() + head_size,
                             .value = rows.data() + 2 * head_size,
                             .stride = stride,
                             .tokens = tokens,
                             .head_size = head_size,
                             .scale = static_cast<float>(scale),
                             .relative_bias = biased ? bias.data() + tokens - 1 : nullptr,
                             .output = output.data(),
                             .output_stride = head_size,
                             .workspace = workspace.data()});
        EXPECT_EQ(output.back(), 77.0f) << "wrote beyond the output";
        for (size_t i = 0; i < tokens; ++i) {
          std::vector<double> weight(tokens);
          double sum = 0;
          for (size_t j = 0; j < tokens; ++j) {
            double score = 0;
            for (size_t c = 0; c < head_size; ++c)
              score += static_cast<double>(rows[i * stride + c]) * rows[j * stride + head_size + c];
            weight[j] = std::exp(score * scale + (biased ? bias[tokens - 1 + j - i] : 0));
            sum += weight[j];
          }
          for (size_t c = 0; c < head_size; ++c) {
            double want = 0;
            for (size_t j = 0; j < tokens; ++j)
              want += weight[j] / sum * rows[j * stride + 2 * head_size + c];
            ASSERT_NEAR(output[i * head_size + c], want, 2e-5) << tokens << " " << head_size;
          }
        }
      }
    }
  }
}

TEST_P(KernelsTest, AttentionSurvivesExtremeScores) {
  // One key wins by far: the others' weights underflow, nothing becomes NaN.
  const size_t tokens = 20;
  std::vector<float> rows(tokens * 24);
  for (size_t i = 0; i < tokens; ++i)
    for (size_t c = 0; c < 24; ++c)
      rows[i * 24 + c] = c < 16 ? 1e4f * static_cast<float>(i) : static_cast<float>(i);
  AlignedBuffer<float> workspace(attention_workspace(tokens, 8));
  std::vector<float> output(tokens * 8);
  kernels_->attention({.query = rows.data(),
                       .key = rows.data() + 8,
                       .value = rows.data() + 16,
                       .stride = 24,
                       .tokens = tokens,
                       .head_size = 8,
                       .scale = 1.0f,
                       .output = output.data(),
                       .output_stride = 8,
                       .workspace = workspace.data()});
  for (size_t i = 1; i < tokens; ++i) EXPECT_FLOAT_EQ(output[i * 8], 19.0f);
}

TEST_P(KernelsTest, LayerNormMatchesDoublePrecision) {
  for (const size_t width : {1, 5, 16, 48, 384, 390}) {
    const size_t stride = width + 3;
    std::vector<float> rows = random(4 * stride, 3);
    const size_t residual_stride = width + 5;
    const std::vector<float> residual = random(4 * residual_stride, 3);
    const std::vector<float> scale = random(width);
    const std::vector<float> shift = random(width);
    for (const bool with_residual : {false, true}) {
      std::vector<float> got = rows;
      kernels_->layer_norm({.rows = got.data(),
                            .stride = stride,
                            .residual = with_residual ? residual.data() : nullptr,
                            .residual_stride = residual_stride,
                            .count = 4,
                            .width = width,
                            .scale = scale.data(),
                            .shift = shift.data(),
                            .epsilon = 1e-6f});
      for (size_t r = 0; r < 4; ++r) {
        std::vector<double> x(width);
        double mean = 0;
        double spread = 0;
        for (size_t i = 0; i < width; ++i) {
          x[i] = static_cast<double>(rows[r * stride + i]) +
                 (with_residual ? residual[r * residual_stride + i] : 0);
          mean += x[i] / static_cast<double>(width);
        }
        for (const double v : x) spread += (v - mean) * (v - mean) / static_cast<double>(width);
        for (size_t i = 0; i < width; ++i) {
          const double want = (x[i] - mean) / std::sqrt(spread + 1e-6) * scale[i] + shift[i];
          EXPECT_NEAR(got[r * stride + i], want, 2e-5);
        }
        for (size_t i = width; i < stride; ++i)
          EXPECT_EQ(got[r * stride + i], rows[r * stride + i]) << "wrote beyond the width";
      }
    }
  }
}

TEST_P(KernelsTest, WidensAndNarrowsLikeTheReference) {
  std::vector<float> floats = random(1000, 0.01f);
  for (const float x : {0.0f, -0.0f, 65504.0f, 6e-8f, 2.9e-8f, 3e-8f, 1e-9f, 6.1e-5f, -6.09e-5f,
                        1.00048828125f, 1.0014648f})
    floats.push_back(x);
  std::vector<Half> halves(floats.size());
  EXPECT_TRUE(kernels_->narrow(floats.data(), halves.data(), floats.size()));
  for (size_t i = 0; i < floats.size(); ++i) EXPECT_EQ(halves[i], to_half(floats[i])) << floats[i];
  std::vector<float> back(floats.size());
  const std::vector<float> addend = random(floats.size());
  kernels_->widen_add(halves.data(), addend.data(), back.data(), back.size());
  for (size_t i = 0; i < back.size(); ++i) EXPECT_EQ(back[i], from_half(halves[i]) + addend[i]);
  floats[500] = 65520.0f;
  EXPECT_FALSE(kernels_->narrow(floats.data(), halves.data(), floats.size()));
}

TEST(Half, RoundTripsAndRoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = from_half(static_cast<Half>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(from_half(to_half(value))));
      continue;
    }
    EXPECT_EQ(to_half(value), bits);
    // Halfway to the next one goes to the even one.
    const float next = from_half(static_cast<Half>(bits + 1));
    if ((bits & 0x7fff) < 0x7bff) {
      const float middle = 0.5f * value + 0.5f * next;
      EXPECT_EQ(to_half(middle), (bits & 1) == 0 ? bits : bits + 1) << bits;
    }
  }
  EXPECT_EQ(to_half(std::numeric_limits<float>::infinity()), 0x7c00);
  EXPECT_EQ(to_half(1e30f), 0x7c00);
  EXPECT_EQ(to_half(65519.0f), 0x7bff);
}

TEST(Bfloat, RoundsToNearestEven) {
  EXPECT_EQ(from_bfloat(to_bfloat(1.0f)), 1.0f);
  EXPECT_EQ(from_bfloat(to_bfloat(1.00390625f)), 1.0f);         // halfway, down to even
  EXPECT_EQ(from_bfloat(to_bfloat(1.01171875f)), 1.015625f);    // halfway, up to even
  EXPECT_EQ(from_bfloat(to_bfloat(-1.0039070f)), -1.0078125f);  // just beyond halfway
  EXPECT_EQ(from_bfloat(to_bfloat(1e38f)), from_bfloat(to_bfloat(from_bfloat(to_bfloat(1e38f)))));
  EXPECT_TRUE(std::isnan(from_bfloat(to_bfloat(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isinf(from_bfloat(to_bfloat(std::numeric_limits<float>::infinity()))));
}

TEST(Kernels, AreChosenByName) {
  EXPECT_NE(find_kernels("scalar"), nullptr);
  EXPECT_EQ(find_kernels("abacus"), nullptr);
  EXPECT_NE(kernels().linear, nullptr);
}

}  // namespace
}  // namespace headrace::embed
