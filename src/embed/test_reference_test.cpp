// The textbook in double precision, family by family.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "embed/test_family.h"
#include "embed/test_model.h"

namespace headrace::embed {
namespace {

using Rows = std::vector<double>;

class Reference {
 public:
  Reference(const ModelConfig& config, const TestTensors& tensors, const std::string& prefix)
      : config_(config), family_(test_family(config.family)), tensors_(tensors), prefix_(prefix) {}

  Rows run(std::span<const int32_t> ids, size_t second) const {
    const size_t n = ids.size();
    const size_t h = config_.hidden;
    Rows x(n * h);
    const auto& words = at(family_.words);
    for (size_t i = 0; i < n; ++i) {
      for (size_t d = 0; d < h; ++d) {
        x[i * h + d] = words[static_cast<size_t>(ids[i]) * h + d];
        if (family_.position_table) {
          x[i * h + d] +=
              at("embeddings.position_embeddings.weight")[(i + config_.position_offset) * h + d];
        }
        if (family_.types > 0)
          x[i * h + d] += at(
              "embeddings.token_type_embeddings.weight")[(i < second || family_.types < 2 ? 0 : h) +
                                                         d];
      }
    }
    norm(x, family_.embedding_norm);
    for (uint32_t l = 0; l < config_.layers; ++l) run_layer(x, n, l);
    if (!family_.final_norm.empty()) norm(x, family_.final_norm);
    return x;
  }

 private:
  const std::vector<float>& at(const std::string& name) const {
    return tensors_.at(prefix_ + name).values;
  }

  std::vector<float> at_or_zero(const std::string& name, size_t size) const {
    const auto found = tensors_.find(prefix_ + name);
    return found == tensors_.end() ? std::vector<float>(size) : found->second.values;
  }

  void run_layer(Rows& x, size_t n, uint32_t l) const {
    const std::string layer = fmt::format(fmt::runtime(family_.layer), l);
    const bool attention_norm = l > 0 || family_.first_norm;
    Rows in = x;
    if (family_.pre_norm && attention_norm) norm(in, layer + family_.attention_norm);
    Rows qkv[3];
    if (family_.projection.size() == 1) {
      const Rows all = linear(in, n, layer + family_.projection[0]);
      for (size_t part = 0; part < 3; ++part) qkv[part] = columns(all, n, 3, part);
    } else {
      for (size_t part = 0; part < 3; ++part)
        qkv[part] = linear(in, n, layer + family_.projection[part]);
    }
    if (!family_.position_table) {
      rotate(qkv[0], n, l);
      rotate(qkv[1], n, l);
    }
    Rows y = linear(attention(qkv[0], qkv[1], qkv[2], n, l), n, layer + family_.attention_output);
    for (size_t i = 0; i < y.size(); ++i) y[i] += x[i];
    if (!family_.pre_norm) norm(y, layer + family_.attention_norm);
    in = y;
    if (family_.pre_norm) norm(in, layer + family_.output_norm);
    x = linear(inner(in, n, layer), n, layer + family_.down);
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
    if (!family_.pre_norm) norm(x, layer + family_.output_norm);
  }

  Rows inner(const Rows& in, size_t n, const std::string& layer) const {
    Rows first = linear(in, n, layer + family_.up[0]);
    if (!family_.gated) {
      activate(first);
      return first;
    }
    Rows gate;
    if (family_.up.size() == 2) {
      gate = linear(in, n, layer + family_.up[1]);
    } else {
      gate = columns(first, n, 2, family_.gate_first ? 0 : 1);
      first = columns(first, n, 2, family_.gate_first ? 1 : 0);
    }
    activate(gate);
    for (size_t i = 0; i < first.size(); ++i) first[i] *= gate[i];
    return first;
  }

  void activate(Rows& rows) const {
    for (double& v : rows)
      v = family_.silu ? v / (1 + std::exp(-v)) : 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
  }

  // The `part`-th of `parts` equal groups of columns.
  static Rows columns(const Rows& rows, size_t n, size_t parts, size_t part) {
    const size_t width = rows.size() / n / parts;
    Rows out;
    for (size_t i = 0; i < n; ++i) {
      for (size_t c = 0; c < width; ++c) out.push_back(rows[(i * parts + part) * width + c]);
    }
    return out;
  }

  // The bases that config_json() of the test's models gives.
  double base(uint32_t l) const {
    if (config_.family == Family::nomic) return 1000;
    if (config_.family == Family::gte) return 500000.0 * 2;
    return l % 3 == 0 ? 160000 : 10000;
  }

