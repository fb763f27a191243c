#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "embed/kernels.h"
#include "embed/test_model.h"

namespace headrace::embed {

TemporaryFolder::TemporaryFolder() {
  std::string pattern = testing::TempDir() + "headrace_embed_XXXXXX";
  HR_CHECK(::mkdtemp(pattern.data()) != nullptr, "a temporary folder can be made");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

void TemporaryFolder::write(std::string_view name, std::string_view text) const {
  const std::filesystem::path path = std::filesystem::path(path_) / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  HR_CHECK(file.good(), "the test can write its file");
}

std::string safetensors_bytes(const TestTensors& tensors) {
  std::string header = "{";
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = data.size();
    for (const float value : tensor.values) {
      const uint32_t bits = std::bit_cast<uint32_t>(value);
      char bytes[4];
      if (tensor.type == "F32") {
        std::memcpy(bytes, &bits, 4);
        data.append(bytes, 4);
      } else {
        const uint16_t half =
            tensor.type == "F16" ? to_half(value) : static_cast<uint16_t>(bits >> 16);
        std::memcpy(bytes, &half, 2);
        data.append(bytes, 2);
      }
    }
    header += fmt::format(R"({}"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                          header.size() > 1 ? "," : "", name, tensor.type,
                          fmt::join(tensor.shape, ","), begin, data.size());
  }
  header += "}";
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes += static_cast<char>(static_cast<uint64_t>(header.size()) >> (8 * i) & 0xff);
  return bytes + header + data;
}

namespace {

struct Names {
  const char* layer;
  const char* linear[6];  // query, key, value, attention output, up, down
  const char* norm[2];    // after attention, after the feed-forward part
};

Names names_for(Family family) {
  switch (family) {
    case Family::distilbert:
      return {"transformer.layer.{}.",
              {"attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin",
               "ffn.lin1", "ffn.lin2"},
              {"sa_layer_norm", "output_layer_norm"}};
    case Family::mpnet:
      return {"encoder.layer.{}.",
              {"attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o",
               "intermediate.dense", "output.dense"},
              {"attention.LayerNorm", "output.LayerNorm"}};
    default:
      return {"encoder.layer.{}.",
              {"attention.self.query", "attention.self.key", "attention.self.value",
               "attention.output.dense", "intermediate.dense", "output.dense"},
              {"attention.output.LayerNorm", "output.LayerNorm"}};
  }
}

}  // namespace

TestTensors random_tensors(const TestShape& shape) {
  TestTensors tensors;
  std::mt19937_64 random(shape.seed);
  std::normal_distribution<float> normal;
  const auto add = [&](const std::string& name, std::vector<uint64_t> sizes, float spread,
                       float middle = 0) {
    TestTensor tensor{shape.type, std::move(sizes), {}};
    uint64_t count = 1;
    for (const uint64_t size : tensor.shape) count *= size;
    tensor.values.resize(count);
    for (float& value : tensor.values) {
      value = from_half(to_half(middle + spread * normal(random)));
      // Coarser still, so that BF16 holds it exactly too.
      value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) & 0xffff0000u);
    }
    tensors[shape.prefix + name] = std::move(tensor);
  };
  const auto norm = [&](const std::string& name) {
    add(name + ".weight", {shape.hidden}, 0.2f, 1.0f);
    add(name + ".bias", {shape.hidden}, 0.2f);
  };
  const uint64_t hidden = shape.hidden;
  add("embeddings.word_embeddings.weight", {shape.vocabulary, hidden}, 0.5f);
  add("embeddings.position_embeddings.weight", {shape.positions, hidden}, 0.3f);
  if (shape.family == Family::bert)
    add("embeddings.token_type_embeddings.weight", {2, hidden}, 0.3f);
  if (shape.family == Family::roberta)
    add("embeddings.token_type_embeddings.weight", {1, hidden}, 0.3f);
  if (shape.family == Family::mpnet)
    add("encoder.relative_attention_bias.weight", {32, shape.heads}, 1.0f);
  norm("embeddings.LayerNorm");
  const Names names = names_for(shape.family);
  for (uint32_t i = 0; i < shape.layers; ++i) {
    const std::string layer = fmt::format(fmt::runtime(names.layer), i);
    for (int part = 0; part < 6; ++part) {
      const uint64_t outputs = part == 4 ? shape.intermediate : hidden;
      const uint64_t inputs = part == 5 ? shape.intermediate : hidden;
      add(layer + names.linear[part] + ".weight", {outputs, inputs},
          1.5f / std::sqrt(static_cast<float>(inputs)));
      add(layer + names.linear[part] + ".bias", {outputs}, 0.2f);
    }
    norm(layer + names.norm[0]);
    norm(layer + names.norm[1]);
  }
  return tensors;
}

