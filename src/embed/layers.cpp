#include "embed/layers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace headrace::embed {
std::unexpected<Error> WeightReader::too_big(const std::string& name) const {
  return fail(ErrorCode::unsupported,
              fmt::format("{}: tensor \"{}{}\" holds a weight beyond 65504, which half precision "
                          "cannot hold",
                          file_.path(), prefix_, name));
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

Result<std::vector<float>> WeightReader::vector(const std::string& name, uint64_t size) {
  std::vector<float> values(size);
  const uint64_t shape[] = {size};
  HR_TRY(rows(name, shape, size,
              [&](uint64_t, const float* row) { std::copy(row, row + size, values.begin()); }));
  return values;
}

Result<AlignedBuffer<Half>> WeightReader::half_table(const std::string& name, uint64_t count,
                                                     uint64_t width) {
  AlignedBuffer<Half> table(count * width);
  const uint64_t shape[] = {count, width};
  bool fits = true;
  HR_TRY(rows(name, shape, width, [&](uint64_t row, const float* values) {
    Half* to = table.data() + row * width;
    fits &= kernels_.narrow(values, to, width);
  }));
  if (!fits) return too_big(name);
  return table;
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

Status WeightReader::pack(const std::string& name, uint64_t outputs, uint64_t inputs, Half* panels,
                          uint64_t column) {
  const size_t panel = kernels_.panel_width;
  const uint64_t shape[] = {outputs, inputs};
  std::vector<Half> halves(inputs);
  bool fits = true;
  HR_TRY(rows(name, shape, inputs, [&](uint64_t row, const float* values) {
    fits &= kernels_.narrow(values, halves.data(), inputs);
    const uint64_t place = column + row;
    Half* to = panels + place / panel * panel * inputs + place % panel;
    for (uint64_t i = 0; i < inputs; ++i) to[i * panel] = halves[i];
  }));
  if (!fits) return too_big(name);
  return {};
}

Result<Linear> Linear::load(WeightReader& reader, std::span<const Part> parts, uint32_t inputs) {
  Linear linear;
  linear.inputs_ = inputs;
  linear.panel_width_ = reader.kernels().panel_width;
  for (const Part& part : parts) linear.outputs_ += part.outputs;
  linear.padded_ = round_up(linear.outputs_, kPanelWidthMax);
  linear.panels_.resize(linear.padded_ * inputs);
  linear.bias_.resize(linear.padded_);
  uint32_t column = 0;
  for (const Part& part : parts) {
    HR_TRY(reader.pack(part.weight, part.outputs, inputs, linear.panels_.data(), column));
    if (!part.bias.empty()) {
      HR_ASSIGN(const std::vector<float> bias, reader.vector(part.bias, part.outputs));
      std::ranges::copy(bias, linear.bias_.data() + column);
    }
    column += part.outputs;
  }
  return linear;
}

void Linear::apply(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
                   Activation activation, float* workspace) const {
  HR_CHECK(begin % kPanelWidthMax == 0 && end <= padded_, "columns are whole panels");
  kernels.linear({.input = rows.input,
                  .input_stride = rows.input_stride,
                  .rows = rows.count,
                  .panels = panels_.data() + begin * inputs_,
                  .panel_stride = panel_width_ * inputs_,
                  .depth = inputs_,
                  .columns = end - begin,
                  .bias = bias_.data() + begin,
                  .output = rows.output,
                  .output_stride = rows.output_stride,
                  .activation = activation,
                  .workspace = workspace});
}

void Linear::apply_inputs(const Kernels& kernels, const Rows& rows, size_t begin, size_t end,
                          float* workspace) const {
  HR_CHECK(begin < end && end <= inputs_, "inputs are in the matrix");
  kernels.linear({.input = rows.input,
                  .input_stride = rows.input_stride,
                  .rows = rows.count,
                  .panels = panels_.data() + begin * panel_width_,
                  .panel_stride = panel_width_ * inputs_,
                  .depth = end - begin,
                  .columns = padded_,
                  .bias = end == inputs_ ? bias_.data() : nullptr,
                  .output = rows.output,
                  .output_stride = rows.output_stride,
                  .accumulate = begin > 0,
                  .workspace = workspace});
}

Result<LayerNorm> LayerNorm::load(WeightReader& reader, const std::string& name, uint32_t width,
                                  float epsilon) {
  LayerNorm norm;
  norm.epsilon_ = epsilon;
  HR_ASSIGN(norm.scale_, reader.vector(name + ".weight", width));
  HR_ASSIGN(norm.shift_, reader.vector(name + ".bias", width));
  return norm;
}

void LayerNorm::apply(const Kernels& kernels, float* rows, const float* residual, size_t stride,
                      size_t count) const {
  kernels.layer_norm({.rows = rows,
                      .residual = residual,
                      .stride = stride,
                      .count = count,
                      .width = scale_.size(),
                      .scale = scale_.data(),
                      .shift = shift_.data(),
                      .epsilon = epsilon_});
}

}  // namespace headrace::embed