  void rotate(Rows& rows, size_t n, uint32_t l) const {
    const size_t h = config_.hidden;
    const size_t d = h / config_.heads;
    for (size_t i = 0; i < n; ++i) {
      for (size_t at = 0; at < h; at += d) {
        for (size_t c = 0; c < d / 2; ++c) {
          double frequency =
              std::pow(base(l), -2.0 * static_cast<double>(c) / static_cast<double>(d));
          if (config_.family == Family::gte)
            frequency /= std::pow(2.0, 2.0 / static_cast<double>(d));
          const double angle = static_cast<double>(i) * frequency;
          double& a = rows[i * h + at + c];
          double& b = rows[i * h + at + c + d / 2];
          const double turned = a * std::cos(angle) - b * std::sin(angle);
          b = b * std::cos(angle) + a * std::sin(angle);
          a = turned;
        }
      }
    }
  }

  // ModernBERT's local layers see 10 tokens to each side in these tests.
  bool sees(size_t i, size_t j, uint32_t l) const {
    if (config_.family != Family::modernbert || l % 3 == 0) return true;
    return (i > j ? i - j : j - i) <= 10;
  }

  Rows linear(const Rows& rows, size_t n, const std::string& name) const {
    const auto& w = at(name + ".weight");
    const size_t inputs = rows.size() / n;
    const size_t outputs = w.size() / inputs;
    const std::vector<float> b = at_or_zero(name + ".bias", outputs);
    Rows out(n * outputs);
    for (size_t i = 0; i < n; ++i) {
      for (size_t o = 0; o < outputs; ++o) {
        double sum = b[o];
        for (size_t k = 0; k < inputs; ++k) sum += rows[i * inputs + k] * w[o * inputs + k];
        out[i * outputs + o] = sum;
      }
    }
    return out;
  }

  void norm(Rows& rows, const std::string& name) const {
    const size_t h = config_.hidden;
    const auto& w = at(name + ".weight");
    const std::vector<float> b = at_or_zero(name + ".bias", h);
    for (size_t i = 0; i < rows.size(); i += h) {
      double mean = 0;
      double spread = 0;
      for (size_t d = 0; d < h; ++d) mean += rows[i + d] / static_cast<double>(h);
      for (size_t d = 0; d < h; ++d)
        spread += (rows[i + d] - mean) * (rows[i + d] - mean) / static_cast<double>(h);
      for (size_t d = 0; d < h; ++d)
        rows[i + d] = (rows[i + d] - mean) / std::sqrt(spread + config_.epsilon) * w[d] + b[d];
    }
  }

  // T5's bucket of a distance, as MPNet uses it: 32 buckets, exact below 8, logarithmic to 128.
  static int bucket(int distance) {
    const int away = std::abs(distance);
    const int side = distance > 0 ? 16 : 0;
    if (away < 8) return side + away;
    const int wide = 8 + static_cast<int>(std::log(away / 8.0f) / std::log(128 / 8.0f) * 8);
    return side + std::min(wide, 15);
  }

  Rows attention(const Rows& q, const Rows& k, const Rows& v, size_t n, uint32_t l) const {
    const size_t h = config_.hidden;
    const size_t d = h / config_.heads;
    Rows out(n * h);
    for (size_t head = 0; head < config_.heads; ++head) {
      for (size_t i = 0; i < n; ++i) {
        Rows weight(n);
        double top = -1e300;
        for (size_t j = 0; j < n; ++j) {
          for (size_t c = head * d; c < (head + 1) * d; ++c)
            weight[j] += q[i * h + c] * k[j * h + c] / std::sqrt(static_cast<double>(d));
          if (config_.family == Family::mpnet) {
            const int b = bucket(static_cast<int>(j) - static_cast<int>(i));
            weight[j] += at(
                "encoder.relative_attention_bias.weight")[static_cast<size_t>(b) * config_.heads +
                                                          head];
          }
          if (!sees(i, j, l)) weight[j] = -1e300;
          top = std::max(top, weight[j]);
        }
        double sum = 0;
        for (double& w : weight) sum += w = std::exp(w - top);
        for (size_t j = 0; j < n; ++j)
          for (size_t c = head * d; c < (head + 1) * d; ++c)
            out[i * h + c] += weight[j] / sum * v[j * h + c];
      }
    }
    return out;
  }

  const ModelConfig& config_;
  const TestFamily family_;
  const TestTensors& tensors_;
  const std::string& prefix_;
};

}  // namespace

std::vector<double> reference_rows(const ModelConfig& config, const TestTensors& tensors,
                                   const std::string& prefix, std::span<const int32_t> ids,
                                   size_t second) {
  return Reference(config, tensors, prefix).run(ids, second);
}

}  // namespace headrace::embed
