#include "embed/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "embed/rounding.h"

namespace headrace::embed {
std::unexpected<Error> WeightReader::too_big(const std::string& name) const {
  return fail(ErrorCode::unsupported,
              fmt::format("{}: tensor \"{}{}\" holds a weight beyond 65504, which half precision "
                          "cannot hold",
                          file_.path(), prefix_, name),
              "use --precision int16");
}

Status WeightReader::rows(const std::string& name, std::span<const uint64_t> shape, uint64_t width,
                          const std::function<void(uint64_t, const float*)>& take) {
  const std::string full = prefix_ + name;
  hasher_.update(name);
  return file_.read(
      full, shape, width,
      [&](uint64_t first, std::span<const float> floats) {
        for (uint64_t i = 0; i < floats.size(); i += width)
          take((first + i) / width, floats.data() + i);
      },
      [&](std::string_view bytes) { hasher_.update(bytes); });
}

Result<uint32_t> WeightReader::rows_of(const std::string& name) const {
  constexpr uint64_t kRowsMax = 1 << 20;
  const auto found = file_.tensors().find(prefix_ + name);
  const uint64_t rows = found == file_.tensors().end() || found->second.shape.size() != 2
                            ? 0
                            : found->second.shape[0];
  if (rows > 0 && rows <= kRowsMax) return static_cast<uint32_t>(rows);
  return fail(ErrorCode::damaged,
              fmt::format("{}: tensor \"{}{}\" is no matrix", file_.path(), prefix_, name),
              "download or copy the model again");
}

Result<std::vector<float>> WeightReader::vector(const std::string& name, uint64_t size) {
  std::vector<float> values(size);
  const uint64_t shape[] = {size};
  HR_TRY(rows(name, shape, size,
              [&](uint64_t, const float* row) { std::copy(row, row + size, values.begin()); }));
  return values;
}

Status WeightReader::add_table(const std::string& name, uint64_t count, uint64_t width,
                               uint64_t first, std::span<float> out) {
  const uint64_t shape[] = {count, width};
  const uint64_t wanted = out.size() / width;
  HR_CHECK(first + wanted <= count, "the rows wanted are in the table");
  return rows(name, shape, width, [&](uint64_t row, const float* values) {
    if (row < first || row >= first + wanted) return;
    float* to = out.data() + (row - first) * width;
    for (uint64_t i = 0; i < width; ++i) to[i] += values[i];
  });
}

Status WeightReader::matrix(const std::string& name, uint64_t outputs, uint64_t inputs,
                            const std::function<void(uint64_t, const float*)>& take) {
  const uint64_t shape[] = {outputs, inputs};
  return rows(name, shape, inputs, take);
}

Status Linear::take_rows(WeightReader& reader, const Part& part,
                         const std::function<void(uint64_t, const float*)>& take) const {
  const uint64_t all = part.of > 0 ? part.of : part.outputs;
  return reader.matrix(part.weight, all, inputs_, [&](uint64_t row, const float* values) {
    if (row >= part.first && row < part.first + part.outputs) take(row - part.first, values);
  });
}

Status Linear::pack_halves(WeightReader& reader, const Part& part, uint32_t column) {
  const size_t panel = panel_width_;
  const bool bfloat = precision_ == Precision::bf16;
  std::vector<Half> halves(inputs_);
  bool fits = true;
  HR_TRY(take_rows(reader, part, [&](uint64_t row, const float* values) {
    if (bfloat) {
      for (size_t i = 0; i < inputs_; ++i) halves[i] = static_cast<Half>(to_bfloat(values[i]));
    } else {
      fits &= reader.kernels().narrow(values, halves.data(), inputs_);
    }
    const uint64_t place = column + row;
    Half* to = panels_.data() + place / panel * panel * inputs_ + place % panel;
    for (uint64_t i = 0; i < inputs_; ++i) to[i * panel] = halves[i];
  }));
  if (!fits) return reader.too_big(part.weight);
  return {};
}

size_t Linear::group_depth(size_t group) const {
  return round_up(std::min(kInputGroup, inputs_ - group * kInputGroup), depth_step_);
}

Status Linear::pack_bytes(WeightReader& reader, const Part& part, uint32_t column) {
  constexpr float kLargest = 63;
  static_assert(kInputGroup % kInt8Group == 0);
  return take_rows(reader, part, [&](uint64_t row, const float* values) {
    const size_t place = column + row;
    for (size_t begin = 0, number = 0; begin < inputs_; begin += kInt8Group, ++number) {
      const size_t count = std::min(kInt8Group, inputs_ - begin);
      float largest = 0;
      for (size_t i = begin; i < begin + count; ++i)
        largest = std::max(largest, std::abs(values[i]));
      const float inverse = largest > 0 ? kLargest / largest : 0.0f;
      const size_t group = begin / kInputGroup;
      int8_t* panel = bytes_.data() + group * kInputGroup * padded_ +
                      place / panel_width_ * panel_width_ * group_depth(group) +
                      begin % kInputGroup * panel_width_;
      int sum = 0;
      for (size_t i = 0; i < count; ++i) {
        const auto weight = static_cast<int8_t>(std::lround(values[begin + i] * inverse));
        panel[(i / 4 * panel_width_ + place % panel_width_) * 4 + i % 4] = weight;
        sum += weight;
      }
      const float step = largest / kLargest;
      weight_steps_.data()[number * padded_ + place] = step;
      weight_sums_.data()[number * padded_ + place] = step * static_cast<float>(sum);
    }
  });
}

// A column's step is as small as 16 bits and the bound on the sum of the sizes allow; rounding adds
// half a step to each size at the most.
Status Linear::pack_words(WeightReader& reader, const Part& part, uint32_t column) {
  constexpr float kLargest = 32767;
  std::array<int16_t, kInputGroup> numbers;
  return take_rows(reader, part, [&](uint64_t row, const float* values) {
    const size_t place = column + row;
    for (size_t group = 0; group * kInputGroup < inputs_; ++group) {
      const size_t begin = group * kInputGroup;
      const size_t count = std::min(kInputGroup, inputs_ - begin);
      // In four parts, so that one need not wait for the other.
      constexpr size_t kParts = 4;
      std::array<float, kParts> most{};
      std::array<double, kParts> sums{};
      for (size_t i = 0; i < count; ++i) {
        const float size = std::abs(values[begin + i]);
        most[i % kParts] = std::max(most[i % kParts], size);
        sums[i % kParts] += size;
      }
      const float largest = std::ranges::max(most);
      const double sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      const double bound = kInt16WeightsMax - static_cast<double>(count);
      const float step = std::max(largest / kLargest, static_cast<float>(sum / bound));
      const float inverse = step > 0 ? 1 / step : 0.0f;
      const size_t depth = group_depth(group);
      int16_t* panel =
          words_.data() + begin * padded_ + place / panel_width_ * panel_width_ * depth;
      for (size_t i = 0; i < count; ++i) {
        const float level = std::clamp(values[begin + i] * inverse, -kLargest, kLargest);
        numbers[i] = static_cast<int16_t>(nearest_whole(level));
      }
      for (size_t i = 0; i < count; ++i) {
        put_word(reader.kernels(), panel, depth, i, place % panel_width_, numbers[i]);
      }
      weight_steps_.data()[group * padded_ + place] = step;
    }
  });
}

Status Linear::pack(WeightReader& reader, const Part& part, uint32_t column) {
  switch (precision_) {
    case Precision::int8:
      return pack_bytes(reader, part, column);
    case Precision::int16:
      return pack_words(reader, part, column);
    default:
      return pack_halves(reader, part, column);
  }
}

Result<Linear> Linear::load(WeightReader& reader, std::span<const Part> parts, uint32_t inputs) {
  Linear linear;
  linear.inputs_ = inputs;
  linear.precision_ = reader.precision();
  linear.panel_width_ = reader.kernels().panel_width;
  linear.depth_step_ = reader.kernels().depth_step;
  for (const Part& part : parts) linear.outputs_ += part.outputs;
  linear.padded_ = round_up(linear.outputs_, kPanelWidthMax);
  const size_t groups = (inputs + kInputGroup - 1) / kInputGroup;
  if (linear.precision_ == Precision::int8) {
    const size_t fine = (inputs + kInt8Group - 1) / kInt8Group;
    linear.bytes_.resize(linear.padded_ * round_up(inputs, linear.depth_step_));
    linear.weight_steps_.resize(linear.padded_ * fine);
    linear.weight_sums_.resize(linear.padded_ * fine);
  } else if (linear.precision_ == Precision::int16) {
    linear.words_.resize(linear.padded_ * round_up(inputs, linear.depth_step_));
    linear.weight_steps_.resize(linear.padded_ * groups);
  } else {
    linear.panels_.resize(linear.padded_ * inputs);
  }
  linear.bias_.resize(linear.padded_);
  uint32_t column = 0;
  for (const Part& part : parts) {
    HR_TRY(linear.pack(reader, part, column));
    if (!part.bias.empty()) {
      const uint32_t all = part.of > 0 ? part.of : part.outputs;
      HR_ASSIGN(const std::vector<float> bias, reader.vector(part.bias, all));
      std::copy_n(bias.begin() + part.first, part.outputs, linear.bias_.data() + column);
    }
    column += part.outputs;
  }
  return linear;
}

void Linear::apply(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
                   Activation activation, LinearWorkspace& workspace) const {
  apply_part(kernels, rows, begin, end, 0, inputs_, activation, workspace);
}

void Linear::apply_inputs(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
                          LinearWorkspace& workspace) const {
  apply_part(kernels, rows, 0, padded_, begin, end, Activation::none, workspace);
}

void Linear::apply_part(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
                        size_t first, size_t last, Activation activation,
                        LinearWorkspace& workspace) const {
  HR_CHECK(begin % kPanelWidthMax == 0 && end <= padded_, "columns are whole panels");
  HR_CHECK(first < last && last <= inputs_, "inputs are in the matrix");
  if (precision_ == Precision::int8) {
    apply_bytes(kernels, rows, begin, end, first, last, activation, workspace);
    return;
  }
  if (precision_ == Precision::int16) {
    apply_words(kernels, rows, begin, end, first, last, activation, workspace);
    return;
  }
  const size_t members = workspace.team != nullptr ? workspace.team->members() : 1;
  workspace.panel.grow(members * linear_workspace());
  share_columns(begin, end, workspace.team, [&](size_t from, size_t to, size_t member) {
    kernels.linear({.input = rows.input,
                    .input_stride = rows.input_stride,
                    .rows = rows.count,
                    .panels = panels_.data() + from * inputs_ + first * panel_width_,
                    .bfloat = precision_ == Precision::bf16,
                    .panel_stride = panel_width_ * inputs_,
                    .depth = last - first,
                    .columns = to - from,
                    .bias = last == inputs_ ? bias_.data() + from : nullptr,
                    .output = rows.output + (from - begin),
                    .output_stride = rows.output_stride,
                    .accumulate = first > 0,
                    .activation = activation,
                    .workspace = workspace.panel.data() + member * linear_workspace()});
  });
}

void Linear::share_columns(size_t begin, size_t end, Team* team,
                           const std::function<void(size_t, size_t, size_t)>& body) {
  if (team == nullptr) {
    body(begin, end, 0);
    return;
  }
  // Two stretches for each member, so that one who comes late still finds something to do.
  const size_t panels = (end - begin) / kPanelWidthMax;
  const size_t parts = std::min(panels, 2 * team->members());
  team->run(parts, [&](size_t part, size_t member) {
    body(begin + panels * part / parts * kPanelWidthMax,
         begin + panels * (part + 1) / parts * kPanelWidthMax, member);
  });
}

void Linear::apply_bytes(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
                         size_t first, size_t last, Activation activation,
                         LinearWorkspace& workspace) const {
  HR_CHECK(first % kInputGroup == 0 && (last % kInputGroup == 0 || last == inputs_),
           "whole groups of inputs");
  const size_t groups = (last - first + kInputGroup - 1) / kInputGroup;
  constexpr size_t kFine = kInputGroup / kInt8Group;
  workspace.bytes.grow(groups * rows.count * kInputGroup);
  workspace.scales.grow(groups * rows.count * kFine);
  for (size_t i = 0; i < groups; ++i) {
    const size_t from = first + i * kInputGroup;
    const size_t to = std::min(from + kInputGroup, last);
    const size_t group = from / kInputGroup;
    const size_t depth = group_depth(group);
    uint8_t* bytes = workspace.bytes.data() + i * rows.count * kInputGroup;
    Int8Scale* scales = workspace.scales.data() + i * rows.count * kFine;
    const size_t fine = from / kInt8Group * padded_;
    if (!rows.same_input) {
      kernels.quantise({.input = rows.input + (from - first),
                        .input_stride = rows.input_stride,
                        .rows = rows.count,
                        .depth = to - from,
                        .output = bytes,
                        .output_stride = kInputGroup,
                        .scales = scales,
                        .scale_stride = rows.count});
    }
    share_columns(begin, end, workspace.team, [&](size_t left, size_t right, size_t) {
      kernels.linear_int8({.input = bytes,
                           .input_stride = kInputGroup,
                           .scales = scales,
                           .scale_stride = rows.count,
                           .rows = rows.count,
                           .panels = bytes_.data() + from * padded_ + left * depth,
                           .panel_stride = panel_width_ * depth,
                           .depth = depth,
                           .columns = right - left,
                           .weight_steps = weight_steps_.data() + fine + left,
                           .weight_sums = weight_sums_.data() + fine + left,
                           .weight_stride = padded_,
                           .bias = from == 0 ? bias_.data() + left : nullptr,
                           .output = rows.output + (left - begin),
                           .output_stride = rows.output_stride,
                           .accumulate = from > 0,
                           .activation = to == inputs_ ? activation : Activation::none});
    });
  }
}

void Linear::apply_words(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
                         size_t first, size_t last, Activation activation,
                         LinearWorkspace& workspace) const {
  HR_CHECK(first % kInputGroup == 0 && (last % kInputGroup == 0 || last == inputs_),
           "whole groups of inputs");
  const size_t groups = (last - first + kInputGroup - 1) / kInputGroup;
  workspace.words.grow(groups * rows.count * kInputGroup);
  workspace.steps.grow(groups * rows.count);
  for (size_t i = 0; i < groups; ++i) {
    const size_t from = first + i * kInputGroup;
    const size_t to = std::min(from + kInputGroup, last);
    const size_t group = from / kInputGroup;
    const size_t depth = group_depth(group);
    int16_t* words = workspace.words.data() + i * rows.count * kInputGroup;
    float* steps = workspace.steps.data() + i * rows.count;
    if (!rows.same_input) {
      kernels.quantise_words({.input = rows.input + (from - first),
                              .input_stride = rows.input_stride,
                              .rows = rows.count,
                              .depth = to - from,
                              .output = words,
                              .output_stride = kInputGroup,
                              .steps = steps});
    }
    share_columns(begin, end, workspace.team, [&](size_t left, size_t right, size_t) {
      kernels.linear_int16({.input = words,
                            .input_stride = kInputGroup,
                            .steps = steps,
                            .rows = rows.count,
                            .panels = words_.data() + from * padded_ + left * depth,
                            .panel_stride = panel_width_ * depth,
                            .depth = depth,
                            .columns = right - left,
                            .weight_steps = weight_steps_.data() + group * padded_ + left,
                            .bias = to == inputs_ ? bias_.data() + left : nullptr,
                            .output = rows.output + (left - begin),
                            .output_stride = rows.output_stride,
                            .accumulate = from > 0,
                            .activation = to == inputs_ ? activation : Activation::none});
    });
  }
}

Result<LayerNorm> LayerNorm::load(WeightReader& reader, const std::string& name, uint32_t width,
                                  float epsilon, bool bias) {
  LayerNorm norm;
  norm.epsilon_ = epsilon;
  HR_ASSIGN(norm.scale_, reader.vector(name + ".weight", width));
  norm.shift_.resize(width);
  if (bias) {
    HR_ASSIGN(norm.shift_, reader.vector(name + ".bias", width));
  }
  return norm;
}

void LayerNorm::apply(const Kernels& kernels, float* rows, size_t stride, size_t count) const {
  apply(kernels, rows, stride, nullptr, 0, count);
}

void LayerNorm::apply(const Kernels& kernels, float* rows, size_t stride, const float* residual,
                      size_t residual_stride, size_t count) const {
  kernels.layer_norm({.rows = rows,
                      .stride = stride,
                      .residual = residual,
                      .residual_stride = residual_stride,
                      .count = count,
                      .width = scale_.size(),
                      .scale = scale_.data(),
                      .shift = shift_.data(),
                      .epsilon = epsilon_});
}

}  // namespace headrace::embed