std::string config_json(const TestShape& shape) {
  if (shape.family == Family::distilbert) {
    return fmt::format(
        R"({{"model_type":"distilbert","dim":{},"n_layers":{},"n_heads":{},"hidden_dim":{},)"
        R"("vocab_size":{},"max_position_embeddings":{},"activation":"gelu"}})",
        shape.hidden, shape.layers, shape.heads, shape.intermediate, shape.vocabulary,
        shape.positions);
  }
  return fmt::format(
      R"({{"model_type":"{}","hidden_size":{},"num_hidden_layers":{},"num_attention_heads":{},)"
      R"("intermediate_size":{},"vocab_size":{},"max_position_embeddings":{},)"
      R"("hidden_act":"gelu","layer_norm_eps":1e-6,"type_vocab_size":{}{}}})",
      family_name(shape.family), shape.hidden, shape.layers, shape.heads, shape.intermediate,
      shape.vocabulary, shape.positions, shape.family == Family::bert ? 2 : 1,
      shape.family == Family::bert ? "" : R"(,"pad_token_id":1)");
}

void write_model(const TemporaryFolder& folder, const TestShape& shape,
                 const TestTensors& tensors) {
  folder.write("config.json", config_json(shape));
  folder.write("tokenizer.json", "{}");
  folder.write("model.safetensors", safetensors_bytes(tensors));
}

ModelFiles files_of(const TemporaryFolder& folder) {
  return {"test", folder.path(), "directory"};
}

namespace {

using Rows = std::vector<double>;

class Reference {
 public:
  Reference(const ModelConfig& config, const TestTensors& tensors, const std::string& prefix)
      : config_(config), tensors_(tensors), prefix_(prefix) {}

  Rows run(std::span<const int32_t> ids) const {
    const size_t n = ids.size();
    const size_t h = config_.hidden;
    Rows x(n * h);
    const auto& words = at("embeddings.word_embeddings.weight");
    const auto& places = at("embeddings.position_embeddings.weight");
    for (size_t i = 0; i < n; ++i) {
      for (size_t d = 0; d < h; ++d) {
        x[i * h + d] = static_cast<double>(words[static_cast<size_t>(ids[i]) * h + d]) +
                       places[(i + config_.position_offset) * h + d];
        if (config_.token_types > 0)
          x[i * h + d] += at("embeddings.token_type_embeddings.weight")[d];
      }
    }
    norm(x, "embeddings.LayerNorm");
    const Names names = names_for(config_.family);
    for (uint32_t l = 0; l < config_.layers; ++l) {
      const std::string layer = fmt::format(fmt::runtime(names.layer), l);
      const auto project = [&](const Rows& rows, int part) {
        return linear(rows, n, layer + names.linear[part]);
      };
      Rows y = linear(attention(project(x, 0), project(x, 1), project(x, 2), n), n,
                      layer + names.linear[3]);
      for (size_t i = 0; i < y.size(); ++i) y[i] += x[i];
      norm(y, layer + names.norm[0]);
      Rows inner = project(y, 4);
      for (double& v : inner) v = 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
      x = project(inner, 5);
      for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
      norm(x, layer + names.norm[1]);
    }
    return x;
  }

 private:
  const std::vector<float>& at(const std::string& name) const {
    return tensors_.at(prefix_ + name).values;
  }

  Rows linear(const Rows& rows, size_t n, const std::string& name) const {
    const auto& w = at(name + ".weight");
    const auto& b = at(name + ".bias");
    const size_t inputs = rows.size() / n;
    Rows out(n * b.size());
    for (size_t i = 0; i < n; ++i) {
      for (size_t o = 0; o < b.size(); ++o) {
        double sum = b[o];
        for (size_t k = 0; k < inputs; ++k) sum += rows[i * inputs + k] * w[o * inputs + k];
        out[i * b.size() + o] = sum;
      }
    }
    return out;
  }

  void norm(Rows& rows, const std::string& name) const {
    const size_t h = config_.hidden;
    const auto& w = at(name + ".weight");
    const auto& b = at(name + ".bias");
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

  Rows attention(const Rows& q, const Rows& k, const Rows& v, size_t n) const {
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
  const TestTensors& tensors_;
  const std::string& prefix_;
};

}  // namespace

std::vector<double> reference_rows(const ModelConfig& config, const TestTensors& tensors,
                                   const std::string& prefix, std::span<const int32_t> ids) {
  return Reference(config, tensors, prefix).run(ids);
}

}  // namespace headrace::embed
